import { timestampDate } from "@bufbuild/protobuf/wkt";
import { nextSnowflake } from "@cellway/database";
import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import type { ProvisionOrganizationRequest } from "@cellway/gen/cellway/directory/v1/directory";
import {
  type CreateOrganizationResponse,
  OrganizationService,
} from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import { detachFromCall, reasonOf } from "@cellway/rpc";
import { Code, ConnectError } from "@connectrpc/connect";
import type { EntityManager } from "typeorm";
import { toStatusName } from "../convert.js";
import {
  createInProgressError,
  createProvisioningFailedError,
  createRequestIdReusedError,
  createSlugTakenError,
} from "../errors.js";
import { controlRoutesOf } from "../feed/control-routes.js";
import { assertSlugAllowed } from "../slug-rules.js";
import { insertMapping, upsertMemberMappings } from "../store/organization-mapping.js";
import {
  deleteCancelled,
  deletePending,
  findAbandonedRequests,
  findCancelling,
  findRequest,
  insertRequest,
  isLeased,
  type LeasedRequest,
  moveOn,
  releaseSlug,
  takeOver,
  withRequestLock,
} from "../store/provision-request.js";
import { type Answer, fingerprintOf, isRefusedByCell, toAnswer } from "./outcome.js";
import { placeOrganization } from "./placement.js";

/** How often one call clears away what earlier attempts left, before it asks to be repeated. */
const ROUNDS_MAX = 3;
/** How long a call waits for the cell to know that its new organization exists. */
const CONFIRM_WAIT_MS = 1_000;
/** How long it waits for the cell to forget one that was given up. */
const CANCEL_WAIT_MS = 3_000;
/** Abandoned requests that one run of the sweep looks at. */
const SWEEP_MAX = 100;

/**
 * Creates organizations in cells, one saga each. Every step is written down before it is taken:
 *
 * 1. the slug is reserved and the request is `pending`;
 * 2. the cell creates the organization, unconfirmed;
 * 3. the mapping is written and the request is `done`: from here on the organization exists.
 *
 * The outbox tells the cell what became of the request (`outbox/creation-outcomes.ts`). A step that fails for sure
 * before 3 releases the slug at once. One whose outcome is unknown releases it too, and leaves the request `cancelling`
 * until the cell has been told: then it has forgotten the organization and refuses a late creation. A worker that died
 * is found by its lease.
 */
export class Provisioner {
  constructor(private readonly context: ServiceContext) {}

