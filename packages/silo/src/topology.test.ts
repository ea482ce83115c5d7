import { describe, expect, it } from "@jest/globals";
import { ConfigError } from "./errors.js";
import { formatTopology, parseTopology } from "./topology.js";

interface CellJson {
  name?: unknown;
  number?: unknown;
  rpc_address?: unknown;
  [unknownKey: string]: unknown;
}

interface LocalityJson {
  name?: unknown;
  category?: unknown;
  cells: unknown[];
  new_organization_cell?: unknown;
  [unknownKey: string]: unknown;
}

interface TopologyJson {
  control: { rpc_address?: unknown };
  cells: CellJson[];
  localities: LocalityJson[];
  [unknownKey: string]: unknown;
}

/** A good topology, new for each test: three cells in two localities. */
function createJson() {
  const cells = {
    us1: { name: "us1", number: 1, rpc_address: "http://us1.internal:8011" } as CellJson,
    us2: { name: "us2", number: 2, rpc_address: "http://us2.internal:8021" } as CellJson,
    de1: { name: "de1", number: 3, rpc_address: "http://de1.internal:8031" } as CellJson,
  };
  const us: LocalityJson = {
    name: "us",
    display_name: "United States",
    category: "multi_tenant",
    cells: ["us1", "us2"],
    new_organization_cell: "us2",
  };
  const de: LocalityJson = {
    name: "de",
    display_name: "Germany",
    category: "single_tenant",
    cells: ["de1"],
    new_organization_cell: "de1",
  };
  const json: TopologyJson = {
    control: { rpc_address: "http://control.internal:8001" },
    cells: [cells.us1, cells.us2, cells.de1],
    localities: [us, de],
  };
  return { json, cells, us, de };
}

