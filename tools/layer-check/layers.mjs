import { matchesAny } from "./glob.mjs";

/**
 * @typedef {object} Rule
 * @property {string} because One sentence: what holds, and why.
 * @property {string} instead One sentence: what to do.
 */

/**
 * The content of tools/layers.json.
 * @typedef {object} Layers
 * @property {{name: string, folders: string[], ordered?: boolean}[]} layers From the top down.
 * @property {string[]} free Folders that may import anything.
 * @property {Rule & {files: string[]}} tests Which files are tests, or help them.
 * @property {(Rule & {from: string[], to: string[], exceptTests?: boolean})[]} bans
 * @property {Rule} sideways
 * @property {Rule} up
 * @property {Rule & {allowed: string[]}} environment
 * @property {Rule & {pattern: string}} markers
 * @property {(Rule & {word: string, pattern: string, mark: string, allowedPhrases: string[], quotedIn: string[], allowed: string[]})[]} words
 */

/**
 * The rule that an import breaks, or undefined where it is allowed.
 * @param {Layers} layers
 * @param {{from: string, to: string, isTest: boolean}} edge Folders of workspaces; whether only tests import it.
 * @returns {Rule | undefined}
 */
export function brokenRule(layers, { from, to, isTest }) {
  const ban = layers.bans.find((each) => {
    if (isTest && each.exceptTests === true) return false;
    return matchesAny(each.from, from) && matchesAny(each.to, to);
  });
  if (ban !== undefined) return ban;
  if (layers.free.includes(from)) return undefined;
  const above = standing(layers, from);
  const below = standing(layers, to);
  if (above === undefined || below === undefined) return undefined;
  if (above.layer !== below.layer) return above.layer < below.layer ? undefined : layers.up;
  if (layers.layers[above.layer]?.ordered !== true) return layers.sideways;
  return below.place < above.place ? undefined : layers.up;
}

/**
 * Whether tools/layers.json says where a folder stands.
 * @param {Layers} layers
 * @param {string} folder
 */
export function isPlaced(layers, folder) {
  return layers.free.includes(folder) || standing(layers, folder) !== undefined;
}

/**
 * @param {Layers} layers
 * @param {string} folder
 */
function standing(layers, folder) {
  for (const [layer, { folders }] of layers.layers.entries()) {
    const place = folders.findIndex((pattern) => matchesAny([pattern], folder));
    if (place !== -1) return { layer, place };
  }
  return undefined;
}
