import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Load } from "../load.js";
import type { ClientOf } from "../scenario.js";
import { RECIPES, type Recipe, readRecipeDiffs } from "./recipes.js";
import { CELLS, type SkewFleet, startSkewFleet } from "./skew-fleet.js";
import { buildVariant, checkTree, removeTrees, THIS_TREE, type Tree } from "./trees.js";

/** What `npm run check` runs against releases that may still run. */
const CHECKS = ["breaking.mjs", "new-calls.mjs"];
const BUILDS_TIMEOUT_MS = 400_000;

let diffs: ReadonlyMap<string, string>;
let fleet: SkewFleet;
let loads = 0;

beforeAll(async () => {
  diffs = await readRecipeDiffs();
  fleet = await startSkewFleet(THIS_TREE, { processes: 1 });
}, 120_000);

afterAll(async () => {
  await fleet?.stop();
  await removeTrees();
}, 60_000);

const clientOf: ClientOf = (service) => fleet.operator.runtime.client(service);

function diffsOf(names: readonly string[]): string[] {
  return names.map((name) => {
    const diff = diffs.get(name);
    if (diff === undefined) throw new Error(`docs/change-a-contract.md has no diff ${name}`);
    return diff;
  });
}

/** The trees before, between and after the phases; each has to be safe beside the one before it. */
async function buildPhases({ title, before, phases }: Recipe): Promise<[Tree, Tree, Tree]> {
  const [first, second] = phases;
  const zero = await buildVariant({ name: `before ${title}`, patches: diffsOf(before) });
  const one = await buildVariant({ name: `${title}, phase 1`, patches: diffsOf([...before, first]), baseline: zero });
  const patches = diffsOf([...before, first, second]);
  return [zero, one, await buildVariant({ name: `${title}, phase 2`, patches, baseline: one })];
}

async function deployCells(tree: Tree): Promise<void> {
  await Promise.all(CELLS.map((cell) => fleet.deploy(tree, [cell])));
}

async function check(tree: Tree): Promise<{ code: number; output: string }[]> {
  return Promise.all(CHECKS.map((tool) => checkTree(tree, tool)));
}

/** From one tree to the next under load: control first, then cells; control back, and forth again. */
async function deployPhase(recipe: Recipe, trees: readonly Tree[], phase: number): Promise<void> {
  const [old, now] = [trees[phase - 1], trees[phase]];
  if (old === undefined || now === undefined) throw new Error(`there is no phase ${phase}`);
  await fleet.deploy(now, ["control"]);
  await recipe.probe(clientOf, phase);
  await deployCells(now);
  await recipe.probe(clientOf, phase);
  await fleet.deploy(old, ["control"]);
  await recipe.probe(clientOf, phase - 1);
  await fleet.deploy(now, ["control"]);
  await recipe.probe(clientOf, phase);
}

test.each(RECIPES)(
  "$title, phase by phase under load: the checks pass and no call fails",
  async (recipe) => {
    const trees = await buildPhases(recipe);
    for (const tree of trees.slice(1)) {
      const verdicts = await check(tree);
      expect(verdicts).toEqual(verdicts.map(({ output }) => ({ code: 0, output })));
    }
    await fleet.deploy(trees[0], ["control"]);
    await deployCells(trees[0]);
    loads += 1;
    const load = new Load({ clientOf, query: fleet.query, cells: CELLS, tag: `recipe${loads}` });
    await load.start();
    try {
      await deployPhase(recipe, trees, 1);
      await deployPhase(recipe, trees, 2);
    } finally {
      await load.stop();
    }
    expect(load.failures).toEqual([]);
    expect(load.calls).toBeGreaterThan(20);
  },
  BUILDS_TIMEOUT_MS,
);

test.each(RECIPES)(
  "$title in one step: a check refuses it, and a mixed fleet shows why",
  async (recipe) => {
    const { title, before, phases, atOnce, refusedFor } = recipe;
    const zero = await buildVariant({ name: `before ${title}`, patches: diffsOf(before) });
    const patches = diffsOf([...before, ...(atOnce === undefined ? phases : [atOnce])]);
    const once = await buildVariant({ name: `${title} in one step`, patches, baseline: zero });
    const refusals = (await check(once)).filter(({ code }) => code !== 0);
    expect(refusals.map(({ output }) => output).join("\n")).toContain(refusedFor);

    const failures: unknown[] = [];
    const probe = (phase: number) => recipe.probe(clientOf, phase).catch((error: unknown) => failures.push(error));
    await deployCells(zero);
    await fleet.deploy(once, ["control"]);
    await probe(2);
    await fleet.deploy(zero, ["control"]);
    await deployCells(once);
    await probe(0);
    expect(failures).not.toEqual([]);
    // In the end, when all run the same, it is what was wanted: nothing but the way was wrong.
    await fleet.deploy(once, ["control"]);
    await recipe.probe(clientOf, 2);
  },
  BUILDS_TIMEOUT_MS,
);
