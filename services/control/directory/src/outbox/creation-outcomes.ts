import { rowsOf } from "@cellway/database";
import { OrganizationCreationOutcomeSchema } from "@cellway/gen/cellway/directory/v1/replicas";
import { replicateTable } from "@cellway/outbox";
import type { ProvisionState } from "../entities/provision-request.js";

/** Tells a cell whether an organization that it has created exists, or is to be forgotten. */
export const creationOutcomes = replicateTable(
  OrganizationCreationOutcomeSchema,
  { name: "provision_request", shardColumn: "organization_id", objectColumn: "organization_id" },
  async (db, ids) => {
    const sql =
      "select organization_id, state from control.provision_request where organization_id = any($1::bigint[])";
    const rows = rowsOf<{ organization_id: string; state: ProvisionState }>(await db.query(sql, [ids]));
    return new Map(
      rows.map(({ organization_id: id, state }) => [
        id,
        state === "pending" ? "withheld" : { isConfirmed: state !== "cancelling" },
      ]),
    );
  },
);
