import { setTimeout as delay } from "node:timers/promises";

/** Runs SQL in the database of a silo. */
export type SiloQuery = (silo: string, sql: string) => Promise<Record<string, unknown>[]>;

/** What is compared: how control knows it, and how its cell has it. */
const COMPARED = [
  {
    name: "organizations",
    known: (cell: string) =>
      `select organization_id as id, slug, name, status, true as is_confirmed from control.organization_mapping where cell_name = '${cell}'`,
    actual: "select id, slug, name, status, is_confirmed from cell.organization",
  },
  {
    name: "members",
    known: (cell: string) =>
      `select member_id as id, organization_id, k.user_id, k.role, k.invite_status from control.organization_member_mapping k
        join control.organization_mapping o using (organization_id) where not k.is_removed and o.cell_name = '${cell}'`,
    actual: "select id, organization_id, user_id, role, invite_status from cell.organization_member",
  },
  {
    name: "project keys",
    known: (cell: string) =>
      `select project_key_id as id, organization_id, public_key, project_id from control.project_key_mapping k
        join control.organization_mapping o using (organization_id) where not k.is_removed and o.cell_name = '${cell}'`,
    actual: "select id, organization_id, public_key, project_id from cell.project_key",
  },
] as const;

/** How many rows of each kind were compared. */
export type Compared = Record<(typeof COMPARED)[number]["name"], number>;

/**
 * Compares every row that the directory has of cells with the rows of the cells.
 *
 * @returns how many there are of each kind, and each row that is only on one side, as a line.
 */
export async function compareDirectory(
  query: SiloQuery,
  cells: readonly string[],
): Promise<{ readonly compared: Compared; readonly differences: readonly string[] }> {
  const differences: string[] = [];
  const compared: Compared = { organizations: 0, members: 0, "project keys": 0 };
  for (const cell of cells) {
    for (const { name, known, actual } of COMPARED) {
      const inControl = new Set((await query("control", known(cell))).map((row) => JSON.stringify(row)));
      const inCell = new Set((await query(cell, actual)).map((row) => JSON.stringify(row)));
      for (const row of inControl)
        if (!inCell.has(row)) differences.push(`${name}: only control knows ${row} of ${cell}`);
      for (const row of inCell) if (!inControl.has(row)) differences.push(`${name}: only ${cell} knows ${row}`);
      compared[name] += inCell.size;
    }
  }
  return { compared, differences };
}

const TABLES = ["outbox", "outbox_held", "outbox_stream", "outbox_parked"];

/** What still waits in the outboxes of the fleet, and which creations are under way: a line for each. */
export async function findUnfinished(query: SiloQuery, cells: readonly string[]): Promise<string[]> {
  const unfinished: string[] = [];
  const count = async (silo: string, table: string, where = "true") => {
    const [row] = await query(silo, `select count(*)::int as count from ${table} where ${where}`);
    if (row?.["count"] !== 0) unfinished.push(`${silo}: ${Number(row?.["count"])} in ${table}`);
  };
  for (const table of TABLES) await count("control", `control.${table}`);
  await count("control", "control.provision_request", "state <> 'done'");
  for (const cell of cells) {
    for (const table of TABLES) await count(cell, `cell.${table}`);
    const [older] = await query(cell, "select to_regclass('cell.pending_directory_update')::text as name");
    if (older?.["name"] != null) await count(cell, "cell.pending_directory_update");
  }
  return unfinished;
}

/** Resolves once `look` finds nothing left to wait for. While it fails, it is asked again. @throws what was left, after `timeoutMs` */
export async function eventually(
  what: string,
  timeoutMs: number,
  look: () => Promise<readonly string[]>,
): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const left = await look().catch((error: unknown) => [String(error)]);
    if (left.length === 0) return;
    if (performance.now() > giveUpAt) throw new Error(`waited in vain until ${what}:\n${left.join("\n")}`);
    await delay(100);
  }
}
