import { describe, expect, it } from "@jest/globals";
import { createMethodSwitch, DEFAULT_LIMITS } from "./settings.js";

describe("the method switch", () => {
  it("leaves everything on when nothing is said", () => {
    const methodSwitch = createMethodSwitch();
    expect(methodSwitch.isDisabled("organization.GetOrganization")).toBe(false);
    expect(methodSwitch.isDisabled("")).toBe(false);
  });

  it.each([
    ["organization.GetOrganization", "organization.GetOrganization", true],
    ["organization.GetOrganization", "organization.GetOrganizationBySlug", false],
    ["organization.GetOrganization", "user.GetOrganization", false],
    ["organization.*", "organization.GetOrganization", true],
    ["organization.*", "organization.CreateOrganization", true],
    ["organization.*", "organizations.GetOrganization", false],
    ["organization.*", "user.GetUser", false],
    ["organization.Get*", "organization.GetOrganization", false],
    ["*", "organization.GetOrganization", false],
  ])("with %s off, %s is off: %j", (pattern, method, isOff) => {
    expect(createMethodSwitch([pattern]).isDisabled(method)).toBe(isOff);
  });

  it("follows a new list at once, and only that", () => {
    const methodSwitch = createMethodSwitch(["user.GetUser"]);
    methodSwitch.replace(["organization.*"]);
    expect(methodSwitch.isDisabled("user.GetUser")).toBe(false);
    expect(methodSwitch.isDisabled("organization.GetOrganization")).toBe(true);
    methodSwitch.replace([]);
    expect(methodSwitch.isDisabled("organization.GetOrganization")).toBe(false);
  });

  it("does not change when the list that it was given does", () => {
    const list = ["user.GetUser"];
    const methodSwitch = createMethodSwitch(list);
    list.push("organization.*");
    expect(methodSwitch.isDisabled("organization.GetOrganization")).toBe(false);
  });
});

describe("the usual limits", () => {
  it("hold a message to 4 MiB and are all positive", () => {
    expect(DEFAULT_LIMITS.messageMaxBytes).toBe(4_194_304);
    for (const [name, value] of Object.entries(DEFAULT_LIMITS)) expect([name, value > 0]).toEqual([name, true]);
  });
});
