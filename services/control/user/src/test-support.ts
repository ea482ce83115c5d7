import type { User, UserService } from "@cellway/gen/cellway/user/v1/user";
import { errorMetadataOf, reasonOf } from "@cellway/rpc";
import type { Client, Code } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";
import { expect } from "@jest/globals";

/** A client of the service under test. */
export type UserClient = Client<typeof UserService>;

/** Expects a call to be refused with this code, reason and, if given, metadata. Answers the error. */
export async function expectRefusal(
  call: Promise<unknown>,
  code: Code,
  reason: string,
  metadata?: Readonly<Record<string, string>>,
): Promise<ConnectError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectError)) throw new Error(`expected ${reason}, got ${String(error)}`);
  expect({ code: error.code, reason: reasonOf(error) }).toEqual({ code, reason });
  if (metadata !== undefined) expect(errorMetadataOf(error)).toMatchObject(metadata);
  return error;
}

let created = 0;

/** A new user of its own, with a username and an address that no other test has. */
export async function createTestUser(
  users: UserClient,
  given: { username?: string; email?: string } = {},
): Promise<User> {
  const username = given.username ?? `somebody-${created++}`;
  const { user } = await users.createUser({ username, email: given.email ?? `${username}@example.com` });
  if (user === undefined) throw new Error("CreateUser answered no user.");
  return user;
}

/** Proves an address of a user, as the user would. */
export async function verifyTestEmail(users: UserClient, userId: string, email: string): Promise<User> {
  const { token } = await users.requestEmailVerification({ userId, email });
  const { user } = await users.verifyEmail({ userId, email, token });
  if (user === undefined) throw new Error("VerifyEmail answered no user.");
  return user;
}
