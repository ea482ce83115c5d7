import type { ServiceContext } from "@cellway/host";
import type { PublicRoute } from "@cellway/http";
import { contentRoutes } from "./content.js";
import { integrationRoutes } from "./integrations.js";
import { optionRoutes, projectKeyRoutes } from "./keys-and-options.js";
import { memberRoutes } from "./members.js";
import { organizationRoutes } from "./organization.js";

/** Every public route of an organization. */
export const PUBLIC_ROUTES: readonly PublicRoute<ServiceContext>[] = [
  ...organizationRoutes,
  ...memberRoutes,
  ...contentRoutes,
  ...projectKeyRoutes,
  ...optionRoutes,
  ...integrationRoutes,
];
