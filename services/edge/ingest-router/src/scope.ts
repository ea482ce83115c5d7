import { createHostTable, type HostRules, type HostTable, normalizeHost } from "@cellway/http";

/** What is served at a host. */
export interface Scope {
  /** Whether what lives in a locality may be sent to here. */
  readonly has: (locality: string) => boolean;
}

/** Which localities are served at which host. */
export interface ScopeRules extends HostRules {
  /** Hosts of addresses that were given out before there were localities: each serves all of `localities`. Default: none. */
  readonly legacyHosts?: readonly string[];
}

/** The hosts that are served. */
export interface Scopes {
  /** Undefined for a host that is not served. */
  of(host: string | undefined): Scope | undefined;
  readonly originOf: HostTable["originOf"];
}

/** Creates the table. At a locality's host only what lives in it is served; at a legacy host the key alone says where it lives. */
export function createScopes(rules: ScopeRules): Scopes {
  const table = createHostTable(rules);
  const legacy = new Set((rules.legacyHosts ?? []).map(normalizeHost));
  const all = new Set(rules.localities);
  const everywhere: Scope = { has: (locality) => all.has(locality) };
  const byLocality = new Map(
    rules.localities.map((own): [string, Scope] => [own, { has: (locality) => locality === own }]),
  );
  return {
    of(host) {
      const locality = table.localityOf(host);
      if (locality !== undefined) return byLocality.get(locality);
      return host !== undefined && legacy.has(normalizeHost(host)) ? everywhere : undefined;
    },
    originOf: (locality) => table.originOf(locality),
  };
}
