import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { scanSource } from "./new-calls/scan.mjs";
import { findNewCalls, formatFinding } from "./new-calls.mjs";
import { runCommand } from "./run-command.mjs";
import { withTree } from "./test-tree.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");

const UPDATE = {
  service: "OrganizationService",
  localName: "updateOrganization",
  localMode: /** @type {const} */ ("CELL"),
};
/** @type {import("./new-calls/contract.mjs").News} */
const NEWS = {
  methods: [
    { service: "OrganizationService", localName: "archive", localMode: "CELL", lacking: ["0.1.0"] },
    { service: "UserService", localName: "listBadges", localMode: "CONTROL", lacking: ["0.1.0", "0.2.0"] },
  ],
  fields: [
    {
      name: "display_color",
      localName: "displayColor",
      message: "UpdateOrganizationRequest",
      lacking: ["0.2.0"],
      methods: [UPDATE],
    },
  ],
};
const IMPORTS = `import { OrganizationService, UpdateOrganizationRequestSchema } from "@cellway/gen/o";
import { UserService as Users } from "@cellway/gen/u";
`;

/**
 * @param {string} code
 * @param {"CONTROL" | "CELL"} [side]
 */
function uses(code, side) {
  return scanSource("a.ts", IMPORTS + code, NEWS, side).map(({ line, what }) => `${line - 2}: ${what}`);
}

const ARCHIVE = "calls OrganizationService.archive";
const COLOR = "sets UpdateOrganizationRequest.display_color";
const CLIENT = "const client = rpc.client(OrganizationService);\n";
const SUPPORTS = "await rpc.peerSupports(OrganizationService.method.archive, request)";
const SUPPORTS_COLOR =
  'await rpc.peerSupports(OrganizationService.method.updateOrganization, request, { field: "display_color" })';

describe("what is found", () => {
  test.each([
    ["a call of a client", "await rpc.client(OrganizationService).archive({ id });", [`1: ${ARCHIVE}`]],
    ["a call of a client with a name", `${CLIENT}await client.archive({ id });`, [`2: ${ARCHIVE}`]],
    [
      "a call of what a function gives",
      "const cells = () => rpc.client(OrganizationService);\nawait cells().archive({});",
      [`2: ${ARCHIVE}`],
    ],
    [
      "a call of a parameter",
      "export async function f(client: Client<typeof OrganizationService>) {\n  await client.archive({});\n}",
      [`2: ${ARCHIVE}`],
    ],
    ["a call of nobody knows what", "await ctx.organizations.archive({});", [`1: ${ARCHIVE}`]],
    ["a call by a string", 'await ctx.organizations["archive"]({});', [`1: ${ARCHIVE}`]],
    ["a method that is handed on", `${CLIENT}await fanOut(cells, client.archive);`, [`2: ${ARCHIVE}`]],
    ["a method that is taken out", "const { archive } = rpc.client(OrganizationService);", [`1: ${ARCHIVE}`]],
    [
      "a service that was imported by another name",
      "await rpc.client(Users).listBadges({});",
      ["1: calls UserService.listBadges"],
    ],
    ["a field of a request", `${CLIENT}await client.updateOrganization({ id, displayColor: "red" });`, [`2: ${COLOR}`]],
    [
      "a field deep inside",
      `${CLIENT}await client.updateOrganization({ change: [{ displayColor }] });`,
      [`2: ${COLOR}`],
    ],
    [
      "a member of a oneof",
      `${CLIENT}await client.updateOrganization({ by: { case: "displayColor", value } });`,
      [`2: ${COLOR}`],
    ],
    [
      "a field of a request with a name",
      `${CLIENT}const request = {\n  displayColor: "red" };\nawait client.updateOrganization(request);`,
      [`3: ${COLOR}`],
    ],
    [
      "a field of what is spread",
      `${CLIENT}const more = { displayColor };\nawait client.updateOrganization({ id, ...more });`,
      [`2: ${COLOR}`],
    ],
    [
      "a field that a function of the file sets",
      `${CLIENT}await client.updateOrganization(make(1));\nfunction make(id: number) {\n  return { id, displayColor: "red" };\n}`,
      [`4: ${COLOR}`],
    ],
    [
      "a field of a created request",
      "const request = create(UpdateOrganizationRequestSchema, { displayColor });",
      [`1: ${COLOR}`],
    ],
    [
      "a field that is set later",
      `${CLIENT}const request = { id };\nrequest.displayColor = "red";\nawait client.updateOrganization(request);`,
      [`3: ${COLOR}`],
    ],
  ])("%s", (_what, code, expected) => {
    expect(uses(code)).toEqual(expected);
  });

  test.each([
    ["a promise is no answer", "if (rpc.peerSupports(OrganizationService.method.archive)) await client.archive({});"],
    [
      "another method was asked for",
      "if (await rpc.peerSupports(OrganizationService.method.updateOrganization, r)) await client.archive({});",
    ],
    ["it was asked, and not waited for the answer", `${SUPPORTS};\nawait client.archive({});`],
    ["it is the other branch", `if (${SUPPORTS}) await other();\nelse await client.archive({});`],
    ["or something else is enough", `if (isNew || ${SUPPORTS}) await client.archive({});`],
    [
      "the answer may change",
      `let supported = ${SUPPORTS};\nsupported = true;\nif (supported) await client.archive({});`,
    ],
    [
      "it is another variable of that name",
      `const supported = ${SUPPORTS};\nitems.map(({ supported }) => {\n  if (supported) void client.archive({});\n});`,
    ],
    ["it goes on when it is not supported", `if (!(${SUPPORTS})) log("old");\nawait client.archive({});`],
    [
      "a function above the question may be called before it",
      `async function f() {\n  if (!(${SUPPORTS})) return;\n  async function g() {\n    await client.archive({});\n  }\n}`,
    ],
  ])("a call that is not guarded, because %s", (_why, code) => {
    expect(uses(CLIENT + code).map((use) => use.slice(use.indexOf(" ") + 1))).toEqual([ARCHIVE]);
  });

  test("a field whose method was asked for without the field", () => {
    const asked = "await rpc.peerSupports(OrganizationService.method.updateOrganization, request)";
    expect(uses(`${CLIENT}if (${asked}) await client.updateOrganization({ displayColor });`)).toEqual([`2: ${COLOR}`]);
  });
});

