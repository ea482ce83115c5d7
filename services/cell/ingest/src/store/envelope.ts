import { isForeignKeyViolation, type Queryable, rowsOf } from "@cellway/database";

/** What is stored of a request. */
export interface Envelope {
  readonly organizationId: string;
  readonly projectId: string;
  readonly projectKeyId: string;
  readonly endpoint: "envelope" | "store";
  /** 32 hexadecimal digits. */
  readonly eventId: string | undefined;
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly client: string;
  readonly body: Buffer;
  readonly receivedAt: Date;
}

/** Rows that go at a time. */
const DROP_BATCH = 1_000;
/** Batches of one run; the next run goes on. */
const DROP_BATCHES_MAX = 200;

/** Stores an envelope; false when its project is gone. */
export async function insertEnvelope(db: Queryable, envelope: Envelope): Promise<boolean> {
  const { organizationId, projectId, projectKeyId, endpoint, eventId, body } = envelope;
  try {
    await db.query(
      `insert into cell.envelope (organization_id, project_id, project_key_id, endpoint, event_id, content_type,
          content_encoding, client, body, body_bytes, received_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      [
        organizationId,
        projectId,
        projectKeyId,
        endpoint,
        eventId ?? null,
        envelope.contentType,
        envelope.contentEncoding,
        envelope.client,
        body,
        body.byteLength,
        envelope.receivedAt,
      ],
    );
    return true;
  } catch (error) {
    if (isForeignKeyViolation(error)) return false;
    throw error;
  }
}

/** Bytes of all bodies that are stored. */
export async function sumStoredBytes(db: Queryable): Promise<number> {
  const sql = "select coalesce(sum(body_bytes), 0)::bigint as bytes from cell.envelope";
  const [row] = rowsOf<{ bytes: string }>(await db.query(sql));
  return Number(row?.bytes ?? 0);
}

/** Drops what was received before, the oldest first. @returns how many. */
export async function dropEnvelopesBefore(db: Queryable, before: Date): Promise<number> {
  let dropped = 0;
  for (let batches = 0; batches < DROP_BATCHES_MAX; batches += 1) {
    const sql = `with gone as (
        delete from cell.envelope where id in (
          select id from cell.envelope where received_at < $1 order by received_at limit $2 for update skip locked)
        returning 1)
      select count(*)::int as count from gone`;
    const [row] = rowsOf<{ count: number }>(await db.query(sql, [before, DROP_BATCH]));
    dropped += row?.count ?? 0;
    if ((row?.count ?? 0) < DROP_BATCH) break;
  }
  return dropped;
}
