import { createCellKeyRing, createMasterKeyRing, deriveCellKey, type SigningKey } from "@cellway/rpc";
import { expect, test } from "@jest/globals";
import { CONTRACTS } from "../contracts.js";
import { planFleet } from "../dev/fleet-plan.js";
import { UsageError } from "../errors.js";
import { createToken } from "./token.js";

const MASTER: SigningKey = { id: "k1", secret: new Uint8Array(32).fill(7) };
const SILOED = {
  mode: "siloed",
  topology: planFleet("siloed", 8_000).topology,
  keys: createMasterKeyRing([MASTER]),
  contracts: CONTRACTS,
} as const;
const NOW_MS = Date.UTC(2026, 0, 1);
const GOOD = { method: "organization.GetOrganization", silo: "de1", ttl: "10m", caller: "control" };

test("a token is one header line, for one silo, one method and ten minutes", () => {
  const token = createToken(SILOED, GOOD, NOW_MS);
  expect(token.header).toMatch(/^authorization: Bearer cwt1\.[\w-]+\.[\w-]{43}$/);
  expect(token).toMatchObject({
    method: "organization.GetOrganization",
    silo: "de1",
    caller: "control",
    expiresAt: "2026-01-01T00:10:00.000Z",
  });
});

test.each([
  ["organization.getOrganization", "organization.GetOrganization"],
  ["cellway.organization.v1.OrganizationService.GetOrganization", "organization.GetOrganization"],
  ["organization.*", "organization.*"],
  ["reflection.*", "reflection.*"],
  ["*", "*"],
])("--method %s allows %s", (method, allowed) => {
  expect(createToken(SILOED, { ...GOOD, method }, NOW_MS).method).toBe(allowed);
});

test.each<[Partial<typeof GOOD>, string]>([
  [{ silo: "us9" }, "--silo us9: must be one of control, us1, us2, de1."],
  [{ caller: "nobody" }, "--caller nobody: must be one of control, us1, us2, de1."],
  [
    { caller: "us1" },
    "--caller us1: a cell calls only control, and only control calls a cell; de1 accepts nothing from us1.",
  ],
  [{ ttl: "61m" }, "--ttl 61m: must be a duration such as 250ms, 30s or 10m, of 1ms to 1h."],
  [
    { method: "organisation.*" },
    "--method organisation.*: must be SERVICE.METHOD, * or one of organization.*, user.*, session.*, integration.*, directory.*, reflection.*.",
  ],
  [
    { method: "organization.Explode" },
    'organization.Explode: organization has no method "Explode"; it has GetOrganization',
  ],
])("%j is refused", (change, message) => {
  const make = () => createToken(SILOED, { ...GOOD, ...change }, NOW_MS);
  expect(make).toThrow(UsageError);
  expect(make).toThrow(message);
});

test("a cell that was added at run time may have one", () => {
  expect(createToken({ ...SILOED, addedCells: ["us3"] }, { ...GOOD, silo: "us3" }, NOW_MS).silo).toBe("us3");
});

test("a cell may have a token for control", () => {
  expect(createToken(SILOED, { ...GOOD, silo: "control", caller: "de1" }, NOW_MS).silo).toBe("control");
});

test("in a monolith every silo is the monolith", () => {
  const monolith = { ...SILOED, mode: "monolith" } as const;
  for (const silo of ["control", "de1", "monolith"]) {
    expect(createToken(monolith, { ...GOOD, silo }, NOW_MS)).toMatchObject({ silo: "monolith", caller: "monolith" });
  }
});

test("a cell's own keys make no token for another cell", () => {
  const keys = createCellKeyRing("us1", [deriveCellKey(MASTER, "us1")]);
  expect(() => createToken({ ...SILOED, keys }, GOOD, NOW_MS)).toThrow(UsageError);
});
