import { parseTopology, type Topology } from "@cellway/silo";

/**
 * The fleet of `npm start`: `us1` and `us2` in locality `us`, `de1` in locality `de`.
 *
 * @param localityUrl - where localities are public; undefined where that is nowhere but at the silo itself.
 */
export function createTestTopology(
  addressOf: (silo: string) => string = (silo) => `http://${silo}.test:1`,
  localityUrl?: string,
): Topology {
  return parseTopology(
    {
      ...(localityUrl !== undefined && { locality_url: localityUrl }),
      control: { rpc_address: addressOf("control") },
      cells: ["us1", "us2", "de1"].map((name, index) => ({ name, number: index + 1, rpc_address: addressOf(name) })),
      localities: [
        { name: "us", display_name: "United States", cells: ["us1", "us2"], new_organization_cell: "us1" },
        { name: "de", display_name: "Germany", cells: ["de1"], new_organization_cell: "de1" },
      ],
    },
    "test topology",
  );
}
