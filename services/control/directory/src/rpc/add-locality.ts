import {
  type AddLocalityRequest,
  type DirectoryService,
  LocalityCategory,
} from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import type { EntityManager } from "typeorm";
import { toLocality } from "../convert.js";
import { LocalityRow } from "../entities/locality.js";
import { RemovedLocalityRow } from "../entities/removed-locality.js";
import { createLocalityExistsError } from "../errors.js";
import { assertLocalityNameAllowed } from "../slug-rules.js";
import { listCellNames, lockTopology } from "../store/topology.js";

/** AddLocality. */
export function addLocality(context: ServiceContext): MethodImpl<typeof DirectoryService.method.addLocality> {
  return async (req) => {
    const locality = await context.database.transaction(async (manager) => {
      const row = await addOnce(manager, req);
      return toLocality(row, await listCellNames(manager, row.name));
    });
    return { locality };
  };
}

async function addOnce(manager: EntityManager, req: AddLocalityRequest): Promise<LocalityRow> {
  const { name } = req;
  const displayName = req.displayName === "" ? name : req.displayName;
  const category = req.category === LocalityCategory.SINGLE_TENANT ? "SINGLE_TENANT" : "MULTI_TENANT";
  await lockTopology(manager);
  const known = await manager.findOneBy(LocalityRow, { name });
  if (known !== null) {
    if (known.displayName === displayName && known.category === category) return known;
    throw createLocalityExistsError(name);
  }
  await assertLocalityNameAllowed(manager, name);
  const values = { name, displayName, category, newOrganizationCell: "", source: "OPERATOR" } as const;
  await manager.insert(LocalityRow, values);
  await manager.delete(RemovedLocalityRow, { name });
  return manager.create(LocalityRow, values);
}
