import { IntegrationService, IntegrationStatus } from "@cellway/gen/cellway/integration/v1/integration";
import type { ReplicatedIntegration } from "@cellway/gen/cellway/replica/v1/replica";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createOrganization, createUser, type TestOrganization, untilDelivered } from "./organizations.js";
import {
  controlQuery,
  createToken,
  findAcceptingCells,
  findKnowingCells,
  replicasOf,
  settleCells,
  untilIntegrationTold,
  untilOrganizationTold,
  untilTold,
  untilUserTold,
} from "./replicas.js";

let created = 0;

describe.each(["siloed", "monolith"] as const)("in a %s fleet", (mode) => {
  let fleet: Fleet;

  beforeAll(async () => {
    fleet = await startFleet({ modules: MODULES, mode });
  });
  afterAll(() => fleet?.stop());

  const integrations = () => fleet.client(IntegrationService);

  async function createIntegration(): Promise<string> {
    created += 1;
    const { integration } = await integrations().createIntegration({
      provider: "github",
      externalId: `account-${created}`,
      name: "acme",
      metadata: { icon: "octopus" },
    });
    return integration?.id ?? "";
  }

  async function createIn(cellName: string): Promise<TestOrganization> {
    return createOrganization(fleet, { cellName, ownerUserId: await createUser(fleet) });
  }

  async function install(organization: TestOrganization, integrationId: string): Promise<void> {
    const config = { channel: "alerts" };
    await integrations().addOrganizationIntegration({ organizationId: organization.id, integrationId, config });
  }

  /** What the cell knows, once control has told it all. */
  async function list({ id: organizationId, cellName }: TestOrganization): Promise<ReplicatedIntegration[]> {
    await untilOrganizationTold(fleet, organizationId);
    return (await replicasOf(fleet, cellName).listOrganizationIntegrations({ organizationId })).integrations;
  }

  async function countIntegrations(cellName: string, integrationId: string): Promise<number> {
    await untilIntegrationTold(fleet, integrationId);
    const sql =
      "select from cell.integration_replica where cell_name = $1 and integration_id = $2 and not is_removed and name = 'acme'";
    return (await fleet.cell(cellName).database("CELL").query<unknown[]>(sql, [cellName, integrationId])).length;
  }

  test("the cell of an organization knows its installations as control does", async () => {
    const organization = await createIn("us2");
    const integrationId = await createIntegration();
    await install(organization, integrationId);
    await untilIntegrationTold(fleet, integrationId);
    const { contexts } = await integrations().getOrganizationContexts({ organizationId: organization.id });
    const known = await list(organization);
    expect(known).toHaveLength(1);
    expect(known.map((each) => each.organizationIntegration)).toEqual(
      contexts.map((each) => each.organizationIntegration),
    );
    expect(known.map((each) => each.integration)).toEqual(contexts.map((each) => each.integration));
    expect(await countIntegrations("us1", integrationId)).toBe(0);
  });

  test("a change of an installation or of its integration is told, however it is made", async () => {
    const organization = await createIn("us1");
    const integrationId = await createIntegration();
    await install(organization, integrationId);
    await integrations().updateOrganizationIntegration({
      organizationId: organization.id,
      integrationId,
      config: { channel: "quiet" },
      updateMask: { paths: ["config"] },
    });
    await integrations().updateIntegration({
      integrationId,
      status: IntegrationStatus.DISABLED,
      updateMask: { paths: ["status"] },
    });
    await untilIntegrationTold(fleet, integrationId);
    const [known] = await list(organization);
    expect(known?.organizationIntegration?.config).toEqual({ channel: "quiet" });
    expect(known?.integration?.status).toBe(IntegrationStatus.DISABLED);
    await controlQuery(
      fleet,
      "update control.organization_integration set status = 'DISABLED' where organization_id = $1",
      [organization.id],
    );
    expect((await list(organization))[0]?.organizationIntegration?.status).toBe(IntegrationStatus.DISABLED);
  });

  test("an installation that is removed is gone, and its integration with the last one in the cell", async () => {
    const [one, other] = [await createIn("us1"), await createIn("us1")];
    const integrationId = await createIntegration();
    await install(one, integrationId);
    await install(other, integrationId);
    await integrations().removeOrganizationIntegration({ organizationId: one.id, integrationId });
    expect([(await list(one)).length, (await list(other)).length]).toEqual([0, 1]);
    expect(await countIntegrations("us1", integrationId)).toBe(1);
    await integrations().removeOrganizationIntegration({ organizationId: other.id, integrationId });
    expect((await list(other)).length).toBe(0);
    expect(await countIntegrations("us1", integrationId)).toBe(0);
  });

  test.each<[string, (integrationId: string) => Promise<unknown>]>([
    ["deleted", (integrationId) => integrations().deleteIntegration({ integrationId })],
    ["deleted by hand", (id) => controlQuery(fleet, "delete from control.integration where id = $1", [id])],
  ])("an integration that is %s is gone with its installations", async (_, remove) => {
    const [one, other] = [await createIn("us1"), await createIn("de1")];
    const integrationId = await createIntegration();
    await install(one, integrationId);
    await install(other, integrationId);
    expect([(await list(one)).length, (await list(other)).length]).toEqual([1, 1]);
    await remove(integrationId);
    expect([(await list(one)).length, (await list(other)).length]).toEqual([0, 0]);
    expect([await countIntegrations("us1", integrationId), await countIntegrations("de1", integrationId)]).toEqual([
      0, 0,
    ]);
  });

  test("what is installed before the directory knows the organization is told once it does", async () => {
    const organizationId = "5001";
    const integrationId = await createIntegration();
    await integrations().addOrganizationIntegration({ organizationId, integrationId });
    await controlQuery(
      fleet,
      "insert into control.organization_slug_reservation (slug, organization_id, cell_name) values ('late', $1, 'de1')",
      [organizationId],
    );
    await controlQuery(
      fleet,
      `insert into control.organization_mapping (organization_id, slug, name, status, cell_name, version, created_at)
        values ($1, 'late', 'Late', 'ACTIVE', 'de1', 1, now())`,
      [organizationId],
    );
    expect(await list({ id: organizationId, cellName: "de1", slug: "late" })).toHaveLength(1);
    await controlQuery(fleet, "delete from control.organization_mapping where organization_id = $1", [organizationId]);
    await untilIntegrationTold(fleet, integrationId);
    expect(await list({ id: organizationId, cellName: "de1", slug: "late" })).toEqual([]);
    expect(await countIntegrations("de1", integrationId)).toBe(0);
  });

  test("an organization that moves takes its installations, its members and their tokens along", async () => {
    const userId = await createUser(fleet);
    const { token } = await createToken(fleet, userId);
    const organization = await createOrganization(fleet, { cellName: "us1", ownerUserId: userId });
    const integrationId = await createIntegration();
    await install(organization, integrationId);
    await untilDelivered(fleet);
    await untilUserTold(fleet, userId);
    expect([await findKnowingCells(fleet, userId), await findAcceptingCells(fleet, token)]).toEqual([["us1"], ["us1"]]);
    await controlQuery(fleet, "update control.organization_mapping set cell_name = 'us2' where organization_id = $1", [
      organization.id,
    ]);
    await settleCells(fleet);
    await untilTold(fleet);
    expect([await findKnowingCells(fleet, userId), await findAcceptingCells(fleet, token)]).toEqual([["us2"], ["us2"]]);
    expect(await list({ ...organization, cellName: "us2" })).toHaveLength(1);
    expect([await countIntegrations("us1", integrationId), await countIntegrations("us2", integrationId)]).toEqual([
      0, 1,
    ]);
  });
});
