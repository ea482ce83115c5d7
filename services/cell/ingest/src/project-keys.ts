import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { IngestLimits } from "./options.js";
import { Refusal } from "./refusal.js";

/** A key that something may be sent with. */
export interface ProjectKeyInUse {
  readonly id: string;
  readonly publicKey: string;
  readonly organizationId: string;
  readonly projectId: string;
  readonly projectSlug: string;
  readonly createdAtMs: number;
}

interface Remembered {
  readonly key: ProjectKeyInUse | undefined;
  readonly untilMs: number;
}

/** Keys that are remembered; the oldest go. */
const REMEMBERED_MAX = 20_000;
/** Keys that are being looked up at a time. */
const LOOKUPS_MAX = 64;
/** Keys of one look-up: what the contract takes. */
const BATCH_MAX = 500;

/** Finds keys of this cell, each look-up remembered for some seconds: a key that was deleted is refused after that. */
export class ProjectKeys {
  private readonly remembered = new Map<string, Remembered>();
  private readonly underWay = new Map<string, Promise<ProjectKeyInUse | undefined>>();

  constructor(
    private readonly context: ServiceContext,
    private readonly limits: IngestLimits,
  ) {}

  /** @throws Refusal when too many others are being looked up. */
  async find(publicKey: string): Promise<ProjectKeyInUse | undefined> {
    const known = this.remembered.get(publicKey);
    if (known !== undefined && known.untilMs > this.context.now()) return known.key;
    const earlier = this.underWay.get(publicKey);
    if (earlier !== undefined) return earlier;
    if (this.underWay.size >= LOOKUPS_MAX) throw new Refusal("INGEST_BUSY", "Too many keys are being looked up.");
    const lookup = this.lookUp(publicKey).finally(() => this.underWay.delete(publicKey));
    this.underWay.set(publicKey, lookup);
    return lookup;
  }

  /** Many keys, as they are now. Those that are not here are left out. */
  async findAll(publicKeys: readonly string[]): Promise<ProjectKeyInUse[]> {
    const { silo, rpc } = this.context;
    const found: ProjectKeyInUse[] = [];
    for (let at = 0; at < publicKeys.length; at += BATCH_MAX) {
      const batch = publicKeys.slice(at, at + BATCH_MAX);
      for (const cellName of silo.cells) {
        const { keys } = await rpc.client(OrganizationService).batchGetProjectKeys({ cellName, publicKeys: batch });
        for (const { key, projectSlug } of keys) {
          if (key === undefined) continue;
          const { id, publicKey, organizationId, projectId, createdAt } = key;
          const createdAtMs = Number(createdAt?.seconds ?? 0) * 1_000;
          found.push({ id, publicKey, organizationId, projectId, projectSlug, createdAtMs });
        }
      }
    }
    return found;
  }

  /** What was remembered of a key is wrong. */
  forget(publicKey: string): void {
    this.remembered.delete(publicKey);
  }

  private async lookUp(publicKey: string): Promise<ProjectKeyInUse | undefined> {
    const [key] = await this.findAll([publicKey]);
    const ttlMs = key === undefined ? this.limits.unknownKeyTtlMs : this.limits.knownKeyTtlMs;
    this.remembered.delete(publicKey);
    this.remembered.set(publicKey, { key, untilMs: this.context.now() + ttlMs });
    if (this.remembered.size > REMEMBERED_MAX) this.remembered.delete(this.remembered.keys().next().value ?? "");
    return key;
  }
}
