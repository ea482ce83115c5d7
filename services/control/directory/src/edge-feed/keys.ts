import { createHmac, timingSafeEqual } from "node:crypto";
import { ConfigError } from "@cellway/silo";

/** Shortest key that is accepted, in characters. */
const KEY_MIN_LENGTH = 32;
const SCHEME = /^Signature synapse0:([0-9a-f]{64})$/;

/** The keys by which readers of the edge feed are known; all of them are accepted. */
export interface EdgeFeedKeys {
  /** Whether there is one. */
  readonly isEmpty: boolean;
  /** Whether an `Authorization` header is a signature of this path by one of the keys. Takes as long for each of them. */
  accepts(header: string | undefined, path: string): boolean;
  /** Replaces all keys: what is not among them is refused from now on. */
  replace(keys: readonly string[]): void;
}

/** Keys that can be replaced while the silo runs. With none, nobody is let in. */
export function createEdgeFeedKeys(initial: readonly string[] = []): EdgeFeedKeys {
  let keys = initial;
  return {
    get isEmpty() {
      return keys.length === 0;
    },
    accepts(header, path) {
      const signature = Buffer.from(SCHEME.exec(header ?? "")?.[1] ?? "", "hex");
      if (signature.length === 0) return false;
      let isAccepted = false;
      for (const key of keys) {
        // The form is `path:body`; the body of a GET is empty.
        const expected = createHmac("sha256", key).update(`${path}:`).digest();
        isAccepted = timingSafeEqual(expected, signature) || isAccepted;
      }
      return isAccepted;
    },
    replace(next) {
      keys = next;
    },
  };
}

/**
 * Reads keys of the edge feed, separated by commas or white space.
 *
 * @throws ConfigError that names the source and the place, never a key.
 */
export function parseEdgeFeedKeys(text: string, source: string): string[] {
  const keys = text.split(/[\s,]+/).filter((key) => key !== "");
  for (const [index, key] of keys.entries()) {
    if (key.length < KEY_MIN_LENGTH || !/^[\x21-\x7e]+$/.test(key)) {
      const rule = `must be ${KEY_MIN_LENGTH} or more printable ASCII characters; make one with: openssl rand -hex 32`;
      throw new ConfigError(source, `[${index}]`, "(hidden)", rule);
    }
  }
  if (keys.length === 0)
    throw new ConfigError(source, "", "", "must hold a key, or not be set: then nobody reads the edge feed");
  return keys;
}
