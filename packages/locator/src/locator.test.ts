import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "@jest/globals";
import { explainRoute } from "./explain-route.js";
import type { RouteAnswer } from "./route-directory.js";
import { createTestLocator, NOW_MS, routes, snapshot } from "./test-support.js";

const slug = (value: string) => ({ kind: "slug", value }) as const;
const ACME: RouteAnswer = { organizationId: "7", slug: "acme", cellName: "us1", locality: "us", epoch: 12 };

test("what is in memory is found without a question, by slug and by id", async () => {
  const { locator, directory } = createTestLocator();
  for (const one of snapshot(["7:acme@us1:12"])) locator.memory.apply(one);
  expect([locator.peekSlug("acme")?.name, locator.peekId("7")?.address]).toEqual(["us1", "http://us1.test:1"]);
  expect(await locator.find(slug("acme"))).toMatchObject({ outcome: "routed", epoch: 12, origin: "snapshot" });
  expect(directory.asked).toEqual([]);
});

test("an unknown key is one question, however many wait for it, and its answer is kept", async () => {
  const { locator, directory } = createTestLocator();
  directory.answer = async () => ACME;
  const findings = await Promise.all(Array.from({ length: 50 }, () => locator.find(slug("acme"))));
  expect(new Set(findings.map(({ outcome }) => outcome))).toEqual(new Set(["routed"]));
  expect(locator.peekId("7")?.name).toBe("us1");
  expect(directory.asked).toEqual(["slug:acme"]);
});

test("an absence is remembered for a short time, and forgotten at once when the key is routed", async () => {
  const { locator, directory, clock } = createTestLocator({ absenceTtlMs: 1_000 });
  for (let round = 0; round < 3; round += 1) expect(await locator.find(slug("acme"))).toEqual({ outcome: "absent" });
  expect(directory.asked).toHaveLength(1);
  clock.nowMs += 1_000;
  await locator.find(slug("acme"));
  expect(directory.asked).toHaveLength(2);
  locator.memory.apply(routes(["7:acme@us1:12"]));
  expect(await locator.find(slug("acme"))).toMatchObject({ outcome: "routed" });
  locator.memory.apply(routes(["7-:13"]));
  await locator.find(slug("acme"));
  expect(directory.asked).toHaveLength(3);
});

test("of absences no more are remembered than may be", async () => {
  const { locator, directory } = createTestLocator({ absencesMax: 10 });
  for (let index = 0; index < 11; index += 1) await locator.find(slug(`no-${index}`));
  await locator.find(slug("no-10"));
  expect(directory.asked).toHaveLength(11);
  await locator.find(slug("no-0"));
  expect(directory.asked).toHaveLength(12);
});

test("where absences are not remembered, one that is older than the call is not believed", async () => {
  const { locator, directory } = createTestLocator({ absenceTtlMs: 0 });
  let answer = (_found: RouteAnswer | undefined) => {};
  directory.answer = () => new Promise((resolve) => void (answer = resolve));
  const first = locator.find(slug("acme"));
  const second = locator.find(slug("acme"));
  directory.answer = () => ACME;
  answer(undefined);
  expect([(await first).outcome, (await second).outcome]).toEqual(["absent", "routed"]);
});

test("a change that overtakes an answer is not undone by it", async () => {
  const { locator, directory } = createTestLocator();
  let answer = (_found: RouteAnswer | undefined) => {};
  directory.answer = () => new Promise((resolve) => void (answer = resolve));
  const finding = locator.find(slug("acme"));
  locator.memory.apply(routes(["7:acme@us2:13"]));
  answer(ACME);
  expect(await finding).toMatchObject({ outcome: "routed", cell: { name: "us2" }, epoch: 13 });
});

const projectKey = (value: string) => ({ kind: "projectKey", value }) as const;

test("aliases and project keys that the feed has brought are found without a question, and move with the organization", async () => {
  const { locator, directory } = createTestLocator();
  for (const one of snapshot(["7:acme@us1:12", "old>7:13", "#abc>7:14"])) locator.memory.apply(one);
  expect([locator.peekSlug("old")?.name, locator.peekProjectKey("abc")?.name]).toEqual(["us1", "us1"]);
  locator.memory.apply(routes(["7:acme@us2:15"]));
  const acme = { outcome: "routed", organizationId: "7", slug: "acme", cell: { name: "us2" }, epoch: 15 };
  expect(await locator.find(slug("old"))).toMatchObject(acme);
  expect(await locator.find(projectKey("abc"))).toMatchObject(acme);
  expect(directory.asked).toEqual([]);
});

test("a project key that is not known is asked for, and an absence is forgotten when the feed brings it", async () => {
  const { locator, directory, clock } = createTestLocator();
  expect(await locator.find(projectKey("abc"))).toEqual({ outcome: "absent" });
  locator.memory.apply(routes(["7:acme@us1:12", "#abc>7:13"]));
  expect(await locator.find(projectKey("abc"))).toMatchObject({ outcome: "routed" });
  locator.memory.apply(routes(["#abc>-:14"]));
  directory.answer = ({ kind }) => (kind === "projectKey" ? ACME : undefined);
  expect(await locator.find(projectKey("abc"))).toMatchObject({ outcome: "routed", slug: "acme" });
  expect(directory.asked).toEqual(["projectKey:abc", "projectKey:abc"]);
  clock.nowMs += 2_000;
  await locator.find(projectKey("abc"));
  expect(directory.asked).toHaveLength(3);
});

