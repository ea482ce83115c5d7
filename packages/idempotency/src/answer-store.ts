import { createHash, randomUUID } from "node:crypto";
import { rowsOf, type SiloDatabase, schemaOf, withCommitStep } from "@cellway/database";
import type { Logger } from "@cellway/telemetry";
import { ANSWER_MAX_BYTES, CLAIM_MS, KEPT_MS, KEYS_PER_ACTOR_MAX } from "./limits.js";
import { open, seal } from "./seal.js";

/** What an {@link AnswerStore} works with. */
export interface AnswerStoreOptions {
  readonly database: SiloDatabase;
  /** Keys of 32 bytes: the first seals, all open. Asked each time, since they are rotated. */
  readonly secrets: () => readonly Uint8Array[];
  readonly logger: Logger;
  readonly now: () => number;
}

/** A request that is to be carried out once. */
export interface KeyedRequest {
  /** Whose key it is: `user:7`. */
  readonly actor: string;
  readonly key: string;
  /** What is asked for, in full. */
  readonly content: string;
}

/** The right to carry a request out. */
export interface Claim {
  readonly state: "begun";
  /** Carries it out: what it commits is noted in the same transaction. Fails, and has no effect, once another has the claim. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Keeps the answer. Never rejects: one that is lost has been carried out all the same. */
  keep(answer: string): Promise<void>;
  /** There is no answer: the key is free again, unless something was committed. Never rejects. */
  giveUp(): Promise<void>;
}

/**
 * How a request begins. `answered`: it was carried out, and this was the answer · `reused`: the key was sent with another
 * content · `running`: somebody carries it out now · `lost`: it was carried out, and nobody knows the answer · `full`: the actor
 * has too many keys.
 */
export type Beginning =
  | Claim
  | { readonly state: "answered"; readonly answer: string }
  | { readonly state: "reused" | "running" | "lost" | "full" };

interface KeyRow {
  readonly fingerprint: Buffer;
  readonly claimed_until: Date;
  readonly is_carried_out: boolean;
  readonly answer: Buffer | null;
}

/** By what rows are found. */
interface Place {
  readonly actor: string;
  readonly hash: Buffer;
  readonly fingerprint: Buffer;
}

/**
 * Remembers for a day what requests with a key were answered, in the tables of one side. A request is carried out at most once for
 * a key: its effect and the note of it are one transaction.
 */
export class AnswerStore {
  private readonly table: string;

  constructor(private readonly options: AnswerStoreOptions) {
    this.table = `${schemaOf(options.database.localMode)}.idempotency_key`;
  }

  async begin({ actor, key, content }: KeyedRequest): Promise<Beginning> {
    const place = { actor, hash: digest(key), fingerprint: digest(content) };
    // What was found may be gone by the time it is read: given up, so that it can be claimed now.
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const claim = await this.claim(place);
      if (claim !== undefined) return this.createClaim(place, claim);
      const row = await this.find(place);
      if (row !== undefined) return this.judge(place, row);
    }
    return { state: "full" };
  }

  /** @returns the claim; undefined when somebody else has or had it, or the actor has too many. */
  private async claim({ actor, hash, fingerprint }: Place): Promise<string | undefined> {
    const nowMs = this.options.now();
    const sql = `insert into ${this.table} as known
        (actor, key_hash, fingerprint, claim, claimed_until, created_at)
      select $1::text, $2::bytea, $3::bytea, $4::uuid, $5::timestamptz, $6::timestamptz
      where (select count(*) from (select from ${this.table} where actor = $1 limit $8) as own) < $8
      on conflict (actor, key_hash) do update set fingerprint = excluded.fingerprint, claim = excluded.claim,
        claimed_until = excluded.claimed_until, created_at = excluded.created_at, is_carried_out = false, answer = null
      where known.created_at <= $7
        or (known.fingerprint = excluded.fingerprint and known.claimed_until <= $6 and not known.is_carried_out)
      returning claim`;
    const claim = randomUUID();
    const until = new Date(nowMs + CLAIM_MS);
    const values = [
      actor,
      hash,
      fingerprint,
      claim,
      until,
      new Date(nowMs),
      new Date(nowMs - KEPT_MS),
      KEYS_PER_ACTOR_MAX,
    ];
    return rowsOf(await this.options.database.query(sql, values)).length === 0 ? undefined : claim;
  }

  private async find({ actor, hash }: Place): Promise<KeyRow | undefined> {
    const sql = `select fingerprint, claimed_until, is_carried_out, answer from ${this.table}
      where actor = $1 and key_hash = $2`;
    return rowsOf<KeyRow>(await this.options.database.query(sql, [actor, hash]))[0];
  }

  private judge(place: Place, row: KeyRow): Beginning {
    if (!row.fingerprint.equals(place.fingerprint)) return { state: "reused" };
    if (row.answer !== null) {
      const answer = open(this.options.secrets(), row.answer, nameOf(place));
      return answer === undefined ? { state: "lost" } : { state: "answered", answer };
    }
    const isOver = row.claimed_until.getTime() <= this.options.now();
    return { state: isOver && row.is_carried_out ? "lost" : "running" };
  }

  private createClaim(place: Place, claim: string): Claim {
    const { database, logger, now } = this.options;
    const own = [place.actor, place.hash, claim];
    const where = "where actor = $1 and key_hash = $2 and claim = $3";
    const write = async (sql: string, values: unknown[] = []): Promise<void> => {
      try {
        await database.query(sql, [...own, ...values]);
      } catch (error) {
        logger.warn({ err: error }, "what became of a request with an idempotency key could not be noted");
      }
    };
    // Nobody waits for a claim that is over: what was carried out is found to be, and to have no answer.
    const end = `update ${this.table} set claimed_until = $4`;
    return {
      state: "begun",
      run: (work) =>
        withCommitStep(
          database,
          async (query) => {
            const sql = `with noted as (update ${this.table} set is_carried_out = true ${where} returning 1)
              select count(*)::int as count from noted`;
            const [noted] = rowsOf<{ count: number }>(await query(sql, own));
            if (noted?.count !== 1)
              throw new Error("The request took too long: another one with its key has taken over.");
          },
          work,
        ),
      keep: async (answer) => {
        const [key] = this.options.secrets();
        const isKept = key !== undefined && Buffer.byteLength(answer) <= ANSWER_MAX_BYTES;
        const sealed = isKept ? seal(key, answer, nameOf(place)) : null;
        await write(`${end}, answer = $5, is_carried_out = true ${where}`, [new Date(now()), sealed]);
      },
      giveUp: async () => {
        await write(`delete from ${this.table} ${where} and not is_carried_out`);
        await write(`${end} ${where}`, [new Date(now())]);
      },
    };
  }
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function nameOf({ actor, hash }: Place): string {
  return `${actor} ${hash.toString("base64url")}`;
}
