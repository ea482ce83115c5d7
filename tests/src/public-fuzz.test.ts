import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { createFuzzRequests, type FuzzWorld } from "./fuzz-requests.js";
import { MODULES } from "./modules.js";
import { createOrganization, createUser, install, type TestOrganization } from "./organizations.js";
import { ask, createToken } from "./public-api.js";
import { sendRaw, statusOf } from "./raw-requests.js";

const CASES_OF_NPM_TEST = 1_500;
/** `npm run test:fuzz` sets it to 100,000. */
const CASES = Number(process.env["CELLWAY_FUZZ_CASES"] ?? CASES_OF_NPM_TEST);
const AT_ONCE = 25;
const ANSWER_MS = 20_000;
/** In everything that the organizations of others hold, and in no request. */
const MARKER = "quagga-7d1f";

let fleet: Fleet;
let world: FuzzWorld;
let others: Others[];

interface Content {
  readonly teamId: string;
  readonly projectId: string;
  readonly keyId: string;
  readonly memberId: string;
  readonly integrationId: string;
}

interface Others {
  readonly organization: TestOrganization;
  readonly token: string;
  before: string;
}

async function fill(organization: TestOrganization, mark: string, userId: string): Promise<Content> {
  const { id: organizationId } = organization;
  const client = fleet.client(OrganizationService);
  await client.updateOrganization({ organizationId, name: mark, updateMask: { paths: ["name"] } });
  const { team } = await client.createTeam({ organizationId, slug: `team-${mark}`, name: mark });
  const teamId = team?.id ?? "";
  const { project } = await client.createProject({ organizationId, slug: `project-${mark}`, name: mark, teamId });
  const projectId = project?.id ?? "";
  const { key } = await client.createProjectKey({ organizationId, projectId, label: mark });
  const identity = { case: "email", value: `${mark}@example.com` } as const;
  await client.addOrganizationMember({ member: { organizationId, identity } });
  await client.setOrganizationOption({
    organizationId,
    key: "test.option",
    value: { kind: { case: "stringValue", value: mark } },
  });
  const { member } = await client.getOrganizationMember({ organizationId, by: { case: "userId", value: userId } });
  const integrationId = await install(fleet, organization);
  return { teamId, projectId, keyId: key?.id ?? "", memberId: member?.id ?? "", integrationId };
}

/** Everything of an organization that its owner can see, but for what was done in it. */
async function readAll({ organization, token }: Omit<Others, "before">): Promise<string> {
  const paths = ["", "members/", "teams/", "projects/", "integrations/", "options/test.option/"];
  const answers = paths.map(async (path) => {
    const whole = `/api/0/organizations/${organization.id}/${path}`;
    const { status, body } = await ask(fleet.cell(organization.cellName), "GET", whole, { token });
    return JSON.stringify([path, status, body]);
  });
  return (await Promise.all(answers)).join("\n");
}

beforeAll(async () => {
  const unlimited = { perToken: 1_000_000, perOrganization: 1_000_000, perStranger: 1_000_000 };
  fleet = await startFleet({ modules: MODULES, routeLimits: unlimited });
  const userId = await createUser(fleet);
  const organization = await createOrganization(fleet, { cellName: "us1", ownerUserId: userId });
  const ids = Object.values(await fill(organization, "mine", userId));
  others = [];
  for (const cellName of ["us1", "us2", "de1"]) {
    const otherId = await createUser(fleet);
    const other = await createOrganization(fleet, { cellName, ownerUserId: otherId });
    ids.push(...Object.values(await fill(other, `${MARKER}-${cellName}`, otherId)));
    const one = { organization: other, token: await createToken(fleet, otherId) };
    others.push({ ...one, before: await readAll(one) });
  }
  // Ids of integrations are small, and so are those of the first tokens: none of the caller's may be ended by a guess.
  const nobody = await createUser(fleet);
  for (let each = 0; each < 20; each += 1) await createToken(fleet, nobody);
  world = {
    routes: MODULES.flatMap(({ routes }) => routes),
    own: [organization.slug, organization.id],
    foreign: others.flatMap((other) => [other.organization.slug, other.organization.id]),
    ids,
    tokens: [await createToken(fleet, userId), await createToken(fleet, userId)],
  };
}, 60_000);
afterAll(() => fleet?.stop());

test(
  "whatever is sent to control and to a cell: no 500, no crash, no answer and no effect of another organization",
  async () => {
    const counts = new Map<number, number>();
    let count = 0;
    const property = fc.asyncProperty(
      fc.array(createFuzzRequests(world), { minLength: AT_ONCE, maxLength: AT_ONCE }),
      async (requests) => {
        const answers = requests.map(async (request) => {
          const { route, localMode, bytes, isFramed } = request;
          const silo = localMode === "CELL" ? fleet.cell("us1") : fleet.control;
          const answer = await sendRaw(silo.httpAddress, request, ANSWER_MS);
          const status = statusOf(answer);
          counts.set(status, (counts.get(status) ?? 0) + 1);
          count += 1;
          if (status >= 500 || answer.includes(MARKER) || (status === 0 && isFramed)) {
            throw new Error(`${route} of ${silo.silo.name}: ${bytes.toString("latin1")}\n→ ${answer}`);
          }
        });
        await Promise.all(answers);
      },
    );
    await fc.assert(property, {
      numRuns: Math.ceil(CASES / AT_ONCE),
      // Smaller cases are looked for in a long run only.
      endOnFailure: CASES === CASES_OF_NPM_TEST,
    });
    const covered = JSON.stringify([count, [...counts].toSorted(([one], [other]) => one - other)]);
    // oxlint-disable-next-line no-console -- what a long run has covered
    if (CASES > CASES_OF_NPM_TEST) console.log(covered);
    for (const status of [200, 201, 400, 401, 404]) expect([covered, counts.has(status)]).toEqual([covered, true]);
    expect((counts.get(429) ?? 0) + (counts.get(0) ?? 0)).toBeLessThan(count / 4);
    expect(count).toBeGreaterThanOrEqual(CASES);
    for (const token of world.tokens) {
      expect((await ask(fleet.control, "GET", "/api/0/users/me/", { token })).status).toBe(200);
    }
    for (const other of others) expect(await readAll(other)).toBe(other.before);
    for (const silo of [fleet.control, fleet.cell("us1")]) {
      expect((await fetch(`${silo.httpAddress}/healthz`)).status).toBe(200);
      expect(silo.log.filter((entry) => entry.includes("an HTTP route failed"))).toEqual([]);
    }
  },
  CASES === CASES_OF_NPM_TEST ? 180_000 : 3_600_000,
);
