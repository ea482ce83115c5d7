import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deriveEdgeKey, formatKeys } from "@cellway/rpc";
import { type Fleet, findFreePorts, startFleet, TEST_MASTER_KEY } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { RouteWriter } from "./route-writer.js";
import { announce, ask, type CellListener, startCellListener } from "./router-stage.js";

/** Defects of other routers (services/edge/locality-router/README.md) of which no other suite speaks. */

const CELLWAY = fileURLToPath(new URL("../../cli/bin/cellway.js", import.meta.url));
/** Other suites may want both processors at the same time. */
const READY_MAX_MS = 50_000;
const TEST_MAX_MS = 100_000;
const path = (organization: string) => `/api/0/organizations/${organization}/`;

let fleet: Fleet;
let writer: RouteWriter;
let us1: CellListener;
let us2: CellListener;
/** Of a router that all may use. */
let address: string;
const cleanups: (() => unknown)[] = [];
const routers: ChildProcess[] = [];
beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, network: "sockets" });
  writer = new RouteWriter(fleet.control.databaseUrl);
  us1 = await startCellListener("us1");
  us2 = await startCellListener("us2");
  await announce(fleet, "us1", us1.address);
  await announce(fleet, "us2", us2.address);
  address = await startProcess({ CELLWAY_EDGE_STATIC_ROUTES: "/legacy/=us2,/typo/=us9" });
}, TEST_MAX_MS);
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});
afterAll(async () => {
  for (const child of routers) {
    const exited = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    child.kill("SIGKILL");
    await exited;
  }
  await writer?.close();
  await us1?.stop();
  await us2?.stop();
  await fleet?.stop();
});

/** A router as users run it, of which more settings are given. */
async function startProcess(settings: Record<string, string>, limit?: string): Promise<string> {
  const [port, adminPort] = await findFreePorts(2);
  const command = [process.execPath, CELLWAY, "serve", "--edge", "locality-router"];
  const [file = "", ...args] = limit === undefined ? command : ["sh", "-c", `${limit}; exec "$@"`, "sh", ...command];
  const child: ChildProcess = spawn(file, args, {
    env: {
      PATH: process.env["PATH"],
      CELLWAY_EDGE_NAME: "us-router",
      CELLWAY_EDGE_LOCALITIES: "us",
      CELLWAY_EDGE_LISTEN: `http://127.0.0.1:${port}`,
      CELLWAY_HTTP_LISTEN: `http://127.0.0.1:${adminPort}`,
      CELLWAY_EDGE_LOCALITY_URL: "https://{locality}.example.test",
      CELLWAY_CONTROL_RPC_ADDRESS: fleet.topology.controlRpcAddress,
      CELLWAY_RPC_KEYS: formatKeys([deriveEdgeKey(TEST_MASTER_KEY, "edge:us-router")]),
      CELLWAY_LOG_LEVEL: "silent",
      ...settings,
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  routers.push(child);
  const isReady = async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined))?.ok === true;
  await until("the router is ready", isReady, READY_MAX_MS);
  return `http://127.0.0.1:${port}`;
}

test("a move that was begun before and committed after other changes is not skipped (defect 4)", async () => {
  const late = await writer.insert("late", "us1");
  await until("it is known", async () => (await ask({ address }, path("late"))).text === "us1");
  const open = await writer.begin();
  await writer.move(late, "us2", open);
  await writer.insert("soon", "us2");
  await until("the later change is here", async () => (await ask({ address }, path("soon"))).text === "us2");
  await open.end("commit");
  await until("the late one is here", async () => (await ask({ address }, path("late"))).text === "us2");
});

test("a static route leads to the cell that it names, and one to a cell that there is not is 503 and says so, never 404 (defects 11 and 14)", async () => {
  expect((await ask({ address }, "/legacy/x")).text).toBe("us2");
  const typo = await ask({ address }, "/typo/x");
  expect([typo.status, typo.text.includes("us9")]).toEqual([503, true]);
});

test("a WebSocket goes through the router to the cell of its organization (defect 16)", async () => {
  await writer.insert("talker", "us1");
  const talker = await startUpgrading("us1 says ");
  await announce(fleet, "us1", talker.address);
  cleanups.push(() => announce(fleet, "us1", us1.address));
  const { hostname, port } = new URL(address);
  let said = "";
  await until("the cell's new address is here", async () => {
    const socket = connect(Number(port), hostname);
    cleanups.push(() => socket.destroy());
    said = "";
    socket.on("data", (chunk) => {
      said += chunk.toString();
    });
    socket.write(
      `GET ${path("talker")}live/ HTTP/1.1\r\nHost: us.example.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello`,
    );
    await until("it is answered", () => said.includes("HTTP/1.1"));
    return said.startsWith("HTTP/1.1 101 ");
  });
  await until("the words came back", () => said.endsWith("us1 says hello"));
});

/** A server that agrees to change the protocol, and repeats what it is told. */
async function startUpgrading(prefix: string): Promise<{ address: string }> {
  const cell = await startCellListener("us1");
  cell.server.on("upgrade", (_req, socket: Socket, head: Buffer) => {
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    if (head.byteLength > 0) socket.write(prefix + head.toString());
    socket.on("data", (chunk: Buffer) => socket.write(prefix + chunk.toString()));
  });
  cleanups.push(() => cell.stop());
  return cell;
}

test(
  "a cell is reached by https where its address says so, and only with a certificate that is trusted (defect 16)",
  async () => {
    await writer.insert("secret", "us2");
    const folder = await mkdtemp(join(tmpdir(), "cellway-tls-"));
    cleanups.push(() => rm(folder, { recursive: true }));
    const authority = join(folder, "ca.pem");
    await writeFile(authority, CERTIFICATE);
    let checks = 0;
    const server = createTlsServer({ key: KEY, cert: CERTIFICATE }, (req, res) => {
      if (req.url === "/healthz") checks += 1;
      res.end("by TLS");
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "localhost", resolve);
    });
    cleanups.push(() => {
      server.closeAllConnections();
      server.close();
    });
    await announce(fleet, "us2", `https://localhost:${(server.address() as AddressInfo).port}`);
    cleanups.push(() => announce(fleet, "us2", us2.address));
    const trusting = await startProcess({ NODE_EXTRA_CA_CERTS: authority, CELLWAY_EDGE_HEALTH_CHECK_SECONDS: "1" });
    await until("it answers", async () => (await ask({ address: trusting }, path("secret"))).text === "by TLS");
    await until("its health is checked by TLS too", () => checks > 0);
    expect(await ask({ address }, path("secret"))).toMatchObject({ status: 502, code: "UPSTREAM_UNREACHABLE" });
  },
  TEST_MAX_MS,
);

