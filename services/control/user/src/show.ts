import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { User } from "@cellway/gen/cellway/user/v1/user";
import { z } from "zod";

/** A user as public routes show it to itself. */
export const userSchema = z.object({
  id: z.string(),
  username: z.string(),
  display_name: z.string(),
  avatar_url: z.string(),
  emails: z.array(z.object({ email: z.string(), is_verified: z.boolean(), is_primary: z.boolean() })),
  created_at: z.iso.datetime(),
});

/** The answer of {@link userSchema}. */
export function showUser(user: User): z.input<typeof userSchema> {
  const { id, username, displayName, avatarUrl, emails, createdAt } = user;
  return {
    id,
    username,
    display_name: displayName,
    avatar_url: avatarUrl,
    emails: emails.map(({ email, isVerified, isPrimary }) => ({
      email,
      is_verified: isVerified,
      is_primary: isPrimary,
    })),
    created_at: showTime(createdAt) ?? "",
  };
}

/** An ISO date and time; null for none. */
export function showTime(time: Timestamp | undefined): string | null {
  return time === undefined ? null : timestampDate(time).toISOString();
}
