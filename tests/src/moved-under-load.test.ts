import type { IncomingMessage, ServerResponse } from "node:http";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { RouteWriter } from "./route-writer.js";
import { announce, ask, type CellListener, startCellListener, startRouter } from "./router-stage.js";

/** A second is promised. Where several suites share two processors, three are allowed. */
const ARRIVAL_MAX_MS = 3 * 1_000;
const MOVES = 12;
const CLIENTS = 8;
/** Requests between two moves. */
const BETWEEN = 40;

/** What a cell knows of the one organization: it serves it, holds back who asks while it moves, or says where it is. */
type Knowledge =
  | { readonly kind: "here" }
  | { readonly kind: "moving"; readonly over: Promise<void> }
  | { readonly kind: "elsewhere"; readonly cell: string; readonly epoch: string };

/** Stands for a cell: what it accepted, and what it refused. */
class Cell {
  knowledge: Knowledge = { kind: "elsewhere", cell: "", epoch: "0" };
  readonly landed: string[] = [];
  refused = 0;
  private constructor(readonly listener: CellListener) {
    listener.listener = (req, res) => void this.serve(req, res);
  }
  static async start(name: string): Promise<Cell> {
    return new Cell(await startCellListener(name));
  }
  private async serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (this.knowledge.kind === "moving") await this.knowledge.over;
    if (this.knowledge.kind !== "here") {
      this.refused += 1;
      const { cell, epoch } = this.knowledge as Extract<Knowledge, { kind: "elsewhere" }>;
      res.writeHead(421, { "x-cellway-cell": cell, "x-cellway-route-epoch": epoch }).end();
      return;
    }
    let body = "";
    for await (const chunk of req) body += String(chunk);
    this.landed.push(body);
    res.end(body);
  }
}

let fleet: Fleet;
let writer: RouteWriter;
const cells = new Map<string, Cell>();
const cell = (name: string): Cell => {
  const found = cells.get(name);
  if (found === undefined) throw new Error(`There is no cell ${name}.`);
  return found;
};

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  writer = new RouteWriter(fleet.control.databaseUrl);
  for (const name of ["us1", "us2", "de1"]) {
    cells.set(name, await Cell.start(name));
    await announce(fleet, name, cell(name).listener.address);
  }
});
afterAll(async () => {
  await writer?.close();
  for (const one of cells.values()) await one.listener.stop();
  await fleet?.stop();
});

/** Moves the organization as a cutover does: the old cell holds back, the new one takes over, and then control says so. */
async function move(id: string, from: string, to: string): Promise<void> {
  let release: () => void = () => {};
  const over = new Promise<void>((resolve) => {
    release = resolve;
  });
  cell(from).knowledge = { kind: "moving", over };
  cell(to).knowledge = { kind: "here" };
  await writer.move(id, to);
  const sql = "select route_epoch from control.organization_mapping where organization_id = $1";
  const { rows } = await writer.pool.query<{ route_epoch: string }>(sql, [id]);
  cell(from).knowledge = { kind: "elsewhere", cell: to, epoch: String(rows[0]?.route_epoch) };
  release();
}

test("while an organization moves back and forth under load, every request lands once, in its cell, and in no other locality", async () => {
  const id = await writer.insert("acme", "us1");
  cell("us1").knowledge = { kind: "here" };
  const router = await startRouter(fleet);
  await router.whenComplete;
  const path = "/api/0/organizations/acme/events/";
  const ends = new Map<string, number>();
  const inFlight = new Set<Promise<void>>();
  let sent = 0;
  let isOver = false;
  const send = async (text: string, isStreamed: boolean): Promise<void> => {
    const headers: Record<string, string> = isStreamed ? { "transfer-encoding": "chunked" } : {};
    const answer = await ask(router, path, { method: "POST", body: text, headers });
    const end = `${isStreamed ? "streamed" : "whole"} ${answer.status} ${answer.code}`;
    ends.set(end, (ends.get(end) ?? 0) + 1);
    // A body that streams cannot be sent again by the router; nothing of it landed, and the client repeats it.
    if (isStreamed && answer.code === "ROUTE_CHANGED") return send(text, isStreamed);
    expect([answer.status, answer.text]).toEqual([200, text]);
  };
  const client = async () => {
    while (!isOver) {
      sent += 1;
      const one = send(`request ${sent}`, sent % 5 === 0);
      inFlight.add(one);
      await one;
      inFlight.delete(one);
    }
  };
  const clients = Promise.all(Array.from({ length: CLIENTS }, client));
  for (let count = 0; count < MOVES; count += 1) {
    // Whoever asked before the last move has an answer: nobody meets two moves.
    await Promise.all(inFlight);
    const enough = sent + BETWEEN;
    await until("some are served", () => sent >= enough);
    const [from, to] = count % 2 === 0 ? ["us1", "us2"] : ["us2", "us1"];
    await move(id, from, to);
  }
  isOver = true;
  await clients;

  const landed = [...cell("us1").landed, ...cell("us2").landed];
  expect(landed.length).toBe(sent);
  expect(new Set(landed).size).toBe(sent);
  expect(cell("us1").refused + cell("us2").refused).toBeGreaterThan(0);
  expect([...ends.keys()].toSorted().filter((end) => end !== "streamed 503 ROUTE_CHANGED")).toEqual([
    "streamed 200 ",
    "whole 200 ",
  ]);

  // The feed brings the last move: from then on nothing goes by way of the old cell.
  const startedAt = performance.now();
  await until("the feed has brought it", async () => {
    const refused = cell("us2").refused;
    await ask(router, path);
    return cell("us2").refused === refused;
  });
  expect(performance.now() - startedAt).toBeLessThan(ARRIVAL_MAX_MS);

  await move(id, "us1", "de1");
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => ask(router, path, { method: "POST", body: "late" })),
  );
  expect(new Set(answers.map(({ status, code }) => `${status} ${code}`))).toEqual(new Set(["421 WRONG_LOCALITY"]));
  expect(cell("de1").listener.asked).toEqual([]);
  await router.stop();
});
