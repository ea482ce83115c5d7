import {
  create,
  createFileRegistry,
  createRegistry,
  type DescService,
  fromJson,
  type JsonObject,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { method as methodOption, service as serviceOption } from "@cellway/gen/cellway/contract/v1/options";
import { DeprecatedKind, DeprecatedSubjectSchema } from "@cellway/gen/cellway/fleet/v1/fleet";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import { judgeAliases, judgeContracts } from "./removable.js";

const DAY_MS = 86_400_000;
const field = (name: string, number: number, more: JsonObject = {}) => ({
  name,
  number,
  label: "LABEL_OPTIONAL",
  type: "TYPE_STRING",
  options: { deprecated: true },
  ...more,
});
const SHARED = { type: "TYPE_MESSAGE", typeName: ".test.Shared", options: {} };
const serviceOf = (name: string, localMode: string, inputType: string) => ({
  name,
  options: { "[cellway.contract.v1.service]": { key: name.toLowerCase(), localMode } },
  method: [
    {
      name: "Get",
      inputType,
      outputType: ".test.Answer",
      options: {
        "[cellway.contract.v1.method]": localMode === "SILO_MODE_CELL" ? { resolve: { singleOrganization: true } } : {},
      },
    },
  ],
});
const FILE = createFileRegistry(
  fromJson(
    FileDescriptorProtoSchema,
    {
      name: "removable.test.proto",
      package: "test",
      syntax: "proto3",
      messageType: [
        { name: "Request", field: [field("asked", 1), field("shared", 2, SHARED)] },
        { name: "Shared", field: [field("both", 1)] },
        { name: "Answer", field: [field("said", 1), field("shared", 2, SHARED)] },
        { name: "Other", field: [field("elsewhere", 1)] },
      ],
      service: [
        serviceOf("Central", "SILO_MODE_CONTROL", ".test.Request"),
        serviceOf("Local", "SILO_MODE_CELL", ".test.Request"),
        serviceOf("Far", "SILO_MODE_CELL", ".test.Other"),
      ],
    },
    { registry: createRegistry(methodOption, serviceOption) },
  ),
  () => undefined,
);
const servicesNamed = (...names: string[]): DescService[] =>
  names.map((name) => {
    const service = FILE.getService(`test.${name}`);
    if (service === undefined) throw new Error(`the test has no service ${name}`);
    return service;
  });

type Known = Record<string, MessageInitShape<typeof DeprecatedSubjectSchema>>;

/** What is removable, and of what is kept the reasons, when silos answer so. */
function judge(
  silos: Record<string, Known>,
  options: { services?: DescService[]; aliases?: true; failed?: string[]; mode?: "monolith" } = {},
) {
  const answers = Object.entries(silos).map(([silo, known]) => ({
    silo,
    answer: {
      lost: undefined,
      subjects: Object.entries(known).map(([subject, init]) =>
        create(DeprecatedSubjectSchema, { kind: DeprecatedKind.FIELD, ...init, subject }),
      ),
    },
  }));
  const failures = (options.failed ?? []).map((cell) => ({ cell, error: new ConnectError("away", Code.Unavailable) }));
  const services = options.services ?? servicesNamed("Far");
  const window = { days: 7, mode: options.mode ?? "siloed" } as const;
  const uses = { answers, failures };
  const found = options.aliases === true ? judgeAliases(uses, window) : judgeContracts(services, uses, window);
  return {
    removable: found.removable.map(({ subject, unusedMs }) => `${subject} ${unusedMs / DAY_MS}d`),
    kept: found.kept.map(({ subject, reasons, isInResponses }) =>
      [subject, ...reasons.map(({ silo, why }) => `${silo} ${why}`), ...(isInResponses ? ["IN_RESPONSES"] : [])].join(
        ", ",
      ),
    ),
  };
}

const counted = (days: number, usedDaysAgo?: number): MessageInitShape<typeof DeprecatedSubjectSchema> => ({
  countedMs: days * DAY_MS,
  ...(usedDaysAgo === undefined
    ? {}
    : {
        lastUsedMs: usedDaysAgo * DAY_MS,
        callerCount: 1,
        users: [{ caller: "us1", lastUsedMs: usedDaysAgo * DAY_MS }],
      }),
});
const ELSEWHERE = "test.Other.elsewhere";

describe("something of cells", () => {
  test.each<[string, Record<string, Known>, string]>([
    ["one of them does not know it", { us1: { [ELSEWHERE]: counted(9) }, us2: {} }, "us2 NOT_COUNTED"],
    ["one of them does not count it", { us1: { [ELSEWHERE]: { uncountedBy: ["0.1.0"] } } }, "us1 NOT_COUNTED"],
    ["one of them has counted it for seven days only", { us1: { [ELSEWHERE]: counted(7) } }, "us1 COUNTED_TOO_SHORT"],
    [
      "it was used seven days ago",
      { us1: { [ELSEWHERE]: counted(9, 7) }, us2: { [ELSEWHERE]: counted(9) } },
      "us1 USED",
    ],
  ])("is kept when %s", (_what, silos, reason) => {
    const found = judge({ control: {}, ...silos });
    expect(found.removable).toEqual([]);
    expect(found.kept).toContain(`${ELSEWHERE}, ${reason}`);
  });

  test("is removable otherwise, unused since what is known of the silo that knows least", () => {
    const silos = { control: {}, us1: { [ELSEWHERE]: counted(30, 20) }, us2: { [ELSEWHERE]: counted(25) } };
    expect(judge(silos).removable).toEqual([`${ELSEWHERE} 20d`]);
    expect(judge({ ...silos, us1: { [ELSEWHERE]: counted(8, 20) } }).removable).toEqual([`${ELSEWHERE} 8d`]);
    expect(judge({ us1: { [ELSEWHERE]: counted(400) } }).removable).toEqual([`${ELSEWHERE} 90d`]);
  });

  test("is not called removable while any silo has not answered, be it one that does not serve it", () => {
    const found = judge({ us1: { [ELSEWHERE]: counted(30) } }, { failed: ["control"] });
    expect(found.removable).toEqual([]);
  });
});

test("a field that both sides take has to be unused on both", () => {
  const services = servicesNamed("Central", "Local");
  const asked = "test.Request.asked";
  const silos = { control: { [asked]: counted(30) }, us1: {} };
  expect(judge(silos, { services }).kept).toContain(`${asked}, us1 NOT_COUNTED`);
  expect(judge({ ...silos, us1: { [asked]: counted(10) } }, { services }).removable).toEqual([`${asked} 10d`]);
  expect(judge({ control: { [asked]: counted(30) } }, { services, mode: "monolith" }).removable).toEqual([
    `${asked} 30d`,
  ]);
});

test("a field of responses is never removable, also when requests carry it and nobody sets it", () => {
  const found = judge({ control: { "test.Shared.both": counted(30) } }, { services: servicesNamed("Central") });
  expect(found.removable).toEqual([]);
  expect(found.kept).toEqual([
    "test.Request.asked, control NOT_COUNTED",
    "test.Answer.said, IN_RESPONSES",
    "test.Shared.both, IN_RESPONSES",
  ]);
});

test("an old name that one silo reports has to be unused in every silo", () => {
  const old = { ...counted(30), kind: DeprecatedKind.ALIAS };
  const silos = { control: {}, us1: { "setting OLD": old } };
  expect(judge(silos, { aliases: true }).kept).toEqual(["setting OLD, control NOT_COUNTED"]);
  expect(judge({ ...silos, control: { "setting OLD": old } }, { aliases: true }).removable).toEqual([
    "setting OLD 30d",
  ]);
});