describe("what is not found", () => {
  test.each([
    ["an if", `if (${SUPPORTS}) await client.archive({});`],
    ["an if with more conditions", `if (isOld && (${SUPPORTS})) {\n  await client.archive({});\n}`],
    ["a constant", `const supported = ${SUPPORTS};\nif (supported) await client.archive({});`],
    ["an early return", `async function f() {\n  if (!(${SUPPORTS})) return;\n  await client.archive({});\n}`],
    [
      "an early throw in an else",
      `async function f() {\n  if (${SUPPORTS}) await g();\n  else throw new Error("old");\n  await client.archive({});\n}`,
    ],
    [
      "a return unless two things hold",
      `async function f() {\n  if (isOff || !(${SUPPORTS})) return;\n  await client.archive({});\n}`,
    ],
    [
      "a continue",
      `for (const cell of cells) {\n  if (!(${SUPPORTS})) continue;\n  await client.archive({ cell });\n}`,
    ],
    ["a condition", `const done = (${SUPPORTS}) ? await client.archive({}) : await other();`],
    ["a condition for its absence", `const done = !(${SUPPORTS}) ? await other() : await client.archive({});`],
    ["an and", `(${SUPPORTS}) && (await client.archive({}));`],
    [
      "a method with a name",
      "const method = OrganizationService.method.archive;\nif (await context.rpc.peerSupports(method, request)) await client.archive({});",
    ],
    ["a callback inside", `if (${SUPPORTS}) await fanOut(cells, (cell) => client.archive({ cell }));`],
    [
      "a field in a condition",
      `await client.updateOrganization({ id, ...((${SUPPORTS_COLOR}) ? { displayColor } : {}) });`,
    ],
    [
      "a field with a constant",
      `const supported = ${SUPPORTS_COLOR};\nawait client.updateOrganization({ id, ...(supported && { displayColor }) });`,
    ],
    [
      "a field that is set later",
      `const request = { id };\nif (${SUPPORTS_COLOR}) request.displayColor = "red";\nawait client.updateOrganization(request);`,
    ],
  ])("a use behind %s that asks peerSupports", (_how, code) => {
    expect(uses(CLIENT + code)).toEqual([]);
  });

  test.each([
    ["the implementation", "export const rpc = { archive: async () => ({}), async listBadges() {} };"],
    ["the name of a method", "const method = OrganizationService.method.archive;"],
    ["a call of another service's method of the name", "await rpc.client(Users).archive({});"],
    ["a method of the class itself", "class Store {\n  f() {\n    return this.archive();\n  }\n}"],
    ["a plain function", "await archive(db, id);"],
    ["a name that is marked", "// not an RPC: the store's\nawait store.archive(id);"],
    ["a field of something else", `${CLIENT}draw({ displayColor });\nawait client.getOrganization({ displayColor });`],
    [
      "what a field is read of",
      `${CLIENT}const row = read({ displayColor });\nawait client.updateOrganization({ id: row.id });`,
    ],
    [
      "a field of an answer",
      `${CLIENT}export const answer = () => ({ displayColor });\nawait client.updateOrganization({ id });`,
    ],
  ])("%s", (_what, code) => {
    expect(uses(code)).toEqual([]);
  });

  test("a call of the side that the method runs in: it was built with it", () => {
    expect(uses("await rpc.client(OrganizationService).archive({});", "CELL")).toEqual([]);
    expect(uses("await rpc.client(OrganizationService).archive({});", "CONTROL")).toEqual([`1: ${ARCHIVE}`]);
    expect(uses('await rpc.client(OrganizationService).updateOrganization({ displayColor: "red" });', "CELL")).toEqual(
      [],
    );
  });
});

