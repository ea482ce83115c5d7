import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import type { ServiceContext } from "@cellway/host";
import { OutboxFlushError } from "@cellway/outbox";
import { currentCall } from "@cellway/rpc";

/** How long a change waits for the directory to know of it before it answers all the same. */
const FLUSH_WAIT_MS = 1_000;
/** The same after one that waited in vain: while control is away, not every call waits for it. */
const FLUSH_WAIT_IN_VAIN_MS = 50;
/** What it leaves of its call's time for the answer. */
const ANSWER_RESERVE_MS = 250;

/** Whose last wait was in vain. */
const waitedInVain = new WeakSet<ServiceContext>();

/**
 * Waits until the directory knows what was committed of the organization, for at most a second and never so long that
 * the call misses its deadline. What is not told now will be later, so that this fails for no reason of the directory's.
 */
export async function tellDirectory(context: ServiceContext, organizationId: string): Promise<void> {
  const leftMs = (currentCall()?.deadlineAtMs ?? Infinity) - Date.now() - ANSWER_RESERVE_MS;
  const timeoutMs = Math.min(waitedInVain.has(context) ? FLUSH_WAIT_IN_VAIN_MS : FLUSH_WAIT_MS, leftMs);
  if (timeoutMs <= 0) return;
  try {
    await context.outbox.flush({ scope: OutboxScope.ORGANIZATION, shardId: organizationId }, { timeoutMs });
    waitedInVain.delete(context);
  } catch (error) {
    if (!(error instanceof OutboxFlushError)) throw error;
    waitedInVain.add(context);
  }
}
