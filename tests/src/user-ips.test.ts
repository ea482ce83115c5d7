import { AuditLogService } from "@cellway/gen/cellway/audit/v1/audit_log";
import { UserIpService } from "@cellway/gen/cellway/audit/v1/user_ip";
import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { CELLS, createUser, until } from "./organizations.js";
import { failureOf } from "./scenario.js";

let fleet: Fleet;
let nowMs = Date.UTC(2026, 0, 1);

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, now: () => nowMs });
}, 60_000);
afterAll(() => fleet?.stop());

function record(cellName: string, userId: string, ipAddress: string, countryCode = ""): Promise<unknown> {
  return fleet.cell(cellName).rpc.client(UserIpService).recordUserIp({ cellName, userId, ipAddress, countryCode });
}

async function flush(cellName: string, userId: string): Promise<void> {
  const shard = { scope: OutboxScope.USER, shardId: userId };
  const isTold = () =>
    fleet
      .cell(cellName)
      .outbox("CELL")
      .flush(shard)
      .then(
        () => true,
        () => false,
      );
  await until("control is told", isTold, 40_000);
}

async function list(userId: string, pageSize = 50) {
  const ips: { address: string; country: string; cell: string; first: number; last: number }[] = [];
  let pageToken = "";
  do {
    const page = await fleet.client(AuditLogService).listUserIps({ userId, pageSize, pageToken });
    for (const { ipAddress: address, countryCode: country, cellName: cell, firstSeenAt, lastSeenAt } of page.ips) {
      ips.push({ address, country, cell, first: Number(firstSeenAt?.seconds), last: Number(lastSeenAt?.seconds) });
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return ips;
}

test("control lists where a user came from over all cells, what was reported last first, and nobody else's", async () => {
  const userId = await createUser(fleet);
  const other = await createUser(fleet);
  await record("us1", userId, "192.0.2.1", "US");
  await flush("us1", userId);
  await record("de1", userId, "2001:DB8:0::1");
  await flush("de1", userId);
  await record("de1", other, "192.0.2.9");
  await flush("de1", other);
  const at = nowMs / 1000;
  expect(await list(userId, 1)).toEqual([
    { address: "2001:db8::1", country: "", cell: "de1", first: at, last: at },
    { address: "192.0.2.1", country: "US", cell: "us1", first: at, last: at },
  ]);
});

test("an address that is seen again is written once in five minutes, and keeps when it was seen first", async () => {
  const userId = await createUser(fleet);
  const first = nowMs;
  await record("us1", userId, "192.0.2.1", "US");
  await flush("us1", userId);
  const versionOf = async () => {
    const sql = "select version from control.user_ip where user_id = $1";
    return fleet.control.database("CONTROL").query<unknown[]>(sql, [userId]);
  };
  const version = await versionOf();
  nowMs += 4 * 60_000;
  await record("us1", userId, "192.0.2.1");
  await flush("us1", userId);
  expect(await versionOf()).toEqual(version);
  nowMs += 2 * 60_000;
  await record("us1", userId, "192.0.2.1");
  await flush("us1", userId);
  expect(await list(userId)).toEqual([
    { address: "192.0.2.1", country: "US", cell: "us1", first: first / 1000, last: nowMs / 1000 },
  ]);
});

test("what cells see while control is away is known afterwards", async () => {
  const userId = await createUser(fleet);
  await fleet.stopSilo("control");
  for (const cellName of CELLS) {
    for (let last = 1; last <= 20; last += 1) await record(cellName, userId, `192.0.2.${last}`);
  }
  await fleet.restart("control");
  await until("control knows all of it", async () => (await list(userId)).length === 60, 40_000);
});

test("the addresses of a user that is deleted are gone, in its cells and in control", async () => {
  const userId = await createUser(fleet);
  await record("us2", userId, "192.0.2.1");
  await flush("us2", userId);
  await fleet.control.database("CONTROL").query("delete from control.user where id = $1", [userId]);
  await until(
    "nobody knows where the user came from",
    async () => {
      await fleet.cell("us2").tasks.runNow("tombstones.cascade-cell");
      return (await list(userId)).length === 0;
    },
    40_000,
  );
  const sql = "select from control.user_ip where user_id = $1 and (ip_address is not null or last_seen_at is not null)";
  expect(await fleet.control.database("CONTROL").query(sql, [userId])).toEqual([]);
});

test("what is no address is refused", async () => {
  const refused = { code: Code.InvalidArgument, reason: "INVALID_FIELD" };
  for (const address of ["", "nonsense", "192.0.2.256", "fe80::1%eth0"]) {
    expect(await failureOf(record("us1", "7", address))).toEqual(refused);
  }
});
