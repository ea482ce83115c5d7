import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type User, UserSchema } from "@cellway/gen/cellway/user/v1/user";
import type { UserWithEmails } from "./store/user.js";

/** A user as callers see it. */
export function toUser({ user, emails }: UserWithEmails): User {
  return create(UserSchema, {
    id: user.id,
    username: user.username,
    displayName: user.displayName || user.username,
    isActive: user.isActive,
    isStaff: user.isStaff,
    emails: emails.map(({ email, isVerified, isPrimary }) => ({ email, isVerified, isPrimary })),
    avatarUrl: user.avatarUrl,
    createdAt: timestampFromDate(user.createdAt),
  });
}
