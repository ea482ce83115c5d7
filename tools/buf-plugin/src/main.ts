import { readFileSync } from "node:fs";
import { check } from "./check.js";
import { PROCEDURES, readCheckRequest, writeCheckResponse, writeFailure } from "./protocol.js";

const STDIN = 0;

/** Answers one question of buf: the procedure is the first argument, the request comes on standard input. */
async function main(): Promise<void> {
  const [procedure] = process.argv.slice(2);
  if (procedure !== PROCEDURES.check) throw new Error(`there is no procedure ${procedure ?? "without a name"}`);
  process.stdout.write(await answer(readFileSync(STDIN)));
}

async function answer(request: Uint8Array): Promise<Uint8Array> {
  try {
    return writeCheckResponse(await check(readCheckRequest(request)));
  } catch (error) {
    return writeFailure(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

await main();
