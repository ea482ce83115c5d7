import type { Queryable } from "@cellway/database";
import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import { organizationMembers } from "./organization-members.js";
import { teams } from "./teams.js";

/**
 * Tells of everything in an organization that is being confirmed, after itself: its teams, its members, and its first
 * owner also when gone, whom the directory was given when the organization was created. Needs the organization's lock.
 */
export async function tellEverything(db: Queryable, organizationId: string): Promise<void> {
  await db.query(
    `select cell.outbox_write(array['control'], $2, $1, category, id) from (
      select $3::int as category, id from cell.team where organization_id = $1
      union select $4, id from cell.organization_member where organization_id = $1
      union select $4, initial_owner_member_id from cell.organization where id = $1 order by category desc, id) object`,
    [organizationId, OutboxScope.ORGANIZATION, teams.category.number, organizationMembers.category.number],
  );
}
