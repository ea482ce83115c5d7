import { createHttpNetwork, DEFAULT_LIMITS } from "@cellway/rpc";
import { startFleet } from "@cellway/testing";
import { expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { createEdge, holds, startEdgeLocator } from "./route-feed.js";
import { RouteWriter } from "./route-writer.js";

test("over sockets a locator follows, does not keep control from stopping, and goes on when it is back", async () => {
  const fleet = await startFleet({ modules: MODULES, network: "sockets" });
  const writer = new RouteWriter(fleet.control.databaseUrl);
  const network = createHttpNetwork(DEFAULT_LIMITS);
  const us = await startEdgeLocator(fleet, { rpc: createEdge(fleet, network), localities: ["us"] });
  const watchers = () => fleet.control.metrics.value("cellway_route_feed_watchers", {});
  try {
    const id = await writer.insert("acme", "us1");
    await holds(us, ["acme@us1"]);
    expect(await watchers()).toBe(1);
    const startedAt = performance.now();
    await fleet.stopSilo("control", 10_000);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await writer.move(id, "us2");
    await fleet.restart("control");
    await until("the locator follows again", () => us.following.isConnected());
    await holds(us, ["acme@us2"]);
    await us.stop();
    await until("control has learned that it left", async () => (await watchers()) === 0);
  } finally {
    await us.stop();
    await network.close();
    await writer.close();
    await fleet.stop();
  }
});
