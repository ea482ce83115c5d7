import { z } from "zod";
import { currentNameOf } from "./aliases.js";
import { ConfigError } from "./errors.js";
import { isControlName } from "./silo.js";

/** How the alias table calls the file. */
const FILE = "topology.";

/** The greatest cell number: it has 10 bits in every organization id. */
export const CELL_NUMBER_MAX = 1023;

/** A self-contained deployment that owns a subset of the organizations. */
export interface Cell {
  /** Lower-case DNS label of at most 32 characters, unique in the fleet: `us1`. */
  readonly name: string;
  /** Unique, 1 to {@link CELL_NUMBER_MAX}, never reused: it is part of the ids that the cell gives out. */
  readonly number: number;
  /** The one locality it belongs to. */
  readonly locality: string;
  /** Where its RPC listener is reached: `http://us1.internal:8011`. */
  readonly rpcAddress: string;
  /** Where its public HTTP listener is reached, for routers; empty while the file does not say it. */
  readonly httpAddress: string;
}

/** Who may live in a locality. A single-tenant one is never offered for choice. */
export type LocalityCategory = "MULTI_TENANT" | "SINGLE_TENANT";

/** A named collection of cells: a residency zone or the dedicated deployment of one customer. */
export interface Locality {
  /** Lower-case DNS label, unique in the fleet: `us`. */
  readonly name: string;
  /** For people: `United States`. */
  readonly displayName: string;
  readonly category: LocalityCategory;
  /** At least one. */
  readonly cells: readonly string[];
  /** Where new organizations are created, one of `cells`; empty to place them over all cells by weight and capacity. */
  readonly newOrganizationCell: string;
  /** Its public origin, where it is not what {@link Topology.localityUrl} says; empty where it is. */
  readonly url: string;
}

/** Every silo that a fleet consists of. */
export interface Topology {
  readonly controlRpcAddress: string;
  readonly cells: ReadonlyMap<string, Cell>;
  readonly localities: ReadonlyMap<string, Locality>;
  /** Where localities are public: an origin with `{locality}` for the name of one. Empty while the file does not say it. */
  readonly localityUrl: string;
}

/** What has the place of a locality's name in {@link Topology.localityUrl}. */
export const LOCALITY_PLACEHOLDER = "{locality}";

/** How cells, localities and routers are called. */
export const LABEL_PATTERN = /^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
/** What {@link LABEL_PATTERN} asks for, in words that follow "must be". */
export const LABEL_RULE = "a lower-case DNS label of 1 to 32 characters (a-z, 0-9, -) that begins with a letter";
const label = z.string().regex(LABEL_PATTERN, `must be ${LABEL_RULE}`);
const address = z
  .string()
  .refine(isOrigin, "must be a lower-case http:// or https:// origin without a path, such as http://127.0.0.1:8001");

const localityAddress = z
  .string()
  .refine(
    (text) => text.includes(LOCALITY_PLACEHOLDER) && isOrigin(text.replaceAll(LOCALITY_PLACEHOLDER, "us")),
    `must be a lower-case http:// or https:// origin with ${LOCALITY_PLACEHOLDER} in it, such as https://{locality}.example.com`,
  );

const topologySchema = z.strictObject({
  locality_url: localityAddress.optional(),
  control: z.strictObject({ rpc_address: address }),
  cells: z
    .array(
      z.strictObject({
        name: label,
        number: z
          .number("must be a whole number")
          .int("must be a whole number")
          .min(1, `must be 1 to ${CELL_NUMBER_MAX}`)
          .max(CELL_NUMBER_MAX, `must be 1 to ${CELL_NUMBER_MAX}`),
        rpc_address: address,
        http_address: address.optional(),
      }),
    )
    .min(1, "must name at least one cell"),
  localities: z
    .array(
      z.strictObject({
        name: label,
        display_name: z.string().min(1).max(64).optional(),
        category: z
          .enum(["multi_tenant", "single_tenant"], "must be multi_tenant or single_tenant")
          .default("multi_tenant"),
        cells: z.array(label).min(1, "must name at least one cell"),
        new_organization_cell: label.optional(),
        url: address.optional(),
      }),
    )
    .min(1, "must name at least one locality"),
});

type TopologyInput = z.infer<typeof topologySchema>;

/**
 * Reads a topology from parsed JSON.
 *
 * @param input - the JSON value: `{control: {rpc_address}, cells: [{name, number, rpc_address, http_address?}], localities:
 *   [{name, display_name?, category?, cells, new_organization_cell?, url?}], locality_url?}`. An old key is read as the current one (aliases.ts).
 * @param source - the file or variable it came from, for messages.
 * @param onOld - told of each old key that the topology has, by its name in the alias table: `topology.…`.
 * @throws ConfigError that names the first wrong entry and the rule it breaks.
 */
export function parseTopology(input: unknown, source: string, onOld?: (old: string) => void): Topology {
  const current = renameOldKeys(input, onOld);
  const result = topologySchema.safeParse(current);
  if (!result.success) throw toConfigError(result.error, current, source);
  assertTopology(result.data, source);
  const localityOf = new Map<string, string>();
  for (const locality of result.data.localities) {
    for (const cell of locality.cells) localityOf.set(cell, locality.name);
  }
  return {
    controlRpcAddress: result.data.control.rpc_address,
    cells: new Map(
      result.data.cells.map((cell) => [
        cell.name,
        {
          name: cell.name,
          number: cell.number,
          locality: localityOf.get(cell.name) ?? "",
          rpcAddress: cell.rpc_address,
          httpAddress: cell.http_address ?? "",
        },
      ]),
    ),
    localities: new Map(
      result.data.localities.map((locality) => [
        locality.name,
        {
          name: locality.name,
          displayName: locality.display_name ?? locality.name,
          category: locality.category === "multi_tenant" ? "MULTI_TENANT" : "SINGLE_TENANT",
          cells: locality.cells,
          newOrganizationCell: locality.new_organization_cell ?? "",
          url: locality.url ?? "",
        },
      ]),
    ),
    localityUrl: result.data.locality_url ?? "",
  };
}

