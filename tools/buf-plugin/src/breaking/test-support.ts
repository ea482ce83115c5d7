import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import type { RuleId } from "../rules.js";
import {
  contractOf,
  type Edit,
  findingsOf,
  type Printed,
  ROOT,
  run,
  withContracts,
  writeContracts,
} from "../test-support.js";

/** A row of a table: a change between two releases, and what is to be said of it. */
export interface Change {
  readonly what: string;
  /** How the older release differs from the contract above. */
  readonly old?: readonly Edit[];
  /** What the newer release changes; `gone` for the whole file. */
  readonly now: readonly Edit[] | "gone";
  /** The rule that refuses it; unset for a safe change. */
  readonly rule?: RuleId;
  /** Rules that refuse it too; no other may. */
  readonly also?: readonly RuleId[];
  /** What the message has to say. */
  readonly says?: RegExp;
}

/** Gives every row to one run of `buf breaking`, each as a file of its own, and returns the findings of each. */
async function compareAll(changes: readonly Change[]): Promise<Printed[][]> {
  const nameOf = (index: number) => `case${index}`;
  const fileOf = (index: number) => `cellway/${nameOf(index)}/v1/thing.proto`;
  const old = Object.fromEntries(
    changes.map((change, index) => [fileOf(index), contractOf(nameOf(index), index + 1, change.old)]),
  );
  const now = changes.flatMap(({ old: before = [], now: edits }, index) =>
    edits === "gone" ? [] : [[fileOf(index), contractOf(nameOf(index), index + 1, [...before, ...edits])]],
  );
  return await withContracts(old, async (root) => {
    const built = await run("buf", ["build", "proto", "--exclude-source-info", "-o", "old.binpb"], root);
    if (built.code !== 0) throw new Error(built.output);
    rmSync(join(root, "proto/cellway"), { recursive: true });
    cpSync(join(ROOT, "proto/cellway/contract"), join(root, "proto/cellway/contract"), { recursive: true });
    writeContracts(root, Object.fromEntries(now));
    const findings = await findingsOf(["breaking", "proto", "--against", "old.binpb"], root);
    const byCase = changes.map((_change, index) =>
      findings.filter(({ path, message }) =>
        path === undefined ? message.includes(`cellway.${nameOf(index)}.`) : path.endsWith(fileOf(index)),
      ),
    );
    const judged = byCase.flat().length;
    if (judged !== findings.length) throw new Error(`${findings.length - judged} findings belong to no row`);
    return byCase;
  });
}

/** One row, one test: exactly the expected rules refuse it, and every message says what breaks and what to do. */
export function describeChanges(name: string, changes: readonly Change[]): void {
  describe(`buf breaking, of ${name}`, () => {
    let findings: Printed[][];
    beforeAll(async () => {
      findings = await compareAll(changes);
    });

    test.each(changes.map((change, index) => ({ ...change, index })))("$what → $rule", (change) => {
      const { rule, also = [], says = /./ } = change;
      const found = findings[change.index] ?? [];
      expect(new Set(found.map(({ type }) => type))).toEqual(new Set(rule === undefined ? [] : [rule, ...also]));
      for (const { message } of found) expect(message).toMatch(SAFE_WAY);
      const messages = found.filter(({ type }) => type === rule).map(({ message }) => message);
      if (rule !== undefined && !messages.some((message) => says.test(message))) expect(messages).toMatch(says);
    });
  });
}

const SAFE_WAY = /Breaks (?:old caller → new server|new caller → old server): .+\. Do it in two phases: 1\. .+; 2\. /;