test(
  "a router that has no file descriptors left serves on when there are some again (defect 18)",
  async () => {
    await writer.insert("crowded", "us2");
    const scarce = { address: await startProcess({}, "ulimit -n 512") };
    const isServed = async () => (await ask(scarce, path("crowded")).catch(() => undefined))?.text === "us2";
    await until("it serves", isServed);
    const { hostname, port } = new URL(scarce.address);
    const crowd = Array.from({ length: 1_000 }, () => connect(Number(port), hostname).on("error", () => {}));
    await until("some are refused", () => crowd.some(({ destroyed }) => destroyed));
    for (const socket of crowd) socket.destroy();
    await until("it serves again", isServed);
  },
  TEST_MAX_MS,
);

/** Of `localhost`, for a hundred years, signed by itself; made for this test alone. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBlDCCATugAwIBAgIUVM0Fi4V+C+XIY1dCo7XpRXRyRVMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNzAzNTEwNloYDzIxMjYxMTAz
MDM1MTA2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARtoEgEFNU8IeTdHczlgkBXZkrW+7+2B/9fy8hG9zgAnXSLNHcUG8Kd
VIcdriw67Vk5im3MAiTn7pt9PD5z78Qqo2kwZzAdBgNVHQ4EFgQUcFzqHf/lVffA
fF1Mz9/GmblaHgYwHwYDVR0jBBgwFoAUcFzqHf/lVffAfF1Mz9/GmblaHgYwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
RwAwRAIgYMAvLk83EBlIJ21AnBZqA6XAzE9tOP6QQTvWoIjjslcCIAxkBiOHqmEz
HQ11d45mH6/IYNrJY5jyGACxG0pkGDEr
-----END CERTIFICATE-----
`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgbwgumd7Ww1PSNczL
X+kEwtxZr+L7LZJVWl4SsyK6e1ihRANCAARtoEgEFNU8IeTdHczlgkBXZkrW+7+2
B/9fy8hG9zgAnXSLNHcUG8KdVIcdriw67Vk5im3MAiTn7pt9PD5z78Qq
-----END PRIVATE KEY-----
`;
