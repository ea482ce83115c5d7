import { Agent, request } from "node:http";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { RouteWriter } from "./route-writer.js";
import { announce, startCellListener, startRouter } from "./router-stage.js";

let fleet: Fleet;
let writer: RouteWriter;
beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  writer = new RouteWriter(fleet.control.databaseUrl);
});
afterAll(async () => {
  await writer?.close();
  await fleet?.stop();
});

const WORKERS = 8;
const REQUESTS = 1_600;

/** Posts over connections that are kept; rejects when the connection breaks. */
function post(agent: Agent, address: string, body: string): Promise<number> {
  const { hostname, port } = new URL(address);
  const headers = { host: "us.example.test" };
  return new Promise((resolve, reject) => {
    const path = "/api/0/organizations/acme/";
    const req = request({ agent, hostname, port, path, method: "POST", headers }, (res) => {
      res.on("end", () => resolve(res.statusCode ?? 0));
      res.on("error", reject);
      res.resume();
    });
    req.on("error", reject);
    req.end(body);
  });
}

test("a rolling restart under load loses no request and sends none twice, though none may be repeated", async () => {
  const seen = new Map<string, number>();
  const cell = await startCellListener("us1");
  cell.listener = (req, res) => {
    let body = "";
    req.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    req.on("end", () => {
      seen.set(body, (seen.get(body) ?? 0) + 1);
      res.end("done");
    });
  };
  await announce(fleet, "us1", cell.address);
  await writer.insert("acme", "us1");
  const routers = [await startRouter(fleet), await startRouter(fleet)];
  for (const { whenComplete } of routers) await whenComplete;
  const agent = new Agent({ keepAlive: true, maxSockets: WORKERS });
  let stopped: Promise<void> | undefined;
  let sent = 0;
  /** What a balancer does: a router that takes no connection is passed over; any other failure is a request lost. */
  const send = async (body: string): Promise<number> => {
    for (const router of routers) {
      try {
        return await post(agent, router.address, body);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ECONNREFUSED") throw error;
      }
    }
    throw new Error("no router takes connections");
  };
  const work = async () => {
    while (sent < REQUESTS) {
      sent += 1;
      if (sent === REQUESTS / 4) stopped = routers[0]?.stop();
      expect(await send(String(sent))).toBe(200);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  await stopped;
  expect(seen.size).toBe(REQUESTS);
  expect(new Set(seen.values())).toEqual(new Set([1]));
  agent.destroy();
  await routers[1]?.stop();
  await cell.stop();
});