  /** See the contract of ProvisionOrganization. */
  async provision(req: ProvisionOrganizationRequest): Promise<Answer> {
    const fingerprint = fingerprintOf(req);
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const step = await this.begin(req, fingerprint);
      if (step.kind === "answered") return step.answer;
      if (step.kind === "work") return this.createAndMap(step.request, req);
      // What an earlier attempt may have left in the cell has to go before a new one starts.
      await this.cancel(step.request);
    }
    throw createInProgressError(req.requestId);
  }

  /** Finishes or undoes what workers that died have left. A cell that does not answer delays no other. */
  async sweep(): Promise<void> {
    const abandoned = await findAbandonedRequests(this.context.database, SWEEP_MAX);
    await Promise.all([...abandoned].map(([cell, requestIds]) => this.sweepCell(cell, requestIds)));
  }

  private async sweepCell(cell: string, requestIds: readonly string[]): Promise<void> {
    const { database, logger } = this.context;
    for (const requestId of requestIds) {
      const request = await withRequestLock(database, requestId, async (manager) => {
        const found = await findRequest(manager, requestId);
        if (found === null || found.state === "done" || (await isLeased(manager, found))) return undefined;
        return takeOver(manager, found);
      });
      try {
        // Left by a version before, which told cells itself; now the outbox does.
        if (request?.state === "mapped") await moveOn(database, request, "mapped", "done");
        else if (request !== undefined) await this.giveUp(request);
      } catch (error) {
        logger.warn({ request_id: requestId, cell, err: error }, "an abandoned provisioning cannot be finished yet");
        // The cell's other requests would wait for the same answer; the next run comes soon.
        return;
      }
    }
  }

  /** Decides, under a lock on the request id, what is to be done. */
  private async begin(req: ProvisionOrganizationRequest, fingerprint: string): Promise<Step> {
    return withRequestLock(this.context.database, req.requestId, async (manager): Promise<Step> => {
      const known = await this.resume(manager, req, fingerprint);
      if (known !== undefined) return known;
      const { requestId, slug, locality } = req;
      await assertSlugAllowed(manager, slug);
      const cell = await placeOrganization(manager, locality, requestId);
      const organizationId = await nextSnowflake(manager, "CONTROL", cell.number);
      const wanted = { requestId, fingerprint, organizationId, slug, locality, cellName: cell.name };
      return { kind: "work", request: await insertRequest(manager, wanted) };
    });
  }

  /** What is to be done about a request that was made before; undefined when it was not. */
  private async resume(
    manager: EntityManager,
    req: ProvisionOrganizationRequest,
    fingerprint: string,
  ): Promise<Step | undefined> {
    const known = await findRequest(manager, req.requestId);
    if (known === null) return undefined;
    if (known.fingerprint !== fingerprint) throw createRequestIdReusedError(req.requestId);
    if (known.state === "done" || known.state === "mapped") return { kind: "answered", answer: toAnswer(known) };
    if (known.state === "cancelling") return { kind: "cancel", request: known };
    if (await isLeased(manager, known)) throw createInProgressError(req.requestId);
    return { kind: "work", request: await takeOver(manager, known) };
  }

  private async createAndMap(request: LeasedRequest, req: ProvisionOrganizationRequest): Promise<Answer> {
    let created: CreateOrganizationResponse;
    try {
      created = await this.create(request, req);
    } catch (error) {
      throw await this.undo(request, error);
    }
    if (!(await this.map(request, created, req.ownerUserId))) throw createInProgressError(request.requestId);
    await controlRoutesOf(this.context).catchUp();
    await this.untilCellKnows(request, CONFIRM_WAIT_MS).catch((error: unknown) => {
      this.context.logger.warn(
        { request_id: request.requestId, err: error },
        "a new organization is not confirmed to its cell yet",
      );
    });
    return toAnswer(request);
  }

  /** Has the cell create the organization, after clearing away what a request that was given up has left there. */
  private async create(request: LeasedRequest, req: ProvisionOrganizationRequest): Promise<CreateOrganizationResponse> {
    const { cellName, organizationId, slug } = request;
    const { name, ownerUserId, ownerEmail } = req;
    const wanted = { cellName, organizationId, slug, name, ownerUserId, ownerEmail };
    const organizations = this.context.rpc.client(OrganizationService);
    try {
      return await organizations.createOrganization(wanted);
    } catch (error) {
      // The slug is reserved for us, so whoever has it in the cell should not be there.
      const leftovers =
        reasonOf(error) === "ORGANIZATION_CONFLICT"
          ? await findCancelling(this.context.database.manager, cellName, slug)
          : [];
      if (leftovers.length === 0) throw error;
      for (const leftover of leftovers) await this.cancel(leftover);
      return organizations.createOrganization(wanted);
    }
  }

  /** Makes the organization exist for everybody. False when another worker has taken the request over. */
  private map(request: LeasedRequest, created: CreateOrganizationResponse, ownerUserId: string): Promise<boolean> {
    const { organization } = created;
    if (organization === undefined) throw new ConnectError("the cell answered without the organization", Code.Internal);
    return this.context.database.transaction(async (manager) => {
      if (!(await moveOn(manager, request, "pending", "done"))) return false;
      await insertMapping(manager, request.cellName, {
        organizationId: request.organizationId,
        slug: request.slug,
        name: organization.name,
        status: toStatusName(organization.status),
        createdAt: organization.createdAt === undefined ? new Date() : timestampDate(organization.createdAt),
        version: "1",
      });
      await upsertMemberMappings(manager, request.organizationId, [
        {
          memberId: created.ownerMemberId,
          userId: ownerUserId,
          role: "OWNER",
          inviteStatus: "ACCEPTED",
          version: "1",
          isRemoved: false,
        },
      ]);
      return true;
    });
  }

  /** @throws OutboxFlushError when the cell has not been told in time what became of the request; it will be. */
  private untilCellKnows({ organizationId }: LeasedRequest, timeoutMs: number): Promise<void> {
    const shard = { scope: OutboxScope.ORGANIZATION, shardId: organizationId };
    return this.context.outbox.flush(shard, { timeoutMs });
  }

  /** Leaves nothing behind, and says what to tell the caller. */
  private async undo(request: LeasedRequest, error: unknown): Promise<ConnectError> {
    if (isRefusedByCell(request, error)) {
      await this.context.database.transaction(async (manager) => {
        if (await deletePending(manager, request)) await releaseSlug(manager, request.organizationId);
      });
    } else if (await this.releaseForCancelling(request)) {
      // The caller has waited long enough; the cell may take its time, and the sweep comes after it.
      void detachFromCall(() => this.cancel(request)).catch(() => undefined);
    }
    if (reasonOf(error) === "ORGANIZATION_CONFLICT") return createSlugTakenError(request.slug, error);
    const known = ConnectError.from(error);
    const isTransient =
      known.code === Code.Unavailable || known.code === Code.DeadlineExceeded || known.code === Code.Canceled;
    return isTransient ? createProvisioningFailedError(request.cellName, error) : known;
  }

  private async giveUp(request: LeasedRequest): Promise<void> {
    if (request.state === "cancelling" || (await this.releaseForCancelling(request))) await this.cancel(request);
  }

  /**
   * Gives the slug up and lets nobody finish the request any more. False when another worker has taken it over: what it
   * made must then not be cancelled.
   */
  private releaseForCancelling(request: LeasedRequest): Promise<boolean> {
    return this.context.database.transaction(async (manager) => {
      if (!(await moveOn(manager, request, "pending", "cancelling"))) return false;
      await releaseSlug(manager, request.organizationId);
      return true;
    });
  }

  /** Waits until the cell has forgotten the organization of a request that is cancelling, then forgets the request. */
  private async cancel(request: LeasedRequest): Promise<void> {
    await this.untilCellKnows(request, CANCEL_WAIT_MS).catch((error: unknown) => {
      throw createProvisioningFailedError(request.cellName, error);
    });
    await deleteCancelled(this.context.database, request);
  }
}

type Step =
  | { readonly kind: "answered"; readonly answer: Answer }
  | { readonly kind: "work" | "cancel"; readonly request: LeasedRequest };
