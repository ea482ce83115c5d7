import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where a source tree keeps the contracts of releases, from its root. */
const RELEASES_FOLDER = "proto/releases";

/** What buf needs of a commit; whatever of it the commit has. */
export const CONTRACT_INPUTS = ["buf.yaml", "proto", "third_party/proto"];

/** A release of which a process may still run. */
export interface Release {
  /** As in cli/package.json: `0.1.0`. */
  readonly version: string;
  /** The commit that its image was built from: 40 hexadecimal digits. */
  readonly commit: string;
  /** SHA-256 of the image, in hexadecimal digits. */
  readonly sha256: string;
}

/** The folder of releases is not as it should be. The message names the file and the remedy. */
export class ReleasesError extends Error {
  override readonly name = "ReleasesError";
}

const RELEASES_FILE = `${RELEASES_FOLDER}/releases.json`;
const IMAGE = /^(.*)\.binpb$/;
const VERSION = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/;

/** The path of a release's image, from the root. */
export function imageOf(version: string): string {
  return `${RELEASES_FOLDER}/${version}.binpb`;
}

/** The path of what a release uses of its databases, from the root; tools/release-schema.mjs writes it. */
export function schemaFileOf(version: string): string {
  return `${RELEASES_FOLDER}/${version}.schema.json`;
}

/**
 * The releases that a change has to be safe beside, the oldest first. None where the folder is not there.
 *
 * @throws ReleasesError when what is listed and what is there are not the same.
 */
export function readReleases(root: string): Release[] {
  if (!existsSync(join(root, RELEASES_FOLDER))) return [];
  const releases = readList(root);
  const listed = new Set(releases.map(({ version }) => version));
  for (const file of readdirSync(join(root, RELEASES_FOLDER)).sort()) {
    const version = IMAGE.exec(file)?.[1];
    if (version !== undefined && !listed.has(version)) {
      throw new ReleasesError(
        `${imageOf(version)} is not listed in ${RELEASES_FILE}: take both from git, or delete the image and cut the release again.`,
      );
    }
  }
  for (const release of releases) assertImage(root, release);
  return releases;
}

/**
 * Adds a release with the image of its contracts.
 *
 * @throws ReleasesError when there is one of this version, or the version or the commit cannot be one.
 */
export function addRelease(root: string, release: Omit<Release, "sha256">, image: Uint8Array): void {
  const releases = readReleases(root);
  const added = { version: release.version, commit: release.commit, sha256: hash(image) };
  assertRelease(added);
  if (releases.some(({ version }) => version === release.version)) {
    throw new ReleasesError(
      `${release.version} is in ${RELEASES_FILE} already: a release is cut once; raise "version" in cli/package.json for the next.`,
    );
  }
  mkdirSync(join(root, RELEASES_FOLDER), { recursive: true });
  writeFileSync(join(root, imageOf(release.version)), image);
  writeList(root, [...releases, added]);
}

/**
 * Removes a release, its image and its schema: from now on nothing has to be safe beside it.
 *
 * @throws ReleasesError when there is none of this version.
 */
export function removeRelease(root: string, version: string): void {
  const releases = readReleases(root);
  const rest = releases.filter((release) => release.version !== version);
  if (rest.length === releases.length) {
    throw new ReleasesError(
      `${version} is not in ${RELEASES_FILE}, which has ${releases.map((release) => release.version).join(", ") || "no release"}.`,
    );
  }
  // The list first: an image too much is refused with its name, and so is one too few.
  writeList(root, rest);
  rmSync(join(root, imageOf(version)));
  rmSync(join(root, schemaFileOf(version)), { force: true });
}

function readList(root: string): Release[] {
  let list: unknown;
  try {
    list = JSON.parse(readFileSync(join(root, RELEASES_FILE), "utf8"));
  } catch (error) {
    throw new ReleasesError(
      `${RELEASES_FILE} cannot be read (${error instanceof Error ? error.message : String(error)}): take it from git.`,
    );
  }
  if (typeof list !== "object" || list === null || Array.isArray(list))
    throw new ReleasesError(`${RELEASES_FILE} must hold an object of versions: take it from git.`);
  const releases = Object.entries(list as Record<string, Partial<Release> | null>).map(([version, entry]) => ({
    version,
    commit: String(entry?.commit),
    sha256: String(entry?.sha256),
  }));
  releases.forEach(assertRelease);
  return releases.sort(byVersion);
}

function assertRelease({ version, commit, sha256 }: Release): void {
  if (!VERSION.test(version)) throw new ReleasesError(`${RELEASES_FILE}: "${version}" is no version, such as 0.1.0.`);
  if (!/^[0-9a-f]{40}$/.test(commit))
    throw new ReleasesError(`${RELEASES_FILE}: the commit of ${version} must be a full hash, 40 hexadecimal digits.`);
  if (!/^[0-9a-f]{64}$/.test(sha256))
    throw new ReleasesError(`${RELEASES_FILE}: the sha256 of ${version} must be 64 hexadecimal digits.`);
}

function assertImage(root: string, { version, commit, sha256 }: Release): void {
  const file = imageOf(version);
  const remedy = `take it from git, or remove ${version} from ${RELEASES_FILE} and run: cellway release cut --commit ${commit}`;
  if (!existsSync(join(root, file)))
    throw new ReleasesError(`${file} is missing, and ${RELEASES_FILE} lists it: ${remedy}`);
  if (hash(readFileSync(join(root, file))) !== sha256)
    throw new ReleasesError(`${file} is not the image that was cut (its sha256 differs): ${remedy}`);
}

function writeList(root: string, releases: readonly Release[]): void {
  const entries = [...releases].sort(byVersion).map(({ version, commit, sha256 }) => [version, { commit, sha256 }]);
  writeFileSync(join(root, RELEASES_FILE), `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`);
}

function byVersion(a: Release, b: Release): number {
  return a.version.localeCompare(b.version, "en", { numeric: true });
}

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
