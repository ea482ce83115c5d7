import pg from "pg";

/** How large a directory is generated. */
export interface DirectorySize {
  /** Up to 1,000, in ten localities. */
  readonly cells: number;
  /** Each with a project key; every twentieth with an alias. */
  readonly organizations: number;
  /** Cells in which the user {@link BUSY_USER_ID} is a member, of one organization each. */
  readonly cellsOfUser: number;
}

export const BUSY_USER_ID = "77";

/** Fills an empty directory; cells that are not among the addresses answer nobody. The rows are as the triggers would have left them, which run for none of them. */
export async function generateDirectory(
  url: string,
  size: DirectorySize,
  addresses: ReadonlyMap<string, string>,
): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("set session_replication_role = replica");
    const { cells, organizations, cellsOfUser } = size;
    await client.query(`insert into control.locality (name, display_name, category, new_organization_cell)
      select 'l' || n, 'L', 'MULTI_TENANT', '' from generate_series(0, 9) n`);
    await client.query(
      `insert into control.cell (name, number, locality, rpc_address)
        select 'c' || n, n + 10, 'l' || n % 10, 'http://c' || n || '.test:1' from generate_series(1, $1::int) n`,
      [cells],
    );
    await client.query(
      "update control.cell c set rpc_address = a.address from unnest($1::text[], $2::text[]) a (name, address) where a.name = c.name",
      [[...addresses.keys()], [...addresses.values()]],
    );
    await client.query(
      `insert into control.organization_slug_reservation (slug, organization_id, cell_name)
        select 'organization-' || n, n, 'c' || 1 + n % $2::int from generate_series(1, $1::int) n`,
      [organizations, cells],
    );
    await client.query(
      `insert into control.organization_mapping
          (organization_id, slug, name, status, cell_name, version, route_epoch, created_at)
        select organization_id, slug, slug, 'ACTIVE', cell_name, 1, organization_id, now()
        from control.organization_slug_reservation`,
    );
    await client.query(
      `insert into control.organization_slug_reservation
          (slug, organization_id, cell_name, kind, expires_at, route_epoch)
        select 'old-' || n, n, 'c1', 'ALIAS', now() + interval '30 days', $1::int + n
        from generate_series(1, $1::int, 20) n`,
      [organizations],
    );
    await client.query(
      `insert into control.project_key_mapping
          (project_key_id, organization_id, project_id, public_key, version, route_epoch)
        select n, n, n, md5(n::text), 1, 2 * $1::int + n from generate_series(1, $1::int) n`,
      [organizations],
    );
    await addBusyUser(client, cellsOfUser);
    await client.query("select setval('control.route_change_id', $1)", [4 * organizations]);
    await client.query("update control.route_log set settled_id = $1, pruned_id = $1", [4 * organizations]);
    await client.query("analyze");
  } finally {
    await client.end();
  }
}

/** The user {@link BUSY_USER_ID} and its memberships. Organization n lives in cell n + 1. */
async function addBusyUser(client: pg.Client, cellsOfUser: number): Promise<void> {
  await client.query(
    `insert into control.organization_member_mapping
        (organization_id, member_id, user_id, role, invite_status, version)
      select n, n, $2::bigint, 'MEMBER', 'ACCEPTED', 1 from generate_series(1, $1::int) n`,
    [cellsOfUser, BUSY_USER_ID],
  );
  await client.query(
    `insert into control.user (id, username, session_nonce, created_at, updated_at) values ($1, 'busy', '-', now(), now())`,
    [BUSY_USER_ID],
  );
  await client.query(
    "insert into control.user_cell (user_id, cell_name) select $2, 'c' || n from generate_series(2, $1::int + 1) n",
    [cellsOfUser, BUSY_USER_ID],
  );
}