test("a key whose organization is not here is asked for, and says that it is elsewhere", async () => {
  const { locator, directory } = createTestLocator({ localities: ["us"] });
  directory.answer = () => ({ ...ACME, cellName: "de1", locality: "de" });
  locator.memory.apply(routes(["old>7:13", "#abc>7:14"]));
  const elsewhere = { outcome: "elsewhere", cellName: "de1", locality: "de" };
  expect([await locator.find(slug("old")), await locator.find(projectKey("abc"))]).toEqual([elsewhere, elsewhere]);
  expect([locator.peekSlug("old"), locator.peekProjectKey("abc")]).toEqual([undefined, undefined]);
});

test("another slug of an organization is asked for, leads where the organization is now, and is remembered for a short time", async () => {
  const { locator, directory, clock } = createTestLocator();
  directory.answer = () => ACME;
  for (const one of snapshot(["7:acme@us1:12"])) locator.memory.apply(one);
  expect(await locator.find(slug("old-name"))).toMatchObject({
    outcome: "routed",
    slug: "acme",
    cell: { name: "us1" },
  });
  locator.memory.apply(routes(["7:acme@us2:13"]));
  expect(await locator.find(slug("old-name"))).toMatchObject({ outcome: "routed", cell: { name: "us2" } });
  expect(directory.asked).toEqual(["slug:old-name"]);
  clock.nowMs += 2_000;
  locator.memory.apply(routes(["9:old-name@de1:14"]));
  expect(await locator.find(slug("old-name"))).toMatchObject({ organizationId: "9" });
});

test("an organization of another locality is elsewhere, and not routed", async () => {
  const { locator, directory } = createTestLocator({ localities: ["us"] });
  directory.answer = () => ({ ...ACME, cellName: "de1", locality: "de" });
  expect(await locator.find(slug("acme"))).toEqual({ outcome: "elsewhere", cellName: "de1", locality: "de" });
  locator.memory.apply(routes(["8:moved-cell@de1:3"]));
  expect([locator.peekSlug("moved-cell"), locator.peekSlug("acme")]).toEqual([undefined, undefined]);
});

test("a directory that does not answer is UNAVAILABLE, is no absence, and is asked again", async () => {
  const { locator, directory } = createTestLocator();
  directory.answer = () => Promise.reject(new Error("away"));
  const failure = await locator.find(slug("acme")).catch((error: unknown) => ConnectError.from(error));
  expect(failure).toMatchObject({ code: Code.Unavailable });
  directory.answer = () => ACME;
  expect(await locator.find(slug("acme"))).toMatchObject({ outcome: "routed" });
});

test("one question more than may be asked fails at once", async () => {
  const { locator, directory } = createTestLocator({ questionsMax: 2 });
  directory.answer = () => new Promise(() => {});
  void locator.find(slug("a"));
  void locator.find(slug("b"));
  await expect(locator.find(slug("c"))).rejects.toMatchObject({ code: Code.ResourceExhausted });
});

test("findAnew believes the directory, and the memory only when the directory does not answer", async () => {
  const { locator, directory } = createTestLocator();
  locator.memory.apply(routes(["7:acme@us1:12"]));
  expect(await locator.findAnew(slug("acme"))).toEqual({ outcome: "absent" });
  directory.answer = () => Promise.reject(new Error("away"));
  expect(await locator.findAnew(slug("acme"))).toMatchObject({ outcome: "routed" });
});

test("an explanation says rule, key, cell, epoch, where it came from and how old it is", async () => {
  const { locator, directory, clock } = createTestLocator();
  for (const one of snapshot(["7:acme@us1:12"])) locator.memory.apply(one);
  clock.nowMs += 5_000;
  locator.memory.apply(routes(["7:acme@us2:20"]));
  clock.nowMs += 2_000;
  const explain = (key: string) => explainRoute(locator, slug(key), () => clock.nowMs);
  expect(await explain("acme")).toEqual({
    rule: "organization slug",
    key: "acme",
    outcome: "routed",
    organizationId: "7",
    organizationSlug: "acme",
    cell: "us2",
    locality: "us",
    address: "http://us2.test:1",
    epoch: 20,
    from: "change",
    learnedAgoMs: 2_000,
    ageMs: clock.nowMs - NOW_MS,
    why: "organization slug acme lives in us2 (us) since epoch 20, known from a change that the feed sent",
  });
  locator.memory.apply(routes(["old>7:21", "#abc>7:22"]));
  expect(await explain("old")).toMatchObject({
    rule: "organization slug alias",
    organizationSlug: "acme",
    why: "organization slug alias old leads to organization acme (7), which lives in us2 (us) since epoch 20, known from a change that the feed sent",
  });
  expect(await explainRoute(locator, projectKey("abc"))).toMatchObject({
    rule: "project key",
    cell: "us2",
    why: expect.stringContaining("project key abc leads to organization acme (7), which lives in us2 (us)"),
  });
  directory.answer = () => undefined;
  expect([(await explain("nobody")).from, (await explain("nobody")).from]).toEqual(["question", "absence"]);
});