test("services and packages are looked at, and neither tests nor the command line", async () => {
  const call = `${IMPORTS}await rpc.client(OrganizationService).archive({});\n`;
  const files = {
    "services/control/directory/src/a.ts": call,
    "services/cell/organization/src/a.ts": call,
    "services/control/directory/src/a.test.ts": call,
    "packages/host/src/a.ts": call,
    "packages/host/src/test-support.ts": call,
    "packages/testing/src/a.ts": call,
    "cli/src/a.ts": call,
    "tests/src/a.ts": call,
  };
  await withTree(files, (root) => {
    const found = findNewCalls(root, NEWS);
    expect(found.map(({ file }) => file)).toEqual(["services/control/directory/src/a.ts", "packages/host/src/a.ts"]);
  });
});

test("a finding says where, what, which releases lack it, and both ways out", () => {
  const [found] = scanSource("services/control/x/src/a.ts", `${IMPORTS}await rpc.client(Users).listBadges({});`, NEWS);
  expect(found && formatFinding(found)).toBe(
    [
      "services/control/x/src/a.ts:3: calls UserService.listBadges, which release 0.1.0 and 0.2.0 does not have",
      "    rule: Old and new processes run side by side: one of release 0.1.0 and 0.2.0 answers PEER_TOO_OLD, or ignores the field.",
      "    do:   Do it in the next deploy, when no process of release 0.1.0 and 0.2.0 is left (`cellway release retire`); or only",
      "          behind `if (await rpc.peerSupports(UserService.method.listBadges))`. A name that is no RPC's: `// not an RPC: why`.",
    ].join("\n"),
  );
});

test("run over a tree, it fails for what was added to the contract and is called in the same change", async () => {
  await withTree({ "services/control/directory/src/a.ts": "" }, async (folder) => {
    for (const name of ["buf.yaml", "proto", "third_party"])
      cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
    const run = () => runCommand(["node", join(ROOT, "tools/new-calls.mjs"), folder], { root: folder });
    expect(await run()).toMatchObject({ code: 0, output: expect.stringContaining("none is used.") });
    const contract = join(folder, "proto/cellway/organization/v1/organization.proto");
    const added = "  rpc Archive(GetOrganizationRequest) returns (GetOrganizationResponse) {}\n";
    writeFileSync(contract, readFileSync(contract, "utf8").replace(/^service OrganizationService \{\n/m, `$&${added}`));
    writeFileSync(
      join(folder, "services/control/directory/src/a.ts"),
      `${IMPORTS}rpc.client(OrganizationService).archive({});\n`,
    );
    const { code, output } = await run();
    expect([code, output]).toEqual([
      1,
      expect.stringContaining(
        "services/control/directory/src/a.ts:3: calls OrganizationService.archive, which release 0.1.0",
      ),
    ]);
  });
});
