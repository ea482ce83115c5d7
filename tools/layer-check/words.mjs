import { matchesAny } from "./glob.mjs";

/** @typedef {import("./layers.mjs").Layers} Layers */
/** @typedef {import("./dependencies.mjs").Fault} Fault */

/**
 * Faults of the words in one file: markers that are not ours, and words that the glossary has replaced.
 * @param {Layers} layers
 * @param {string} file
 * @param {string} text
 * @returns {Fault[]}
 */
export function checkWords(layers, file, text) {
  const lines = text.split("\n");
  const faults = layers.words
    .filter((word) => !matchesAny(word.allowed, file))
    .flatMap((word) => checkWord(word, file, lines));
  if (!file.endsWith(".md")) faults.push(...checkMarkers(layers.markers, file, lines));
  return faults;
}

/**
 * @param {Layers["words"][number]} word
 * @param {string} file
 * @param {readonly string[]} lines
 * @returns {Fault[]}
 */
function checkWord(word, file, lines) {
  const pattern = new RegExp(word.pattern);
  const mayQuote = matchesAny(word.quotedIn, file);
  const faults = [];
  for (const [index, line] of lines.entries()) {
    if (line.includes(word.mark) || lines[index - 1]?.includes(word.mark)) continue;
    const rest = withoutPhrases(mayQuote ? withoutQuotes(line) : line, word.allowedPhrases);
    const found = pattern.exec(rest);
    if (found === null) continue;
    const what = `says "${found[0]}"`;
    faults.push({ file, line: index + 1, what, because: word.because, instead: word.instead });
  }
  return faults;
}

/**
 * @param {Layers["markers"]} markers
 * @param {string} file
 * @param {readonly string[]} lines
 * @returns {Fault[]}
 */
function checkMarkers(markers, file, lines) {
  const pattern = new RegExp(markers.pattern);
  return [...lines.entries()].flatMap(([index, line]) => {
    const found = pattern.exec(line);
    if (found === null) return [];
    const what = `has the marker "${found[0]}"`;
    return [{ file, line: index + 1, what, because: markers.because, instead: markers.instead }];
  });
}

/** @param {string} line */
function withoutQuotes(line) {
  return line.replace(/`[^`]*`|"[^"]*"|“[^”]*”/g, "");
}

/**
 * @param {string} line
 * @param {readonly string[]} phrases
 */
function withoutPhrases(line, phrases) {
  return phrases.reduce((rest, phrase) => rest.replaceAll(phrase, ""), line);
}