/** The JSON form of a topology: what {@link parseTopology} reads. */
export function formatTopology(topology: Topology): unknown {
  return {
    ...(topology.localityUrl === "" ? {} : { locality_url: topology.localityUrl }),
    control: { rpc_address: topology.controlRpcAddress },
    cells: [...topology.cells.values()].map((cell) => ({
      name: cell.name,
      number: cell.number,
      rpc_address: cell.rpcAddress,
      ...(cell.httpAddress === "" ? {} : { http_address: cell.httpAddress }),
    })),
    localities: [...topology.localities.values()].map((locality) => ({
      name: locality.name,
      display_name: locality.displayName,
      category: locality.category.toLowerCase(),
      cells: locality.cells,
      ...(locality.newOrganizationCell === "" ? {} : { new_organization_cell: locality.newOrganizationCell }),
      ...(locality.url === "" ? {} : { url: locality.url }),
    })),
  };
}

function assertTopology(input: TopologyInput, source: string): void {
  assertUnique(input.cells, "cells", "name", source);
  assertUnique(input.cells, "cells", "number", source);
  assertUnique(input.cells, "cells", "rpc_address", source);
  assertUnique(input.localities, "localities", "name", source);
  assertCells(input, source);
  assertLocalities(input, source);
}

function assertCells(input: TopologyInput, source: string): void {
  for (const [index, cell] of input.cells.entries()) {
    if (isControlName(cell.name)) {
      throw new ConfigError(
        source,
        `cells[${index}].name`,
        cell.name,
        "is the name of a silo that is not a cell; choose another",
      );
    }
    if (cell.rpc_address === input.control.rpc_address) {
      throw new ConfigError(
        source,
        `cells[${index}].rpc_address`,
        cell.rpc_address,
        "is control's address; each silo needs its own",
      );
    }
  }
}

/** Every locality has cells that there are, every cell exactly one locality. */
function assertLocalities(input: TopologyInput, source: string): void {
  const names = new Set(input.cells.map((cell) => cell.name));
  const owner = new Map<string, string>();
  for (const [index, locality] of input.localities.entries()) {
    const key = `localities[${index}]`;
    for (const cell of locality.cells) {
      if (!names.has(cell)) {
        throw new ConfigError(source, `${key}.cells`, cell, "is not the name of a cell in `cells`");
      }
      const other = owner.get(cell);
      if (other !== undefined) {
        throw new ConfigError(
          source,
          `${key}.cells`,
          cell,
          `is already in locality ${other}; a cell is in exactly one locality`,
        );
      }
      owner.set(cell, locality.name);
    }
    const newOrganizationCell = locality.new_organization_cell;
    if (newOrganizationCell !== undefined && !locality.cells.includes(newOrganizationCell)) {
      throw new ConfigError(
        source,
        `${key}.new_organization_cell`,
        newOrganizationCell,
        `must be one of the cells of locality ${locality.name}: ${locality.cells.join(", ")}`,
      );
    }
  }
  for (const [index, cell] of input.cells.entries()) {
    if (!owner.has(cell.name)) {
      throw new ConfigError(
        source,
        `cells[${index}].name`,
        cell.name,
        "is in no locality; add it to the `cells` of exactly one",
      );
    }
  }
}

function assertUnique<T>(entries: readonly T[], list: string, key: keyof T & string, source: string): void {
  const seen = new Map<unknown, number>();
  for (const [index, entry] of entries.entries()) {
    const first = seen.get(entry[key]);
    if (first !== undefined) {
      throw new ConfigError(
        source,
        `${list}[${index}].${key}`,
        entry[key],
        `must be unique; ${list}[${first}] has the same`,
      );
    }
    seen.set(entry[key], index);
  }
}

/** A key that is there beside its current name stays, and is refused as unknown. */
function renameOldKeys(input: unknown, onOld?: (old: string) => void): unknown {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return input;
  const entries = Object.entries(input).map(([key, value]) => {
    const current = currentNameOf("JSON_FIELD", FILE + key).slice(FILE.length);
    if (current === key || current in input) return [key, value];
    onOld?.(FILE + key);
    return [current, value];
  });
  return Object.fromEntries(entries);
}

function toConfigError(error: z.ZodError, input: unknown, source: string): ConfigError {
  const issue = error.issues[0];
  if (issue === undefined) return new ConfigError(source, "", undefined, error.message);
  let value: unknown = input;
  let key = "";
  for (const part of issue.path) {
    value = typeof value === "object" && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined;
    key += typeof part === "number" ? `[${part}]` : `${key === "" ? "" : "."}${String(part)}`;
  }
  return new ConfigError(source, key, value, issue.message);
}

/** Lower case and nothing but scheme, host and port, so that two addresses are the same exactly when their texts are. */
export function isOrigin(text: string): boolean {
  return /^https?:\/\/[a-z0-9[\]._:-]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}
