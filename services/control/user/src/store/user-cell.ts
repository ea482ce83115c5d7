import { rowsOf, type SiloDatabase } from "@cellway/database";

/** The most users that one {@link settleUserCells} settles: each holds up who changes the user until it commits. */
export const USER_CELLS_MAX = 200;

/**
 * Settles what cells are to know of users whose memberships came with an organization that moved, or ended: a cell in
 * which the user is a member knows it from now on, any other forgets it. What another process works on is passed over.
 *
 * @returns how many were settled; fewer than {@link USER_CELLS_MAX} when none are left.
 */
export async function settleUserCells(database: SiloDatabase): Promise<number> {
  return database.transaction(async (manager) => {
    const unsettled = rowsOf<{ user_id: string; cell_name: string }>(
      await manager.query(
        `select user_id, cell_name from control.user_cell where state <> 'KNOWN'
          order by user_id, cell_name limit $1 for update skip locked`,
        [USER_CELLS_MAX],
      ),
    );
    if (unsettled.length === 0) return 0;
    // Memberships are read after the rows were locked: whoever adds one waits for them.
    const parameters = [unsettled.map((row) => row.user_id), unsettled.map((row) => row.cell_name)];
    await manager.query(
      `update control.user_cell c set state = 'KNOWN'
        from unnest($1::bigint[], $2::text[]) as unsettled (user_id, cell_name)
        where c.user_id = unsettled.user_id and c.cell_name = unsettled.cell_name and exists (
          select from control.organization_member_mapping o
            join control.organization_mapping m on m.organization_id = o.organization_id
          where o.user_id = c.user_id and not o.is_removed and m.cell_name = c.cell_name
        )`,
      parameters,
    );
    await manager.query(
      `delete from control.user_cell c using unnest($1::bigint[], $2::text[]) as unsettled (user_id, cell_name)
        where c.user_id = unsettled.user_id and c.cell_name = unsettled.cell_name and c.state <> 'KNOWN'`,
      parameters,
    );
    return unsettled.length;
  });
}
