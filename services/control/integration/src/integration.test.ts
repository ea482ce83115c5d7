import { IntegrationService, IntegrationStatus } from "@cellway/gen/cellway/integration/v1/integration";
import { reasonOf } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { integrationModule } from "./index.js";

let fleet: Fleet;
let integrations: Client<typeof IntegrationService>;
let counter = 0;

beforeAll(async () => {
  fleet = await startFleet({ modules: [integrationModule], now: () => Date.parse("2026-01-01T00:00:00Z") });
  integrations = fleet.client(IntegrationService);
});
afterAll(() => fleet.stop());

async function createGithub(name = "Acme on GitHub") {
  counter += 1;
  const { integration } = await integrations.createIntegration({
    provider: "github",
    externalId: `account-${counter}`,
    name,
  });
  if (integration === undefined) throw new Error("no integration");
  return integration;
}

async function fail(work: Promise<unknown>): Promise<{ code: Code; reason: string | undefined; message: string }> {
  try {
    await work;
  } catch (error) {
    return {
      code: ConnectError.from(error).code,
      reason: reasonOf(error),
      message: ConnectError.from(error).rawMessage,
    };
  }
  throw new Error("the call did not fail");
}

describe("integrations", () => {
  test("the same integration recorded twice is one, and says so", async () => {
    const wanted = { provider: "github", externalId: "twice", name: "Twice", metadata: { domain: "github.com/twice" } };
    const first = await integrations.createIntegration(wanted);
    const second = await integrations.createIntegration(wanted);
    expect(first.wasCreated).toBe(true);
    expect(second.wasCreated).toBe(false);
    expect(second.integration?.id).toBe(first.integration?.id);
    expect(second.integration?.metadata).toEqual({ domain: "github.com/twice" });
  });

  test("recorded ten times at once it is still one", async () => {
    const wanted = { provider: "gitlab", externalId: "at-once", name: "At once" };
    const answers = await Promise.all(Array.from({ length: 10 }, () => integrations.createIntegration(wanted)));
    expect(new Set(answers.map((answer) => answer.integration?.id)).size).toBe(1);
    expect(answers.filter((answer) => answer.wasCreated)).toHaveLength(1);
  });

  test("another name for the same account is a conflict and changes nothing", async () => {
    const github = await createGithub("First");
    const error = await fail(
      integrations.createIntegration({ provider: "github", externalId: github.externalId, name: "Second" }),
    );
    expect(error).toMatchObject({ code: Code.AlreadyExists, reason: "INTEGRATION_CONFLICT" });
    expect(
      (await integrations.getIntegration({ integration: { case: "integrationId", value: github.id } })).integration
        ?.name,
    ).toBe("First");
  });

  test("one is found by its id and by what the provider calls it, and is absent otherwise", async () => {
    const github = await createGithub();
    const providerExternalId = { provider: "github", externalId: github.externalId };
    const byName = await integrations.getIntegration({
      integration: { case: "providerExternalId", value: providerExternalId },
    });
    expect(byName.integration?.id).toBe(github.id);
    expect(
      (await integrations.getIntegration({ integration: { case: "integrationId", value: "999999" } })).integration,
    ).toBeUndefined();
    const elsewhere = await integrations.getIntegration({
      integration: { case: "integrationId", value: github.id },
      organizationId: "77",
    });
    expect(elsewhere.integration).toBeUndefined();
  });

  test("an update changes what its mask names and nothing else", async () => {
    const github = await createGithub("Before");
    const update = {
      integrationId: github.id,
      name: "After",
      status: IntegrationStatus.DISABLED,
      updateMask: { paths: ["status"] },
    };
    const { integration } = await integrations.updateIntegration(update);
    expect(integration).toMatchObject({ name: "Before", status: IntegrationStatus.DISABLED });
  });

  test.each([
    ["a mask with a path that cannot change", { updateMask: { paths: ["provider"] } }, "update_mask"],
    ["an empty mask", { updateMask: { paths: [] } }, "update_mask"],
    ["an empty name", { updateMask: { paths: ["name"] } }, "name"],
    ["an unspecified status", { updateMask: { paths: ["status"] } }, "status"],
    ["metadata over 64 KiB", { updateMask: { paths: ["metadata"] }, metadata: { a: "x".repeat(70_000) } }, "metadata"],
  ])("an update with %s is refused and names the field", async (_what, change, field) => {
    const github = await createGithub();
    const error = await fail(integrations.updateIntegration({ integrationId: github.id, ...change }));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.message).toContain(field);
  });

  test("a list goes through all pages in order and ends", async () => {
    for (let index = 0; index < 5; index += 1) {
      await integrations.createIntegration({ provider: "paged", externalId: `p${index}`, name: `P${index}` });
    }
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await integrations.listIntegrations({ provider: "paged", pageSize: 2, pageToken });
      expect(page.integrations.length).toBeLessThanOrEqual(2);
      seen.push(...page.integrations.map((integration) => integration.externalId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).toEqual(["p0", "p1", "p2", "p3", "p4"]);
  });

  test("a page token that no list gave out is refused", async () => {
    expect(await fail(integrations.listIntegrations({ pageToken: "nonsense" }))).toMatchObject({
      code: Code.InvalidArgument,
    });
  });

  test("a deleted integration takes its installations along, and deleting it again is fine", async () => {
    const github = await createGithub();
    await integrations.addOrganizationIntegration({ organizationId: "31", integrationId: github.id });
    expect(await integrations.deleteIntegration({ integrationId: github.id })).toMatchObject({
      wasDeleted: true,
      removedInstallations: 1,
    });
    expect(await integrations.deleteIntegration({ integrationId: github.id })).toMatchObject({ wasDeleted: false });
    const left = await integrations.listOrganizationIntegrations({ organizationId: "31" });
    expect(left.organizationIntegrations).toEqual([]);
  });
});

