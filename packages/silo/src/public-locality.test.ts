import { expect, test } from "@jest/globals";
import { toPublicLocality } from "./public-locality.js";
import { formatTopology, parseTopology } from "./topology.js";

const PATH = "/api/0/organizations/acme/";

/** A locality that everybody may choose, and one of a customer's own. */
function createTopology(urls: { localityUrl?: string; acmeUrl?: string }) {
  return parseTopology(
    {
      ...(urls.localityUrl === undefined ? {} : { locality_url: urls.localityUrl }),
      control: { rpc_address: "http://control.internal:1" },
      cells: ["us1", "acme1"].map((name, at) => ({ name, number: at + 1, rpc_address: `http://${name}.internal:1` })),
      localities: [
        { name: "us", cells: ["us1"] },
        {
          name: "acme",
          category: "single_tenant",
          cells: ["acme1"],
          ...(urls.acmeUrl === undefined ? {} : { url: urls.acmeUrl }),
        },
      ],
    },
    "test",
  );
}

test.each([
  ["a locality of many customers", "us", { localityUrl: "https://{locality}.example.com" }, "https://us.example.com"],
  ["one of `npm start`", "us", { localityUrl: "http://{locality}.localhost:8100" }, "http://us.localhost:8100"],
  ["one that was added since", "fr", { localityUrl: "https://{locality}.example.com" }, "https://fr.example.com"],
  ["one customer's own", "acme", { localityUrl: "https://{locality}.example.com" }, "https://acme.example.com"],
  [
    "one customer's own, with a domain of its own",
    "acme",
    { localityUrl: "https://{locality}.example.com", acmeUrl: "https://cellway.acme.test" },
    "https://cellway.acme.test",
  ],
  ["the only silo there is: relative, so right by whatever name it is called", "us", {}, ""],
])("a path of %s has an address that is right for everybody", (_what, name, urls, origin) => {
  const topology = createTopology(urls);
  const locality = toPublicLocality(topology, name);
  expect([locality.name, locality.origin, locality.toUrl(PATH)]).toEqual([name, origin, origin + PATH]);
  expect(parseTopology(formatTopology(topology), "again")).toEqual(topology);
});

test.each(["", "api/0/", "//evil.test/", "/\\evil.test/", "https://evil.test/"])(
  "%p is no path: it could lead to another host",
  (path) => {
    expect(() => toPublicLocality(createTopology({}), "us").toUrl(path)).toThrow(/begin with one slash/);
  },
);

test.each([
  [{ localityUrl: "https://us.example.com" }, /locality_url.*with \{locality\} in it/],
  [{ localityUrl: "https://{locality}.example.com/x" }, /locality_url/],
  [{ acmeUrl: "ftp://acme.test" }, /localities\[1\]\.url/],
])("%p is refused, and the entry named", (urls, refusal) => {
  expect(() => createTopology(urls)).toThrow(refusal);
});
