import { isIP } from "node:net";
import { currentSiloContext, type LocalMode, type SiloContext, withSiloContext } from "@cellway/silo";

/** On whose behalf a call is made. Signed with the call and handed on to nested ones. */
export interface Viewer {
  readonly kind: "user" | "integration" | "system";
  /** The user's id, for `user`. */
  readonly userId?: string;
  /** The API token that authenticated the viewer, if one did. */
  readonly tokenId?: string;
  /** The address that the viewer's request came from, where a gateway has seen it. */
  readonly ipAddress?: string;
}

/** What a call knows while it runs: which side it speaks for, who called, on whose behalf, and how long it has left. */
export interface CallContext extends SiloContext {
  readonly localMode: LocalMode;
  readonly siloName: string;
  /** The silo that called; this silo's own name for a call inside it. */
  readonly caller: string;
  readonly viewer: Viewer | undefined;
  /** When the call must be over, in milliseconds since the epoch. */
  readonly deadlineAtMs: number;
  /** Aborts when the caller has gone; over the network also when the deadline has passed. Unset when nobody gave one. */
  readonly signal: AbortSignal | undefined;
  /** W3C trace context of the call. */
  readonly traceparent: string;
}

/** The call that the running code serves, or undefined outside of any (start-up, tasks, the command line). */
export function currentCall(): CallContext | undefined {
  const context = currentSiloContext();
  return context !== undefined && "deadlineAtMs" in context ? (context as CallContext) : undefined;
}

/** Runs `work`, and everything it awaits, as part of the call. */
export function withCallContext<T>(call: CallContext, work: () => T): T {
  return withSiloContext(call, work);
}

/**
 * Runs `work` for the same side but outside of the current call: it outlives the caller, its deadline and its
 * cancellation. For work that a handler starts and does not await.
 */
export function detachFromCall<T>(work: () => T): T {
  const context = currentSiloContext();
  if (context === undefined) return work();
  return withSiloContext({ localMode: context.localMode, siloName: context.siloName }, work);
}

/** Runs `work` on behalf of `viewer`: calls made inside carry it. Needs a surrounding call. */
export function withViewer<T>(viewer: Viewer, work: () => T): T {
  const call = currentCall();
  if (call === undefined) throw new Error("withViewer needs a call to add the viewer to.");
  const { localMode, siloName, caller, deadlineAtMs, signal, traceparent } = call;
  return withCallContext({ localMode, siloName, caller, viewer, deadlineAtMs, signal, traceparent }, work);
}

/** `kind=user&user_id=7`: the form that crosses the wire. */
export function formatViewer(viewer: Viewer): string {
  const fields = new URLSearchParams({ kind: viewer.kind });
  if (viewer.userId !== undefined) fields.set("user_id", viewer.userId);
  if (viewer.tokenId !== undefined) fields.set("token_id", viewer.tokenId);
  if (viewer.ipAddress !== undefined) fields.set("ip", viewer.ipAddress);
  return fields.toString();
}

/**
 * The viewer that {@link formatViewer} wrote, or undefined when the text is not one. Unknown fields are ignored. A
 * signed call whose viewer cannot be read, such as one of a kind of a later version, is therefore served as a call
 * without a viewer and not refused: an implementation that needs a viewer must refuse a call that has none.
 */
export function parseViewer(text: string): Viewer | undefined {
  const fields = new URLSearchParams(text);
  const kind = fields.get("kind");
  if (kind !== "user" && kind !== "integration" && kind !== "system") return undefined;
  const userId = fields.get("user_id");
  const tokenId = fields.get("token_id");
  const ipAddress = fields.get("ip");
  return {
    kind,
    ...(userId === null ? {} : { userId }),
    ...(tokenId === null ? {} : { tokenId }),
    ...(ipAddress === null || isIP(ipAddress) === 0 ? {} : { ipAddress }),
  };
}

/** A signal that aborts as soon as either does. */
export function joinSignals(own: AbortSignal | undefined, parent: AbortSignal | undefined): AbortSignal | undefined {
  if (own === undefined || parent === undefined || own === parent) return own ?? parent;
  return AbortSignal.any([own, parent]);
}
