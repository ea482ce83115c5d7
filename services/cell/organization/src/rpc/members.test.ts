import { InviteStatus, MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { organizationModule } from "../index.js";
import { cellClient, createOrganizationMaker, failuresOf, outcomeOf } from "../test-support.js";

let fleet: Fleet;
let client: ReturnType<typeof cellClient>;
let makeOrganization: ReturnType<typeof createOrganizationMaker>;

beforeAll(async () => {
  fleet = await startFleet({ modules: [organizationModule], mode: "siloed" });
  client = cellClient(fleet);
  makeOrganization = createOrganizationMaker(fleet);
});

afterAll(async () => {
  await fleet?.stop();
});

async function addUser(organizationId: string, userId: string, role = MemberRole.UNSPECIFIED, teamIds: string[] = []) {
  const { member } = await client.addOrganizationMember({
    member: { organizationId, identity: { case: "userId", value: userId }, role, teamIds },
  });
  return member?.id ?? "";
}

async function invite(organizationId: string, email: string, role = MemberRole.UNSPECIFIED) {
  const { member, inviteToken } = await client.addOrganizationMember({
    member: { organizationId, identity: { case: "email", value: email }, role },
  });
  return { organizationId, memberId: member?.id ?? "", inviteToken };
}

async function ownerOf(organizationId: string, ownerMemberId: string) {
  return (await client.getOrganizationMember({ organizationId, by: { case: "memberId", value: ownerMemberId } }))
    .member;
}

test("a user becomes a member at once, with the default role, teams and inviter, and gets no token", async () => {
  const { id, ownerMemberId, ownerUserId } = await makeOrganization();
  const [teamId = ""] = (await ownerOf(id, ownerMemberId))?.teamIds ?? [];
  const answer = await client.addOrganizationMember({
    member: { organizationId: id, identity: { case: "userId", value: "7" }, teamIds: [teamId], inviterId: ownerUserId },
  });
  expect(answer.inviteToken).toBe("");
  expect(answer.member).toMatchObject({
    userId: "7",
    email: "",
    role: MemberRole.MEMBER,
    inviteStatus: InviteStatus.ACCEPTED,
    teamIds: [teamId],
    inviterId: ownerUserId,
  });
  expect(
    (await client.getOrganizationMember({ organizationId: id, by: { case: "userId", value: "7" } })).member,
  ).toEqual(answer.member);
});

test("the default role of the organization is what a member becomes when nobody says otherwise", async () => {
  const { id } = await makeOrganization();
  await client.updateOrganization({
    organizationId: id,
    updateMask: { paths: ["default_role"] },
    defaultRole: MemberRole.BILLING,
  });
  const memberId = await addUser(id, "7");
  expect(
    (await client.getOrganizationMember({ organizationId: id, by: { case: "memberId", value: memberId } })).member
      ?.role,
  ).toBe(MemberRole.BILLING);
});

test("a user or an email that is there already is refused, an email in whatever case", async () => {
  const { id, ownerUserId } = await makeOrganization();
  await invite(id, "bob@example.com");
  expect(await outcomeOf(addUser(id, ownerUserId))).toBe("AlreadyExists MEMBER_EXISTS");
  expect(await outcomeOf(invite(id, "BOB@example.com"))).toBe("AlreadyExists MEMBER_EXISTS");
  const both = await Promise.all([outcomeOf(addUser(id, "8")), outcomeOf(addUser(id, "8"))]);
  expect(failuresOf(both)).toEqual(["AlreadyExists MEMBER_EXISTS"]);
});

test("a team of another organization is refused, and nobody is added", async () => {
  const one = await makeOrganization();
  const two = await makeOrganization();
  const [foreign = ""] = (await ownerOf(two.id, two.ownerMemberId))?.teamIds ?? [];
  expect(await outcomeOf(addUser(one.id, "7", MemberRole.MEMBER, [foreign]))).toBe("NotFound TEAM_NOT_FOUND");
  expect(
    (await client.getOrganizationMember({ organizationId: one.id, by: { case: "userId", value: "7" } })).member,
  ).toBeUndefined();
});

test("changes of an organization that is not there are refused, reads find nothing", async () => {
  expect(await outcomeOf(addUser("99", "7"))).toBe("NotFound ORGANIZATION_NOT_FOUND");
  expect(await outcomeOf(client.removeOrganizationMember({ organizationId: "99", memberId: "1" }))).toBe(
    "NotFound ORGANIZATION_NOT_FOUND",
  );
  expect(
    (await client.getOrganizationMember({ organizationId: "99", by: { case: "userId", value: "7" } })).member,
  ).toBeUndefined();
  expect((await client.listOrganizationMembers({ organizationId: "99" })).members).toEqual([]);
});

test("an invitation is accepted with its token, by one user, as often as that user likes", async () => {
  const { id } = await makeOrganization();
  const invitation = await invite(id, "Bob@Example.com", MemberRole.ADMIN);
  expect(invitation.inviteToken).toMatch(/^[\w-]{43}$/);
  const { member } = await client.acceptInvite({ ...invitation, userId: "7" });
  expect(member).toMatchObject({
    userId: "7",
    email: "bob@example.com",
    role: MemberRole.ADMIN,
    inviteStatus: InviteStatus.ACCEPTED,
    version: "2",
  });
  expect((await client.acceptInvite({ ...invitation, userId: "7" })).member).toEqual(member);
  expect(await outcomeOf(client.acceptInvite({ ...invitation, userId: "8" }))).toBe(
    "FailedPrecondition INVITE_ACCEPTED",
  );
});

test("without the token an invitation says nothing about itself", async () => {
  const { id, ownerMemberId } = await makeOrganization();
  const invitation = await invite(id, "bob@example.com");
  const wrong = { ...invitation, inviteToken: "x".repeat(43) };
  expect(await outcomeOf(client.acceptInvite({ ...wrong, userId: "7" }))).toBe("PermissionDenied INVITE_TOKEN_INVALID");
  await client.acceptInvite({ ...invitation, userId: "7" });
  expect(await outcomeOf(client.acceptInvite({ ...wrong, userId: "8" }))).toBe("PermissionDenied INVITE_TOKEN_INVALID");
  expect(await outcomeOf(client.acceptInvite({ ...wrong, memberId: ownerMemberId, userId: "8" }))).toBe(
    "PermissionDenied INVITE_TOKEN_INVALID",
  );
  expect(await outcomeOf(client.acceptInvite({ ...wrong, memberId: "1", userId: "8" }))).toBe(
    "NotFound MEMBER_NOT_FOUND",
  );
});

test("the token of an invitation is stored nowhere", async () => {
  const { id } = await makeOrganization();
  const { memberId, inviteToken } = await invite(id, "bob@example.com");
  const [row] = await fleet
    .cell("us1")
    .database("CELL")
    .query("select row_to_json(m)::text as text from cell.organization_member m where id = $1", [memberId]);
  expect(row.text).not.toContain(inviteToken);
  expect(row.text).not.toContain(Buffer.from(inviteToken).toString("hex"));
});

test("a user who is a member cannot accept another invitation of the organization", async () => {
  const { id, ownerUserId } = await makeOrganization();
  const invitation = await invite(id, "bob@example.com");
  expect(await outcomeOf(client.acceptInvite({ ...invitation, userId: ownerUserId }))).toBe(
    "AlreadyExists MEMBER_EXISTS",
  );
});

test("of two users who accept one invitation at once, one becomes the member", async () => {
  const { id } = await makeOrganization();
  const invitation = await invite(id, "bob@example.com");
  const outcomes = await Promise.all(
    ["7", "8"].map((userId) => outcomeOf(client.acceptInvite({ ...invitation, userId }))),
  );
  expect(failuresOf(outcomes)).toEqual(["FailedPrecondition INVITE_ACCEPTED"]);
});

test("the last owner can be neither removed nor demoted; invited owners do not count", async () => {
  const { id, ownerMemberId } = await makeOrganization();
  const invitation = await invite(id, "bob@example.com", MemberRole.OWNER);
  const demote = {
    organizationId: id,
    memberId: ownerMemberId,
    updateMask: { paths: ["role"] },
    role: MemberRole.MEMBER,
  };
  expect(await outcomeOf(client.removeOrganizationMember({ organizationId: id, memberId: ownerMemberId }))).toBe(
    "FailedPrecondition LAST_OWNER",
  );
  expect(await outcomeOf(client.updateOrganizationMember(demote))).toBe("FailedPrecondition LAST_OWNER");
  await client.acceptInvite({ ...invitation, userId: "7" });
  expect((await client.updateOrganizationMember(demote)).member?.role).toBe(MemberRole.MEMBER);
  expect(await outcomeOf(client.removeOrganizationMember({ organizationId: id, memberId: invitation.memberId }))).toBe(
    "FailedPrecondition LAST_OWNER",
  );
});

test("an invited owner can be taken back while there is one owner", async () => {
  const { id } = await makeOrganization();
  const { memberId } = await invite(id, "bob@example.com", MemberRole.OWNER);
  expect(await client.removeOrganizationMember({ organizationId: id, memberId })).toMatchObject({ wasRemoved: true });
});

test("of two owners that go at once, by removal or demotion, one stays", async () => {
  for (let round = 0; round < 5; round += 1) {
    const { id, ownerMemberId } = await makeOrganization();
    const other = await addUser(id, "7", MemberRole.OWNER);
    const outcomes = await Promise.all([
      outcomeOf(client.removeOrganizationMember({ organizationId: id, memberId: ownerMemberId })),
      outcomeOf(
        client.updateOrganizationMember({
          organizationId: id,
          memberId: other,
          updateMask: { paths: ["role"] },
          role: MemberRole.ADMIN,
        }),
      ),
    ]);
    expect(failuresOf(outcomes)).toEqual(["FailedPrecondition LAST_OWNER"]);
    const owners = await client.listOrganizationMembers({ organizationId: id, role: MemberRole.OWNER });
    expect(owners.members).toHaveLength(1);
  }
});

test("removing a member again is fine, and a member of another organization is not touched", async () => {
  const one = await makeOrganization();
  const two = await makeOrganization();
  const memberId = await addUser(one.id, "7");
  expect(await client.removeOrganizationMember({ organizationId: two.id, memberId })).toMatchObject({
    wasRemoved: false,
  });
  expect(await client.removeOrganizationMember({ organizationId: one.id, memberId })).toMatchObject({
    wasRemoved: true,
  });
  expect(await client.removeOrganizationMember({ organizationId: one.id, memberId })).toMatchObject({
    wasRemoved: false,
  });
});

test("an update needs a mask with paths it knows, and what the mask names", async () => {
  const { id, ownerMemberId } = await makeOrganization();
  const key = { organizationId: id, memberId: ownerMemberId };
  const paths = (...names: string[]) => ({ ...key, updateMask: { paths: names } });
  for (const request of [key, paths(), paths("user_id"), paths("role")]) {
    expect(await outcomeOf(client.updateOrganizationMember(request))).toMatch(/^InvalidArgument INVALID_FIELD$/);
  }
  expect(
    await outcomeOf(client.updateOrganizationMember({ ...paths("role"), memberId: "1", role: MemberRole.ADMIN })),
  ).toBe("NotFound MEMBER_NOT_FOUND");
  expect((await client.updateOrganizationMember({ ...paths("role"), role: MemberRole.OWNER })).member?.version).toBe(
    "1",
  );
});

test("a member is found by user, by email in whatever case and by id, and in no other organization", async () => {
  const { id } = await makeOrganization();
  const other = await makeOrganization();
  const invitation = await invite(id, "Bob@Example.com");
  await client.acceptInvite({ ...invitation, userId: "7" });
  const keys = [
    { case: "userId", value: "7" },
    { case: "email", value: "bOB@example.com" },
    { case: "memberId", value: invitation.memberId },
  ] as const;
  for (const by of keys) {
    expect((await client.getOrganizationMember({ organizationId: id, by })).member?.id).toBe(invitation.memberId);
    expect((await client.getOrganizationMember({ organizationId: other.id, by })).member).toBeUndefined();
  }
  expect(await outcomeOf(client.getOrganizationMember({ organizationId: id }))).toMatch(/^InvalidArgument/);
});

test("members are listed by id to the end, each once, filtered by role and team", async () => {
  const { id, ownerMemberId } = await makeOrganization();
  const [teamId = ""] = (await ownerOf(id, ownerMemberId))?.teamIds ?? [];
  for (let user = 1; user <= 6; user += 1)
    await addUser(id, String(user), user % 2 === 0 ? MemberRole.ADMIN : MemberRole.MEMBER, user > 4 ? [teamId] : []);
  const list = async (filter: { role?: MemberRole; teamId?: string }) => {
    const users: (string | undefined)[] = [];
    for (let pageToken: string | undefined = ""; pageToken !== undefined; ) {
      const page: Awaited<ReturnType<typeof client.listOrganizationMembers>> = await client.listOrganizationMembers({
        organizationId: id,
        pageSize: 2,
        pageToken,
        ...filter,
      });
      expect(page.members.length).toBeLessThanOrEqual(2);
      users.push(...page.members.map((member) => member.userId));
      pageToken = page.nextPageToken === "" ? undefined : page.nextPageToken;
    }
    return users.slice(users[0] === "1" ? 0 : 1);
  };
  expect(await list({})).toEqual(["1", "2", "3", "4", "5", "6"]);
  expect(await list({ role: MemberRole.MEMBER })).toEqual(["1", "3", "5"]);
  expect(await list({ teamId })).toEqual(["5", "6"]);
  const admins = await client.listOrganizationMembers({ organizationId: id, role: MemberRole.ADMIN, teamId });
  expect(admins.members.map((member) => [member.userId, member.teamIds])).toEqual([["6", [teamId]]]);
});

test("a page token that no list gave out is refused", async () => {
  const { id } = await makeOrganization();
  expect(await outcomeOf(client.listOrganizationMembers({ organizationId: id, pageToken: "bm90IGEgdG9rZW4" }))).toBe(
    "InvalidArgument INVALID_FIELD",
  );
  expect(await outcomeOf(client.listOrganizationMembers({ organizationId: id, pageSize: 201 }))).toMatch(
    /^InvalidArgument/,
  );
});
