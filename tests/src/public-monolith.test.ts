import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createUser } from "./organizations.js";
import { ask, createToken } from "./public-api.js";

let fleet: Fleet;
let token: string;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, mode: "monolith" });
  token = await createToken(fleet, await createUser(fleet));
}, 60_000);
afterAll(() => fleet?.stop());

test("in a silo that is all there is, what is created is found by the address of the answer, relative to the silo", async () => {
  const created = await ask(fleet.control, "POST", "/api/0/organizations/", {
    token,
    body: { slug: "on-premise", name: "On premise", locality: "de" },
  });
  expect(created).toMatchObject({ status: 201, body: { url: "/api/0/organizations/on-premise/" } });
  const { url } = created.body as { url: string };
  expect(await ask(fleet.control, "GET", url, { token })).toMatchObject({
    status: 200,
    body: { slug: "on-premise", url },
  });
});

test("an Idempotency-Key is remembered on the side that serves the route", async () => {
  const send = (path: string, body: unknown) =>
    ask(fleet.control, "POST", path, { token, body, headers: { "idempotency-key": "same" } });
  for (const [path, body] of [
    ["/api/0/organizations/on-premise/teams/", { slug: "team", name: "A team" }],
    ["/api/0/api-tokens/", { name: "token", scopes: [] }],
  ] as const) {
    const [first, again] = [await send(path, body), await send(path, body)];
    expect([first.status, again.headers.get("idempotency-replayed")]).toEqual([201, "true"]);
    expect(again.body).toEqual(first.body);
  }
});
