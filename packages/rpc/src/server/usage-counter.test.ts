import { create, type DescMessage, type DescService, type JsonObject } from "@bufbuild/protobuf";
import { createCellSilo, createControlSilo } from "@cellway/silo";
import { createLogger, createMetrics, createUsageLog, type UsageLog } from "@cellway/telemetry";
import { beforeEach, expect, test } from "@jest/globals";
import { createMemoryNetwork } from "../network/memory-network.js";
import { createRpcRuntime } from "../runtime.js";
import { createTestFile, need } from "../test-support.js";
import { CONTROL_KEYS, US1_KEYS } from "./test-support.js";

const ADDRESS = "http://control.internal:8001";
const text = (name: string, number: number, more: JsonObject = {}) => ({
  name,
  number,
  label: "LABEL_OPTIONAL",
  type: "TYPE_STRING",
  ...more,
});
const DEPRECATED = { deprecated: true };
const method = (name: string, inputType: string, allowedCaller: string, options: JsonObject = {}) => ({
  name,
  inputType,
  outputType: ".test.Item",
  options: { "[cellway.contract.v1.method]": { allowedCallers: [allowedCaller] }, ...options },
});
const FILE = createTestFile({
  name: "usage.test.proto",
  messageType: [
    { name: "Item", field: [text("name", 1), text("old", 2, { options: DEPRECATED })] },
    { name: "Plain", field: [text("name", 1)] },
  ],
  service: [
    {
      name: "Central",
      options: { "[cellway.contract.v1.service]": { key: "central", localMode: "SILO_MODE_CONTROL" } },
      method: [
        method("Get", ".test.Item", "CALLER_CELL"),
        { ...method("Watch", ".test.Item", "CALLER_CELL"), serverStreaming: true },
        method("Leave", ".test.Plain", "CALLER_CELL", DEPRECATED),
        method("Hide", ".test.Plain", "CALLER_CONTROL", DEPRECATED),
      ],
    },
  ],
});
const CENTRAL: DescService = need(FILE.getService("test.Central"));
const ITEM: DescMessage = need(FILE.getMessage("test.Item"));

interface Calls {
  get(request: object): Promise<object>;
  leave(request: object): Promise<object>;
  hide(request: object): Promise<object>;
  watch(request: object): AsyncIterable<object>;
}

let usage: UsageLog;
let ofCell: Calls;
let inProcess: Calls;
let metrics: ReturnType<typeof createMetrics>;

beforeEach(async () => {
  usage = createUsageLog();
  metrics = createMetrics({ silo: "control" });
  const network = createMemoryNetwork();
  const common = { network, controlAddress: ADDRESS, logger: createLogger({ silo: "test", level: "silent" }) };
  const control = createRpcRuntime({ ...common, silo: createControlSilo(), keys: CONTROL_KEYS, metrics, usage });
  const answer = () => create(ITEM);
  control.serve(CENTRAL, {
    get: answer,
    leave: answer,
    hide: answer,
    async *watch() {
      yield answer();
    },
  } as never);
  await network.listen(ADDRESS, control.endpoint());
  const us1 = { silo: createCellSilo("us1"), keys: US1_KEYS, metrics: createMetrics({ silo: "us1" }) };
  ofCell = createRpcRuntime({ ...common, ...us1 }).client(CENTRAL) as unknown as Calls;
  inProcess = control.client(CENTRAL) as unknown as Calls;
});

const taken = () =>
  usage
    .take()
    .map(({ kind, subject, caller, count }) => `${count} × ${kind} ${subject} by ${caller}`)
    .toSorted();

test("what is deprecated of a service is counted from the moment that it is served", () => {
  expect(usage.declared.map(({ kind, subject }) => `${kind} ${subject}`).toSorted()).toEqual([
    "FIELD test.Item.old",
    "METHOD central.Hide",
    "METHOD central.Leave",
  ]);
});

test("calls of another silo to a deprecated method are counted by who calls, also those that are refused", async () => {
  await ofCell.leave({ name: "a" });
  await ofCell.leave({ name: "b" });
  await expect(ofCell.hide({})).rejects.toThrow("may not call");
  expect(taken()).toEqual(["1 × METHOD central.Hide by us1", "2 × METHOD central.Leave by us1"]);
  const labels = { kind: "method", subject: "central.Leave", caller: "us1" };
  expect(await metrics.value("cellway_rpc_deprecated_uses_total", labels)).toBe(2);
});

test("requests that set a deprecated field are counted, and those that do not are not", async () => {
  await ofCell.get({ name: "a" });
  expect(taken()).toEqual([]);
  await ofCell.get({ old: "a" });
  for await (const item of ofCell.watch({ old: "a" })) expect(item).toBeDefined();
  expect(taken()).toEqual(["2 × FIELD test.Item.old by us1"]);
});

test("a call inside the process is not counted: it is compiled together with what it calls", async () => {
  await inProcess.leave({ name: "a" });
  await inProcess.get({ old: "a" });
  expect(taken()).toEqual([]);
});
