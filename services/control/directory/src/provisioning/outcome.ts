import { createHash } from "node:crypto";
import type {
  ProvisionOrganizationRequest,
  ProvisionOrganizationResponse,
} from "@cellway/gen/cellway/directory/v1/directory";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ProvisionRequest } from "../entities/provision-request.js";

/** What a request is answered with, each time the same. */
export type Answer = Pick<ProvisionOrganizationResponse, "organizationId" | "slug" | "cellName" | "locality">;

/** The answer of a request that has come far enough to have one. */
export function toAnswer({ organizationId, slug, cellName, locality }: ProvisionRequest): Answer {
  return { organizationId, slug, cellName, locality };
}

/** What was asked for, but for the request id: the same id with another fingerprint is refused. */
export function fingerprintOf(req: ProvisionOrganizationRequest): string {
  const content = [req.slug, req.name, req.locality, req.ownerUserId, req.ownerEmail.toLowerCase()];
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

/**
 * Whether the cell has answered that it will not create the organization, so that it has nothing of it. Any other
 * failure may have come after the cell did its work, be it on an earlier attempt of the same call; and only the first
 * worker of a request can know, because one before it may have got through.
 */
export function isRefusedByCell(request: Pick<ProvisionRequest, "attempt">, error: unknown): boolean {
  if (request.attempt > 1) return false;
  return [Code.AlreadyExists, Code.InvalidArgument, Code.FailedPrecondition].includes(ConnectError.from(error).code);
}
