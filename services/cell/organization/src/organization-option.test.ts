import { fromJson, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { organizationModule } from "./index.js";
import { OPTION_DEPTH_MAX, OPTION_MAX_BYTES } from "./option-value.js";
import { cellClient, createOrganizationMaker, outcomeOf } from "./test-support.js";

let fleet: Fleet;
let client: ReturnType<typeof cellClient>;
let organizationId: string;

beforeAll(async () => {
  fleet = await startFleet({ modules: [organizationModule] });
  client = cellClient(fleet);
  organizationId = (await createOrganizationMaker(fleet)()).id;
}, 60_000);

afterAll(async () => {
  await fleet?.stop();
});

function set(key: string, json: JsonValue) {
  return client.setOrganizationOption({ organizationId, key, value: fromJson(ValueSchema, json) });
}

async function get(key: string) {
  return (await client.getOrganizationOption({ organizationId, key })).value;
}

function nested(depth: number): JsonValue {
  return depth === 0 ? 1 : depth % 2 === 0 ? [nested(depth - 1)] : { inner: nested(depth - 1) };
}

test.each<JsonValue>([
  null,
  false,
  0,
  -1.5e-7,
  1.7976931348623157e308,
  "",
  "a \\u0000 that is only text, and 💥",
  [],
  {},
  [null, [1, "two", { three: [true] }]],
  JSON.parse('{"__proto__": {"a": 1}, "": 2}') as JsonValue,
  nested(OPTION_DEPTH_MAX),
])("an option set to %j is that", async (json) => {
  await set("some.key:a-b_c", json);
  expect(await get("some.key:a-b_c")).toEqual(fromJson(ValueSchema, json));
});

test("an option is overwritten, and removed once; one that is not set is told from one that is null", async () => {
  expect(await get("daily")).toBeUndefined();
  await set("daily", 1);
  await set("daily", null);
  expect((await get("daily"))?.kind.case).toBe("nullValue");
  expect(await client.deleteOrganizationOption({ organizationId, key: "daily" })).toMatchObject({ wasDeleted: true });
  expect(await client.deleteOrganizationOption({ organizationId, key: "daily" })).toMatchObject({ wasDeleted: false });
  expect(await get("daily")).toBeUndefined();
});

test("an option set several times at once is one of the values", async () => {
  await Promise.all(Array.from({ length: 8 }, (_, i) => set("at.once", i)));
  expect((await get("at.once"))?.kind).toMatchObject({ case: "numberValue", value: expect.any(Number) });
});

test("64 KiB of JSON are taken, a byte more is not, and what was there stays", async () => {
  const largest = "é".repeat((OPTION_MAX_BYTES - 2) / 2);
  await set("size", largest);
  expect(await outcomeOf(set("size", `${largest}x`))).toBe("InvalidArgument INVALID_FIELD");
  expect((await get("size"))?.kind.value).toBe(largest);
});

test.each<[string, MessageInitShape<typeof ValueSchema> | undefined]>([
  ["none", undefined],
  ["an empty one", {}],
  ["a number that is not one", { kind: { case: "numberValue", value: Number.NaN } }],
  ["a number without end", { kind: { case: "numberValue", value: Number.POSITIVE_INFINITY } }],
  ["a list with an empty one in it", { kind: { case: "listValue", value: { values: [{}] } } }],
  ["a text with NUL", fromJson(ValueSchema, ["a\u0000"])],
  ["a name with NUL", fromJson(ValueSchema, { "a\u0000": 1 })],
  ["half of a surrogate pair", fromJson(ValueSchema, "\ud800")],
  ["one nested a level too deep", fromJson(ValueSchema, nested(OPTION_DEPTH_MAX + 1))],
])("a value that cannot be stored is refused: %s", async (_, value) => {
  const request = { organizationId, key: "bad", ...(value === undefined ? {} : { value }) };
  expect(await outcomeOf(client.setOrganizationOption(request))).toBe("InvalidArgument INVALID_FIELD");
  expect(await get("bad")).toBeUndefined();
});

test.each(["", "Upper", "1st", "a b", "a".repeat(65)])("the key %j is refused", async (key) => {
  expect(await outcomeOf(set(key, 1))).toBe("InvalidArgument INVALID_FIELD");
  expect(await outcomeOf(client.getOrganizationOption({ organizationId, key }))).toBe("InvalidArgument INVALID_FIELD");
});

test("an organization that is not there has no options, and gets none", async () => {
  const absent = { organizationId: "4095", key: "a" };
  expect((await client.getOrganizationOption(absent)).value).toBeUndefined();
  expect(await client.deleteOrganizationOption(absent)).toMatchObject({ wasDeleted: false });
  const value = fromJson(ValueSchema, 1);
  expect(await outcomeOf(client.setOrganizationOption({ ...absent, value }))).toBe("NotFound ORGANIZATION_NOT_FOUND");
});
