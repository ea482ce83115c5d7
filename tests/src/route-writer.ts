import pg from "pg";

/** Something that runs SQL: the pool, or a transaction. */
export interface Sql {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}

/** A transaction that is open until it is told how to end. */
export interface OpenTransaction extends Sql {
  end(how: "commit" | "rollback"): Promise<void>;
}

/** Writes routes as the directory does, without a cell; each in a transaction of its own, or in one that is given. */
export class RouteWriter {
  readonly pool: pg.Pool;
  /** The last organization's id. */
  lastId = 1_000;
  private readonly open: pg.Client[] = [];

  constructor(private readonly url: string) {
    this.pool = new pg.Pool({ connectionString: url, max: 8 });
    this.pool.on("error", () => {});
  }

  /** No organization is left. */
  async clear(): Promise<void> {
    await this.pool.query("delete from control.organization_mapping");
    await this.pool.query("delete from control.organization_slug_reservation");
    await this.pool.query("delete from control.project_key_mapping");
  }

  async insert(slug: string, cell: string, sql: Sql = this.pool): Promise<string> {
    this.lastId += 1;
    const id = String(this.lastId);
    await this.reserve(id, slug, sql);
    await sql.query(
      `insert into control.organization_mapping (organization_id, slug, name, status, cell_name, version, created_at)
        values ($1, $2, $2, 'ACTIVE', $3, 1, now())`,
      [id, slug, cell],
    );
    return id;
  }

  async move(id: string, cell: string, sql: Sql = this.pool): Promise<void> {
    await sql.query("update control.organization_mapping set cell_name = $2 where organization_id = $1", [id, cell]);
  }

  async remove(id: string, sql: Sql = this.pool): Promise<void> {
    await sql.query("delete from control.organization_mapping where organization_id = $1", [id]);
    await sql.query("delete from control.organization_slug_reservation where organization_id = $1", [id]);
  }

  async rename(id: string, slug: string, sql: Sql = this.pool): Promise<void> {
    const table = "control.organization_slug_reservation";
    await sql.query(`update ${table} set organization_id = -$1::bigint where organization_id = $1`, [id]);
    await this.reserve(id, slug, sql);
    await sql.query("update control.organization_mapping set slug = $2 where organization_id = $1", [id, slug]);
    await sql.query(`delete from ${table} where organization_id = -$1::bigint`, [id]);
  }

  /** Renames as the directory does, whose steps are in the order of the saga: the old slug stays as an alias. */
  async renameKeeping(id: string, slug: string): Promise<void> {
    await this.reserve(id, slug, this.pool, "RENAME");
    const transaction = await this.begin();
    const table = "control.organization_slug_reservation";
    await transaction.query(
      `update ${table} set kind = 'ALIAS', expires_at = now() + interval '1 day' where organization_id = $1 and kind = 'PRIMARY'`,
      [id],
    );
    await transaction.query(`update ${table} set kind = 'PRIMARY' where slug = $1`, [slug]);
    await transaction.query("update control.organization_mapping set slug = $2 where organization_id = $1", [id, slug]);
    await transaction.end("commit");
  }

  /** A slug that is reserved for an organization and is not its own. */
  async addAlias(id: string, slug: string, sql: Sql = this.pool): Promise<void> {
    await this.reserve(id, slug, sql, "ALIAS");
  }

  async dropAlias(slug: string, sql: Sql = this.pool): Promise<void> {
    await sql.query("delete from control.organization_slug_reservation where slug = $1", [slug]);
  }

  /** The public key of a project, as the receiver of the cells' messages writes it. */
  async addKey(id: string, publicKey: string, sql: Sql = this.pool): Promise<string> {
    this.lastId += 1;
    await sql.query(
      `insert into control.project_key_mapping (project_key_id, organization_id, project_id, public_key, version)
        values ($1, $2, 1, $3, 1)`,
      [this.lastId, id, publicKey],
    );
    return String(this.lastId);
  }

  async removeKey(keyId: string, sql: Sql = this.pool): Promise<void> {
    await sql.query("update control.project_key_mapping set is_removed = true where project_key_id = $1", [keyId]);
  }

  async begin(): Promise<OpenTransaction> {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    this.open.push(client);
    await client.query("begin");
    return {
      query: (sql, parameters) => client.query(sql, parameters),
      end: async (how) => void (await client.query(how)),
    };
  }

  /** Rolls back whatever is open. */
  async endTransactions(): Promise<void> {
    await Promise.all(this.open.splice(0).map((client) => client.end()));
  }

  async close(): Promise<void> {
    await this.endTransactions();
    await this.pool.end();
  }

  private async reserve(id: string, slug: string, sql: Sql, kind = "PRIMARY"): Promise<void> {
    await sql.query(
      `insert into control.organization_slug_reservation (slug, organization_id, cell_name, kind, expires_at)
        values ($1, $2, 'us1', $3, case when $3 = 'ALIAS' then now() + interval '1 day' end)`,
      [slug, id, kind],
    );
  }
}
