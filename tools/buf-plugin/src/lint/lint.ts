import type { Contract } from "../contract-files.js";
import type { Finding } from "../finding.js";
import { lintNames } from "./names.js";
import { lintOutbox } from "./outbox.js";
import { lintServices } from "./services.js";

/** What is wrong with a contract in itself. */
export function lint(contract: Contract): Finding[] {
  return [...lintServices(contract), ...lintNames(contract), ...lintOutbox(contract)];
}