function parseError(json: unknown): ConfigError {
  try {
    parseTopology(json, "cells.json");
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("the topology was accepted");
}

describe("a good topology", () => {
  it("gives every cell its number, address and the one locality it belongs to", () => {
    const topology = parseTopology(createJson().json, "cells.json");
    expect(topology.controlRpcAddress).toBe("http://control.internal:8001");
    expect([...topology.cells.values()]).toEqual([
      {
        name: "us1",
        number: 1,
        locality: "us",
        rpcAddress: "http://us1.internal:8011",
        httpAddress: "",
        ingestAddress: "",
      },
      {
        name: "us2",
        number: 2,
        locality: "us",
        rpcAddress: "http://us2.internal:8021",
        httpAddress: "",
        ingestAddress: "",
      },
      {
        name: "de1",
        number: 3,
        locality: "de",
        rpcAddress: "http://de1.internal:8031",
        httpAddress: "",
        ingestAddress: "",
      },
    ]);
  });

  it("gives every locality its cells and the cell for new organizations", () => {
    const topology = parseTopology(createJson().json, "cells.json");
    expect([...topology.localities.values()]).toEqual([
      {
        name: "us",
        displayName: "United States",
        category: "MULTI_TENANT",
        cells: ["us1", "us2"],
        newOrganizationCell: "us2",
        url: "",
      },
      {
        name: "de",
        displayName: "Germany",
        category: "SINGLE_TENANT",
        cells: ["de1"],
        newOrganizationCell: "de1",
        url: "",
      },
    ]);
  });

  it("places new organizations over all cells of a locality that names none for them", () => {
    const { json, us } = createJson();
    delete us.new_organization_cell;
    const topology = parseTopology(json, "cells.json");
    expect(topology.localities.get("us")?.newOrganizationCell).toBe("");
    expect(parseTopology(formatTopology(topology), "again")).toEqual(topology);
  });

  it("survives being written and read again", () => {
    const topology = parseTopology(createJson().json, "cells.json");
    const text = JSON.stringify(formatTopology(topology));
    expect(parseTopology(JSON.parse(text), "again")).toEqual(topology);
  });

  it("calls a locality by its name and lets everybody in when the file does not say", () => {
    const { json, us } = createJson();
    delete us["display_name"];
    delete us.category;
    expect(parseTopology(json, "cells.json").localities.get("us")).toMatchObject({
      displayName: "us",
      category: "MULTI_TENANT",
    });
  });

  it("may still call its cells `regions`", () => {
    const { json } = createJson();
    const { cells, ...rest } = json;
    const seen: string[] = [];
    const old = parseTopology({ ...rest, regions: cells }, "old.json", (name) => void seen.push(name));
    expect(old).toEqual(parseTopology(json, "cells.json"));
    expect(seen).toEqual(["topology.regions"]);
  });

  it("accepts the least and the greatest cell number", () => {
    const { json, cells } = createJson();
    cells.us1.number = 1;
    cells.us2.number = 1023;
    expect(parseTopology(json, "cells.json").cells.get("us2")?.number).toBe(1023);
  });
});

type Spoil = (parts: ReturnType<typeof createJson>) => void;

/** What is wrong, how to make it so, the entry that the message must name, and the rule that it must state. */
const BAD: readonly (readonly [string, Spoil, string, RegExp])[] = [
  [
    "a cell in two localities",
    ({ de }) => de.cells.push("us1"),
    'localities[1].cells = "us1"',
    /already in locality us; a cell is in exactly one/,
  ],
  [
    "a cell twice in one locality",
    ({ us }) => us.cells.push("us1"),
    'localities[0].cells = "us1"',
    /exactly one locality/,
  ],
  ["a cell in no locality", ({ json }) => json.localities.pop(), 'cells[2].name = "de1"', /is in no locality/],
  [
    "an unknown cell in a locality",
    ({ us }) => us.cells.push("us9"),
    'localities[0].cells = "us9"',
    /not the name of a cell/,
  ],
  [
    "a new-organization cell of another locality",
    ({ us }) => (us.new_organization_cell = "de1"),
    'localities[0].new_organization_cell = "de1"',
    /one of the cells of locality us: us1, us2/,
  ],
  ["two cells of one name", ({ cells }) => (cells.us2.name = "us1"), 'cells[1].name = "us1"', /unique; cells\[0\]/],
  ["two cells of one number", ({ cells }) => (cells.de1.number = 2), "cells[2].number = 2", /unique; cells\[1\]/],
  [
    "two cells at one address",
    ({ cells }) => (cells.us2.rpc_address = cells.us1.rpc_address),
    'cells[1].rpc_address = "http://us1.internal:8011"',
    /unique; cells\[0\]/,
  ],
  ["two localities of one name", ({ de }) => (de.name = "us"), 'localities[1].name = "us"', /unique; localities\[0\]/],
  [
    "a cell at control's address",
    ({ json, cells }) => (cells.de1.rpc_address = json.control.rpc_address),
    'cells[2].rpc_address = "http://control.internal:8001"',
    /control's address/,
  ],
  [
    "a cell called control",
    ({ cells }) => (cells.us1.name = "control"),
    'cells[0].name = "control"',
    /name of a silo that is not a cell/,
  ],
  [
    "a cell called monolith",
    ({ cells }) => (cells.us1.name = "monolith"),
    'cells[0].name = "monolith"',
    /name of a silo that is not a cell/,
  ],
  ["an upper-case name", ({ cells }) => (cells.us1.name = "US1"), 'cells[0].name = "US1"', /lower-case DNS label/],
  [
    "a name of 33 characters",
    ({ cells }) => (cells.us1.name = "a".repeat(33)),
    `cells[0].name = "${"a".repeat(33)}"`,
    /1 to 32 characters/,
  ],
  ["a name that ends in a dash", ({ de }) => (de.name = "de-"), 'localities[1].name = "de-"', /lower-case DNS label/],
  ["an empty name", ({ cells }) => (cells.us1.name = ""), 'cells[0].name = ""', /lower-case DNS label/],
  [
    "an address without a scheme",
    ({ cells }) => (cells.us1.rpc_address = "us1.internal:8011"),
    'cells[0].rpc_address = "us1.internal:8011"',
    /http:\/\/ or https:\/\/ origin/,
  ],
  [
    "an address of another scheme",
    ({ cells }) => (cells.us1.rpc_address = "ftp://us1:21"),
    'cells[0].rpc_address = "ftp://us1:21"',
    /origin/,
  ],
  [
    "an address with a path",
    ({ cells }) => (cells.us1.rpc_address = "http://us1:1/rpc"),
    'cells[0].rpc_address = "http://us1:1/rpc"',
    /without a path/,
  ],
  [
    "an address with a slash at its end",
    ({ json }) => (json.control.rpc_address = "http://c:1/"),
    'control.rpc_address = "http://c:1/"',
    /without a path/,
  ],
  ["no address of control", ({ json }) => delete json.control.rpc_address, "control.rpc_address = (not set)", /string/],
  ["the number 0", ({ cells }) => (cells.us1.number = 0), "cells[0].number = 0", /1 to 1023/],
  ["the number 1024", ({ cells }) => (cells.us1.number = 1024), "cells[0].number = 1024", /1 to 1023/],
  ["half a number", ({ cells }) => (cells.us1.number = 1.5), "cells[0].number = 1.5", /whole number/],
  ["a number in quotes", ({ cells }) => (cells.us1.number = "1"), 'cells[0].number = "1"', /whole number/],
  [
    "an unknown category",
    ({ us }) => (us.category = "shared"),
    'localities[0].category = "shared"',
    /multi_tenant or single_tenant/,
  ],
  ["a locality without cells", ({ de }) => (de.cells = []), "localities[1].cells = []", /at least one cell/],
  ["no cells", ({ json }) => (json.cells = []), "cells = []", /at least one cell/],
  ["no localities", ({ json }) => (json.localities = []), "localities = []", /at least one locality/],
  ["an unknown key", ({ json }) => (json["celsl"] = []), "cells.json", /celsl/],
  ["an unknown key of a cell", ({ cells }) => (cells.de1["adress"] = "x"), "cells[2]", /adress/],
  ["an unknown key of a locality", ({ de }) => (de["celsl"] = []), "localities[1]", /celsl/],
];

describe("a bad topology is refused with its source, the entry and the rule", () => {
  it.each(BAD)("%s", (_what, spoil, entry, rule) => {
    const parts = createJson();
    spoil(parts);
    const { message } = parseError(parts.json);
    expect(message.startsWith("cells.json")).toBe(true);
    expect(message).toContain(entry);
    expect(message).toMatch(rule);
  });

  it.each([[null], [undefined], ["{}"], [[]], [7]])("%j is no topology at all", (json) => {
    expect(parseError(json).message).toMatch(/^cells\.json.*object/);
  });

  it("does not take `regions` beside `cells`", () => {
    const { json } = createJson();
    expect(parseError({ ...json, regions: json.cells }).message).toMatch(/regions/);
  });

  it("shortens a long value, so that the rule stays readable", () => {
    const { json, cells } = createJson();
    cells.us1.name = "x".repeat(10_000);
    expect(parseError(json).message.length).toBeLessThan(300);
  });
});
