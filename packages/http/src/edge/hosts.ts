/** Which locality a host belongs to. */
export interface HostTable {
  /** The locality of a Host header, whatever its case, port and trailing dot; undefined for a host that is not served. */
  localityOf(host: string | undefined): string | undefined;
  /** The public origin of a locality, served here or not: `https://de.example.test`. */
  originOf(locality: string): string;
}

/** What a host table is made of. */
export interface HostRules {
  /** Localities that are served here. */
  readonly localities: readonly string[];
  /** Where each locality is public, with `{locality}` for its name: `https://{locality}.example.test`. */
  readonly localityUrl: string;
  /** Further hosts, to one of `localities`: `acme.example.com` to `acme`. */
  readonly hosts?: ReadonlyMap<string, string>;
}

/** Creates the table. */
export function createHostTable({ localities, localityUrl, hosts = new Map() }: HostRules): HostTable {
  const originOf = (locality: string) => localityUrl.replaceAll("{locality}", locality);
  const table = new Map<string, string>();
  for (const locality of localities) table.set(normalizeHost(new URL(originOf(locality)).host), locality);
  for (const [host, locality] of hosts) table.set(normalizeHost(host), locality);
  return {
    localityOf: (host) => (host === undefined ? undefined : table.get(normalizeHost(host))),
    originOf,
  };
}

/** A host as it is compared: lower case, without port and without the dot that ends a full name. */
export function normalizeHost(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}
