import type { MessageInitShape } from "@bufbuild/protobuf";
import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import type { OutboxSelector, OutboxSelectorSchema } from "@cellway/gen/cellway/outbox/v1/operator";
import { createPageTokenError, createRpcError, parseKeyToken } from "@cellway/rpc";
import { ALIASES, type Alias, currentNameOf } from "@cellway/silo";
import { Code, type ConnectError } from "@connectrpc/connect";
import type { Categories } from "./category.js";
import type { OutboxSource } from "./source.js";
import type { Pause } from "./store.js";

/** Which rows an operator means; null selects everything. */
export interface Selection extends Pause {
  /** The category that the order of `category` is named after. */
  readonly lane: number | null;
}

/** @throws INVALID_ARGUMENT / INVALID_FIELD for a category that does not exist, or a shard without its scope. */
export function readSelection(selector: OutboxSelector | undefined, sources: Categories<OutboxSource>): Selection {
  const { destination = "", scope = OutboxScope.UNSPECIFIED, shardId, category: text = "" } = selector ?? {};
  if (shardId !== undefined && scope === OutboxScope.UNSPECIFIED) {
    throw createFieldError("scope", "say which: shards of several scopes have the same id");
  }
  const category = text === "" ? null : readCategory(text, sources);
  return {
    destination: destination === "" ? null : destination,
    scope: scope === OutboxScope.UNSPECIFIED ? null : scope,
    shard_id: shardId ?? null,
    category,
    lane: category === null ? null : (sources.get(category)?.category.lane ?? category),
  };
}

/**
 * A category by its number, the full name of its message, or the last part of that, be it an old one. A number that this version does not
 * know is good: rows of a newer version have it.
 *
 * @throws INVALID_ARGUMENT / INVALID_FIELD that lists what there is.
 */
export function readCategory(
  text: string,
  sources: Categories<OutboxSource>,
  aliases: readonly Alias[] = ALIASES,
): number {
  if (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 32_767) return Number(text);
  const known = [...sources.values()].map((source) => source.category);
  const name = currentNameOf("OUTBOX_CATEGORY", text, { aliases });
  const found = known.find(({ content }) => content.typeName === name || content.name === name);
  if (found !== undefined) return found.number;
  const names = known.map(({ number, content }) => `${content.name} (${number})`);
  throw createFieldError("category", `is none of ${names.join(", ") || "this outbox: nothing is sent from here"}`);
}

/** The full name of a category's message; empty when this version does not know it. */
export function nameOfCategory(category: number, sources: Categories<OutboxSource>): string {
  return sources.get(category)?.category.content.typeName ?? "";
}

/** A pause as operators see it. */
export function toSelector(pause: Pause): MessageInitShape<typeof OutboxSelectorSchema> {
  return {
    destination: pause.destination ?? "",
    scope: pause.scope ?? OutboxScope.UNSPECIFIED,
    ...(pause.shard_id === null ? {} : { shardId: pause.shard_id }),
    category: pause.category === null ? "" : String(pause.category),
  };
}

/**
 * Reads what `formatKeyToken` made; undefined on the first page. Parts are whole numbers, but for the names of
 * silos: those at `names`.
 *
 * @throws INVALID_ARGUMENT / INVALID_FIELD.
 */
export function readToken(token: string, length: number, names: readonly number[] = []): string[] | undefined {
  if (token === "") return undefined;
  const parts = parseKeyToken(token);
  const isGood = (part: string, index: number) => (names.includes(index) ? part.length <= 64 : isId(part));
  if (parts?.length === length && parts.every(isGood)) return [...parts];
  throw createPageTokenError();
}

function isId(text: string): boolean {
  return /^-?\d{1,19}$/.test(text) && BigInt(text) >= -(2n ** 63n) && BigInt(text) < 2n ** 63n;
}

function createFieldError(field: string, why: string): ConnectError {
  return createRpcError(Code.InvalidArgument, "INVALID_FIELD", `${field}: ${why}`, { metadata: { field } });
}
