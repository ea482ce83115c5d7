/**
 * The response header that says which release and which contract served a call: `<version>;<digest>`. On every answer of a
 * silo's RPC listener but health's. Not signed: it informs, and nothing is trusted because of it.
 */
export const CONTRACT_HEADER = "x-cellway-contract";

/**
 * The request header that says which service's code calls, and of which release the calling process is:
 * `<service>;<version>`. One header, because each costs every call. Not signed: for counting, never for rights.
 */
export const CALLER_HEADER = "x-cellway-caller";

/** The release of a process that was not told. */
export const UNKNOWN_VERSION = "unknown";

const VERSION = "[!-:<-~]{1,64}";
const VERSION_PATTERN = new RegExp(`^${VERSION}$`);
const CALLER_PATTERN = new RegExp(`^(${VERSION});(${VERSION})$`);
const CONTRACT_PATTERN = new RegExp(`^(${VERSION});([0-9a-f]{16})$`);

/** Which release and which contract a process says that it serves. */
export interface ContractIdentity {
  readonly version: string;
  /** 16 hexadecimal digits. */
  readonly digest: string;
}

/** The value of {@link CONTRACT_HEADER}. */
export function formatContractHeader({ version, digest }: ContractIdentity): string {
  return `${version};${digest}`;
}

/** What {@link formatContractHeader} wrote; undefined for anything else. */
export function parseContractHeader(value: string): ContractIdentity | undefined {
  const [, version, digest] = CONTRACT_PATTERN.exec(value) ?? [];
  return version === undefined || digest === undefined ? undefined : { version, digest };
}

/** @throws Error for what cannot stand in a header. */
export function assertVersion(version: string): void {
  if (VERSION_PATTERN.test(version)) return;
  throw new Error(`version: ${JSON.stringify(version)} is not 1 to 64 printable characters without ";" and spaces.`);
}

/** Who calls, as far as it says so. */
export interface CallerIdentity {
  readonly service: string;
  readonly version: string;
}

/** The value of {@link CALLER_HEADER}. */
export function formatCallerHeader({ service, version }: CallerIdentity): string {
  return `${service};${version}`;
}

/** What {@link formatCallerHeader} wrote; undefined for anything else. */
export function parseCallerHeader(value: string): CallerIdentity | undefined {
  const [, service, version] = CALLER_PATTERN.exec(value) ?? [];
  return service === undefined || version === undefined ? undefined : { service, version };
}