describe("installations", () => {
  test("installing twice keeps the first configuration", async () => {
    const { id: integrationId } = await createGithub();
    const first = await integrations.addOrganizationIntegration({
      organizationId: "1",
      integrationId,
      config: { repo: "a" },
    });
    const second = await integrations.addOrganizationIntegration({
      organizationId: "1",
      integrationId,
      config: { repo: "b" },
    });
    expect([first.wasCreated, second.wasCreated]).toEqual([true, false]);
    expect(second.organizationIntegration?.config).toEqual({ repo: "a" });
  });

  test("an integration that does not exist cannot be installed", async () => {
    const error = await fail(integrations.addOrganizationIntegration({ organizationId: "1", integrationId: "999999" }));
    expect(error).toMatchObject({ code: Code.NotFound, reason: "INTEGRATION_NOT_FOUND" });
  });

  test("one organization never sees another's installation", async () => {
    const { id: integrationId } = await createGithub();
    await integrations.addOrganizationIntegration({ organizationId: "2", integrationId });
    expect(
      (await integrations.getOrganizationIntegration({ organizationId: "3", integrationId })).organizationIntegration,
    ).toBeUndefined();
    const context = await integrations.getOrganizationContext({
      organizationId: "3",
      integration: { case: "integrationId", value: integrationId },
    });
    expect(context.context).toBeUndefined();
  });

  test("a context by provider is the oldest active installation", async () => {
    const [old, disabled, recent] = [
      await createGithub("Old"),
      await createGithub("Disabled"),
      await createGithub("Recent"),
    ];
    for (const { id } of [disabled, old, recent])
      await integrations.addOrganizationIntegration({ organizationId: "4", integrationId: id });
    const disable = {
      organizationId: "4",
      integrationId: disabled.id,
      status: IntegrationStatus.DISABLED,
      updateMask: { paths: ["status"] },
    };
    await integrations.updateOrganizationIntegration(disable);
    const { context } = await integrations.getOrganizationContext({
      organizationId: "4",
      integration: { case: "provider", value: "github" },
    });
    expect(context?.integration?.name).toBe("Old");
    const { contexts } = await integrations.getOrganizationContexts({ organizationId: "4" });
    expect(contexts.map((item) => item.integration?.name)).toEqual(["Disabled", "Old", "Recent"]);
  });

  test("removing what is not installed is fine", async () => {
    const { id: integrationId } = await createGithub();
    expect((await integrations.removeOrganizationIntegration({ organizationId: "5", integrationId })).wasRemoved).toBe(
      false,
    );
    await integrations.addOrganizationIntegration({ organizationId: "5", integrationId });
    expect((await integrations.removeOrganizationIntegration({ organizationId: "5", integrationId })).wasRemoved).toBe(
      true,
    );
  });

  test("changing what is not installed is NOT_FOUND", async () => {
    const error = await fail(
      integrations.updateOrganizationIntegration({
        organizationId: "6",
        integrationId: "1",
        config: {},
        updateMask: { paths: ["config"] },
      }),
    );
    expect(error).toMatchObject({ code: Code.NotFound, reason: "INSTALLATION_NOT_FOUND" });
  });
});

describe("grace periods", () => {
  test("start for those that have none, last seven days, and never start again", async () => {
    const { id: integrationId } = await createGithub();
    for (const organizationId of ["11", "12"])
      await integrations.addOrganizationIntegration({ organizationId, integrationId });
    const first = await integrations.startGracePeriod({ organizationIds: ["11"], provider: "github" });
    expect(first.organizationIntegrations.map((item) => item.organizationId)).toEqual(["11"]);
    expect(first.organizationIntegrations[0]?.gracePeriodEnd?.seconds).toBe(
      BigInt(Date.parse("2026-01-08T00:00:00Z") / 1000),
    );
    const second = await integrations.startGracePeriod({ organizationIds: ["11", "12"], provider: "github" });
    expect(second.organizationIntegrations.map((item) => item.organizationId)).toEqual(["12"]);
  });

  test("can leave the oldest installation of an integration alone", async () => {
    const { id: integrationId } = await createGithub();
    for (const organizationId of ["21", "22"])
      await integrations.addOrganizationIntegration({ organizationId, integrationId });
    const { organizationIntegrations } = await integrations.startGracePeriod({
      organizationIds: ["21", "22"],
      provider: "github",
      skipOldest: true,
    });
    expect(organizationIntegrations.map((item) => item.organizationId)).toEqual(["22"]);
  });

  test("longer than 90 days is refused", async () => {
    const gracePeriod = { seconds: 91n * 86_400n };
    expect(
      await fail(integrations.startGracePeriod({ organizationIds: ["1"], provider: "github", gracePeriod })),
    ).toMatchObject({
      code: Code.InvalidArgument,
    });
  });
});

describe("callers", () => {
  test("a cell may not touch an integration itself", async () => {
    const asCell = fleet.cell("us1").rpc.client(IntegrationService);
    expect(await fail(asCell.createIntegration({ provider: "github", externalId: "cell", name: "No" }))).toMatchObject({
      code: Code.PermissionDenied,
      reason: "CALLER_NOT_ALLOWED",
    });
  });
});
