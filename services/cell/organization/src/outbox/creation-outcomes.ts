import { OrganizationCreationOutcomeSchema } from "@cellway/gen/cellway/directory/v1/replicas";
import type { ServiceContext } from "@cellway/host";
import { type OutboxReceiver, receiveMessages } from "@cellway/outbox";
import { reasonOf } from "@cellway/rpc";
import { cancelCreation, confirmCreation } from "../creation.js";

/** Confirms or forgets an organization that this cell was asked to create. A request that is gone says nothing. */
export function takeCreationOutcomes(context: ServiceContext): OutboxReceiver {
  return receiveMessages(OrganizationCreationOutcomeSchema, async ({ shardId, content }) => {
    if (content === undefined) return;
    if (!content.isConfirmed) return cancelCreation(context, shardId);
    await confirmCreation(context, shardId).catch((error: unknown) => {
      // It was confirmed long ago, and has been purged since.
      if (reasonOf(error) !== "ORGANIZATION_CREATION_CANCELLED") throw error;
    });
  });
}
