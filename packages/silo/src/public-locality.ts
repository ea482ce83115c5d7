import { LOCALITY_PLACEHOLDER, type Topology } from "./topology.js";

/** A locality as its users reach it. */
export interface PublicLocality {
  /** `us`. */
  readonly name: string;
  /** The origin at which it is public: `https://us.example.com`. Empty where nobody has said it. */
  readonly origin: string;
  /**
   * Where a path of it is public: `/api/0/organizations/acme/`. Relative where no origin is known, as in a silo that is all there is:
   * then it is right for whoever asks this silo, by whatever name.
   *
   * @throws TypeError for a path that does not begin with one slash: it could lead to another host.
   */
  toUrl(path: string): string;
}

/** A locality of a topology, also one that the file does not name: it may have been added since. */
export function toPublicLocality({ localityUrl, localities }: Topology, name: string): PublicLocality {
  const origin = localities.get(name)?.url || localityUrl.replaceAll(LOCALITY_PLACEHOLDER, name);
  return {
    name,
    origin,
    toUrl(path) {
      if (!/^\/(?![/\\])/.test(path))
        throw new TypeError(`The path ${JSON.stringify(path)} must begin with one slash.`);
      return origin + path;
    },
  };
}
