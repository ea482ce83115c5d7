import { hkdfSync } from "node:crypto";
import { CONTROL_SILO_NAME, ConfigError, isControlName, isEdgeName } from "@cellway/silo";

/** A named secret. The name travels with each signature; the secret never does. */
export interface SigningKey {
  /** 1 to 32 characters of A-Z a-z 0-9 _ and -. */
  readonly id: string;
  /** At least 32 bytes. */
  readonly secret: Uint8Array;
}

/** The keys that a silo may use with each peer. */
export interface KeyRing {
  /**
   * The keys for calls from `caller` to `audience`, in order: the first signs, all verify. Empty when this silo
   * holds none for the pair, as for a call between two cells.
   */
  keysBetween(caller: string, audience: string): readonly SigningKey[];
  /**
   * Keys of 32 bytes for what this silo alone writes and reads, such as secrets in its own tables: HKDF-SHA256 of each key that
   * it holds, in order; the first seals, all open. Different for each purpose.
   */
  secretsFor(purpose: string): readonly Uint8Array[];
  /** Replaces all keys at once, for calls that start from now on. */
  replace(keys: readonly SigningKey[]): void;
}

const DERIVED_MAX = 2_048;

/**
 * The ring of control and of an operator: holds master keys and derives from each (HKDF-SHA256, RFC 5869) the key
 * that it shares with one cell, or with one process at the edge. A cell that leaks its key can speak only as itself and only to control.
 */
export function createMasterKeyRing(masterKeys: readonly SigningKey[]): KeyRing {
  let masters = [...masterKeys];
  const derived = new Map<string, readonly SigningKey[]>();
  return {
    keysBetween(caller, audience) {
      const cell = findCell(caller, audience);
      if (cell === undefined) return [];
      const known = derived.get(cell);
      if (known !== undefined) return known;
      // The name comes from a header that is not verified yet, so the memory of derived keys is bounded.
      if (derived.size >= DERIVED_MAX) derived.clear();
      const keys = masters.map((master) => derivePeerKey(master, cell));
      derived.set(cell, keys);
      return keys;
    },
    secretsFor: (purpose) => masters.map((master) => deriveSecret(master, purpose)),
    replace(keys) {
      masters = [...keys];
      derived.clear();
    },
  };
}

/** The ring of one cell, or of one process at the edge: only its own derived keys, only for calls between it and control. */
export function createCellKeyRing(cell: string, cellKeys: readonly SigningKey[]): KeyRing {
  let keys = [...cellKeys];
  return {
    keysBetween: (caller, audience) =>
      (caller === cell && isControlName(audience)) || (audience === cell && isControlName(caller)) ? keys : [],
    secretsFor: (purpose) => keys.map((key) => deriveSecret(key, purpose)),
    replace(next) {
      keys = [...next];
    },
  };
}

/** The key that control shares with a process at the edge, by its whole name: `edge:us-router`. */
export function deriveEdgeKey(master: SigningKey, edge: string): SigningKey {
  return deriveKey(master, edge);
}

/** The key that control shares with `cell`, with the id of the master it comes from. */
export function deriveCellKey(master: SigningKey, cell: string): SigningKey {
  return deriveKey(master, `cell:${cell}`);
}

function derivePeerKey(master: SigningKey, name: string): SigningKey {
  return isEdgeName(name) ? deriveEdgeKey(master, name) : deriveCellKey(master, name);
}

function deriveKey(master: SigningKey, info: string): SigningKey {
  const secret = hkdfSync("sha256", master.secret, "cellway-rpc-v1", info, 32);
  return { id: master.id, secret: new Uint8Array(secret) };
}

function deriveSecret(key: SigningKey, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key.secret, "cellway-silo-v1", purpose, 32));
}

/**
 * Reads `id:base64,id:base64`: the first key signs, all verify.
 *
 * @throws ConfigError that names the entry by its position and id, never the secret.
 */
export function parseKeys(text: string, source: string): SigningKey[] {
  const seen = new Set<string>();
  const keys = text
    .split(/[,\s]+/)
    .filter((entry) => entry !== "")
    .map((entry, index) => {
      const [, id = "", encoded = ""] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/]*={0,2})$/.exec(entry) ?? [];
      if (id === "") {
        throw new ConfigError(
          source,
          `[${index}]`,
          "(hidden)",
          "must be id:base64 with an id of 1 to 32 characters A-Z a-z 0-9 _ -",
        );
      }
      if (seen.has(id)) throw new ConfigError(source, `[${index}]`, id, "is the id of an earlier key; ids must differ");
      seen.add(id);
      const secret = Buffer.from(encoded, "base64");
      if (secret.byteLength < 32) {
        throw new ConfigError(
          source,
          `[${index}]`,
          id,
          "must have a secret of at least 32 bytes in base64; make one with: cellway keys generate",
        );
      }
      return { id, secret: new Uint8Array(secret) };
    });
  if (keys.length === 0)
    throw new ConfigError(source, "", "(empty)", "must hold at least one key; make one with: cellway keys generate");
  return keys;
}

/** The form that {@link parseKeys} reads. It is a secret. */
export function formatKeys(keys: readonly SigningKey[]): string {
  return keys.map((key) => `${key.id}:${Buffer.from(key.secret).toString("base64")}`).join(",");
}

/** The one cell of a pair; control's own name when neither is a cell; undefined when both are. */
function findCell(caller: string, audience: string): string | undefined {
  if (isControlName(caller)) return isControlName(audience) ? CONTROL_SILO_NAME : audience;
  return isControlName(audience) ? caller : undefined;
}
