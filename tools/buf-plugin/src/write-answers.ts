import { writeFileSync } from "node:fs";
import { formatAnswers } from "./answers.js";

// Writes the files of answers/. Run it after a change of rules.ts: node tools/buf-plugin/dist/write-answers.js
for (const [file, answer] of Object.entries(formatAnswers())) {
  writeFileSync(new URL(`../answers/${file}`, import.meta.url), answer);
}
