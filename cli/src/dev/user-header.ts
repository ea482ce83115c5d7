import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { RpcRuntime } from "@cellway/rpc";
import { MODULES } from "../modules.js";
import { writeSecret } from "./key-files.js";
import type { DemoUser } from "./seed.js";

const PREFIX = "Authorization: Bearer ";

/** Sees to it that there is a file by which `curl -H @FILE` speaks for a user, with a token that holds and allows everything. */
export async function writeUserHeader(
  rpc: Pick<RpcRuntime, "client">,
  user: DemoUser,
  folder: string,
): Promise<DemoUser> {
  const headerFile = join(folder, `${user.email.split("@", 1)[0] ?? user.id}.header`);
  const client = rpc.client(UserService);
  const token = readToken(headerFile);
  if (token !== undefined) {
    const { verified } = await client.verifyApiToken({ token });
    if (verified?.userId === user.id) return { ...user, headerFile };
  }
  const made = await client.createApiToken({ userId: user.id, name: "cellway dev", scopes: listScopes() });
  writeSecret(headerFile, `${PREFIX}${made.token}`);
  return { ...user, headerFile };
}

function readToken(headerFile: string): string | undefined {
  if (!existsSync(headerFile)) return undefined;
  const text = readFileSync(headerFile, "utf8").trim();
  return text.startsWith(PREFIX) ? text.slice(PREFIX.length) : undefined;
}

/** Every scope that a public route asks for. */
function listScopes(): string[] {
  const access = MODULES.flatMap(({ routes }) => routes).map((route) => route.access);
  return [...new Set(access.flatMap((one) => ("scope" in one && one.scope !== undefined ? [one.scope] : [])))];
}
