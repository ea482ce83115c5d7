import type { Contract } from "../contract-files.js";
import type { Finding } from "../finding.js";
import { compareFields } from "./fields.js";
import { compareMethods } from "./methods.js";
import { compareOutboxes } from "./outbox.js";
import { pairUp } from "./pair.js";
import { compareReserved } from "./reserved.js";
import { compareDeclarations } from "./types.js";
import { compareValidation } from "./validation.js";

/** What would break between processes of an older contract and of a newer one. */
export function compare(old: Contract, now: Contract): Finding[] {
  const pair = pairUp(old, now);
  return [
    ...compareMethods(pair),
    ...compareFields(pair),
    ...compareValidation(pair),
    ...compareDeclarations(pair),
    ...compareReserved(pair),
    ...compareOutboxes(pair),
  ];
}
