import { expect, test } from "@jest/globals";
import { runProgram } from "./program.js";
import { SETTINGS } from "./settings.js";
import { createTestContext } from "./test-context.js";

const COMMANDS = [
  "dev",
  "serve",
  "migrate",
  "call",
  "explain",
  "token",
  "cells",
  "cells list",
  "cells add",
  "cells update",
  "cells drain",
  "cells undrain",
  "cells remove",
  "outbox",
  "outbox status",
  "outbox show",
  "outbox retry",
  "outbox pause",
  "outbox resume",
  "outbox backfill",
  "keys",
  "keys generate",
  "keys derive",
  "release",
  "release cut",
];

test.each(["", ...COMMANDS])(
  "cellway %s --help prints its usage on standard output and exits with 0",
  async (command) => {
    const ctx = createTestContext();
    expect(await runProgram([...command.split(" ").filter((word) => word !== ""), "--help"], ctx)).toBe(0);
    expect(ctx.printed.out.join("\n")).toContain(`Usage: cellway ${command}`.trimEnd());
    expect(ctx.printed.err).toEqual([]);
  },
);

test("serve --help names every setting", async () => {
  const ctx = createTestContext();
  await runProgram(["serve", "--help"], ctx);
  for (const setting of SETTINGS) expect(ctx.printed.out.join("\n")).toContain(setting.name);
});

test.each([
  [[], "Usage: cellway"],
  [["cells"], "Usage: cellway cells"],
  [["cells", "add", "us3", "--locality", "us"], "error: required option '--number <number>' not specified"],
  [["cells", "add", "us3", "--number", "four"], "It must be a whole number."],
  [["cells", "drain"], "error: missing required argument 'name'"],
  [["cells", "update", "us3"], "error: cells update us3: say what shall change"],
  [["cells", "remove", "us3"], "error: No fleet found"],
  [["outbox", "show"], "error: required option '--silo <name>' not specified"],
  [["outbox", "show", "--silo", "us1"], "error: outbox show: say which rows with --scope and --shard, --parked or"],
  [["outbox", "show", "--silo", "us1", "--shard", "7"], "error: --shard 7: say of which scope it is with --scope"],
  [["outbox", "show", "--silo", "us1", "--scope", "org"], "Allowed choices are organization, user, integration."],
  [["outbox", "show", "--silo", "us1", "--parked", "--failing"], "error: outbox show: --parked and --failing are two"],
  [["outbox", "show", "--silo", "us1", "--parked", "--limit", "201"], "It must be a whole number of 1 to 200."],
  [["outbox", "pause", "--silo", "us1"], "error: outbox pause: say what with --destination, --scope, --shard or"],
  [["outbox", "retry", "--silo", "us1", "--all", "--category", "1"], "error: outbox retry: --all means everything"],
  [["outbox", "resume", "--silo", "us1", "--scope", "user", "--shard", "me"], "error: --shard me: must be the id"],
  [["outbox", "backfill", "--start", "--silo", "us1"], "error: outbox backfill --start: say of which table with"],
  [["outbox", "backfill", "--rate", "5"], "error: outbox backfill: --rate goes with --start."],
  [["outbox", "status"], "error: No fleet found"],
  [["explode"], "error: unknown command 'explode'"],
  [["call"], "error: missing required argument 'service.method'"],
  [["call", "user.GetUser", "--loud"], "error: unknown option '--loud'"],
  [["serve"], "say what with one of --silo and --edge"],
  [["serve", "--silo", "control", "--edge", "locality-router"], "say what with one of --silo and --edge"],
  [["serve", "--edge", "locality-router", "--migrate"], "a router has no database"],
  [["serve", "--edge", "locality-router"], "CELLWAY_EDGE_NAME"],
  [["serve", "--silo", "moon"], "Allowed choices are control, cell, monolith."],
  [
    ["serve", "--silo", "cell"],
    "error: environment variable CELLWAY_TOPOLOGY = (not set): must be the path of a topology file, or its JSON",
  ],
  [
    ["migrate", "--silo", "control"],
    "error: environment variable CELLWAY_DATABASE_URL = (not set): must be postgres://user",
  ],
  [["migrate", "--silo", "control", "--phase", "both"], "Allowed choices are expand, contract, all."],
  [["dev", "--port-base", "80"], "It must be a whole number of 1024 to 65400."],
  [["dev", "--mode", "both"], "Allowed choices are siloed, monolith."],
  [["token", "--silo", "de1"], "error: required option '--method <pattern>' not specified"],
  [["call", "user.GetUser"], "error: No fleet found: start one with `cellway dev`"],
  [
    ["call", "user.GetUser", "--data-dir", "elsewhere"],
    "error: No fleet runs on /nowhere/elsewhere; start one with: cellway dev --data elsewhere",
  ],
  [["call", "user.GetUser", "--data", '{"id": 1}'], 'key "id" is unknown. GetUserRequest has userId.'],
  [["call", "user.GetUser", "--data", "{"], "error: --data: must be JSON"],
  [
    ["call", "user.GetUser", "--data", "@absent.json"],
    "error: --data @absent.json: /nowhere/absent.json cannot be read (ENOENT).",
  ],
  [["call", "user.GetUser", "--timeout", "soon"], "error: --timeout soon: must be a duration"],
  [["call", "user.GetUser", "--as-user", "ada"], "error: --as-user ada: must be a user's id"],
  [
    ["explain", "nothing.Get"],
    'error: nothing.Get: there is no service "nothing"; write SERVICE.METHOD with one of organization, user, session, integration, directory.',
  ],
])("cellway %j exits with 2 and says why on standard error", async (args, message) => {
  const ctx = createTestContext();
  expect(await runProgram(args, ctx)).toBe(2);
  expect(ctx.printed.err.join("\n")).toContain(message);
  expect(ctx.printed.err.join("\n")).not.toMatch(/^\s+at /m);
  expect(ctx.printed.out).toEqual([]);
});
