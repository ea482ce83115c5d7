import { generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { deriveCellKey, deriveEdgeKey, formatKeys, type SigningKey } from "@cellway/rpc";
import {
  CONTROL_SILO_NAME,
  createEdgeIdentity,
  createSettingsReader,
  LABEL_PATTERN,
  MONOLITH_SILO_NAME,
} from "@cellway/silo";
import type { CommandContext } from "../context.js";
import { EXIT_OK, UsageError } from "../errors.js";
import { findFleet } from "../fleet-target.js";
import { parseKeyText, readKeys } from "../setting-readers.js";

const SECRET_BYTES = 32;

/** Options of `cellway keys generate`. */
export interface KeysGenerateOptions {
  readonly id?: string;
  readonly json?: boolean;
}

/** Prints a new master key. It is a secret. */
export async function runKeysGenerate(options: KeysGenerateOptions, ctx: CommandContext): Promise<number> {
  printKeys([generateKey(options.id)], options.json, ctx);
  return EXIT_OK;
}

/** A new key of 32 random bytes. Without an id it gets a random one. @throws UsageError for an id that cannot be */
export function generateKey(id = `k-${randomBytes(4).toString("hex")}`): SigningKey {
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(id))
    throw new UsageError(`--id ${id}: must be 1 to 32 characters of A-Z a-z 0-9 _ -.`);
  return { id, secret: new Uint8Array(randomBytes(SECRET_BYTES)) };
}

/** Prints new keys of a Relay, or of an ingest router that asks as one, as its credentials.json has them. One is a secret. */
export async function runKeysRelay(ctx: CommandContext): Promise<number> {
  const { x: publicKey, d: secretKey } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  ctx.terminal.out(JSON.stringify({ secret_key: secretKey, public_key: publicKey, id: randomUUID() }));
  return EXIT_OK;
}

/** Options of `cellway keys derive`. */
export interface KeysDeriveOptions {
  /** One of the two. */
  readonly cell?: string;
  /** Of a process at the edge, such as `us-router`. */
  readonly edge?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
}

/** Prints the keys that one cell, or one process at the edge, is given. They are secrets, of that one alone. */
export async function runKeysDerive(options: KeysDeriveOptions, ctx: CommandContext): Promise<number> {
  const derive = chooseDerivation(options);
  printKeys(findMasterKeys(options.dataDir, ctx).map(derive), options.json, ctx);
  return EXIT_OK;
}

function chooseDerivation({ cell, edge }: KeysDeriveOptions): (master: SigningKey) => SigningKey {
  if ((cell === undefined) === (edge === undefined))
    throw new UsageError("keys derive: say whose with one of --cell and --edge.");
  if (edge !== undefined) {
    if (!LABEL_PATTERN.test(edge))
      throw new UsageError(`--edge ${edge}: must be a lower-case DNS label, such as us-router.`);
    return (master) => deriveEdgeKey(master, createEdgeIdentity(edge).name);
  }
  const name = cell ?? "";
  if (!LABEL_PATTERN.test(name) || name === CONTROL_SILO_NAME || name === MONOLITH_SILO_NAME)
    throw new UsageError(`--cell ${name}: must be the name of a cell, such as us1.`);
  return (master) => deriveCellKey(master, name);
}

/** A deployment's keys come from the environment; a developer's from the fleet that runs. */
function findMasterKeys(dataDir: string | undefined, ctx: CommandContext): readonly SigningKey[] {
  const isSet = ctx.env["CELLWAY_RPC_KEYS"] !== undefined || ctx.env["CELLWAY_RPC_KEYS_FILE"] !== undefined;
  if (dataDir !== undefined || !isSet) return findFleet(dataDir, ctx).masterKeys;
  return parseKeyText(readKeys(createSettingsReader(ctx.env, (message) => ctx.terminal.err(`warning: ${message}`))));
}

function printKeys(keys: readonly SigningKey[], isJson: boolean | undefined, ctx: CommandContext): void {
  const text = formatKeys(keys);
  ctx.terminal.out(isJson === true ? JSON.stringify({ ids: keys.map((key) => key.id), keys: text }) : text);
}
