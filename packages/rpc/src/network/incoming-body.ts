import type { Readable } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import { DeadlineWheel } from "./deadline-wheel.js";
import type { CollectableBody } from "./network.js";

/** Why a body may stop coming. */
export interface BodySource {
  readonly stream: Readable;
  /** Whether the body ended before it was whole. Asked at its end. */
  readonly isCutOff: () => boolean;
  readonly wheel: DeadlineWheel;
  /** How long a whole body may take to arrive. */
  readonly timeoutMs: number;
}

/** What the caller's signal says, and nobody hears. */
export function createGoneError(): ConnectError {
  return new ConnectError("the caller has gone", Code.Canceled);
}

/** The bounds within which a body is taken in whole. */
export interface Intake {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** Asked for every piece, with what it takes in memory: whether there is room for it. */
  readonly takeRoom: (bytes: number) => boolean;
}

/** The whole body, or why it was not taken in. What still arrives of it is dropped. */
export type IntakeResult = Uint8Array | "TOO_LARGE" | "TOO_SLOW" | "NO_ROOM";

interface IncomingBody extends CollectableBody {
  takeIn(intake: Intake): Promise<IntakeResult>;
}

/** What a piece takes beside its bytes: a body may come a byte at a time. */
const PIECE_OVERHEAD_BYTES = 256;

const iterableWheel = new DeadlineWheel();

/** Takes in a whole body, of any kind. @throws CANCELED when it is cut off. */
export function takeInBody(body: AsyncIterable<Uint8Array>, intake: Intake): Promise<IntakeResult> {
  return "takeIn" in body ? (body as IncomingBody).takeIn(intake) : takeInIterable(body, intake);
}

/**
 * The body of a request. One that is cut off fails, in all ways to read it: half a message must never be taken for a
 * whole one.
 */
export function createIncomingBody(source: BodySource): CollectableBody {
  const body: IncomingBody = {
    [Symbol.asyncIterator]: () => iterateBody(source),
    async collect(maxBytes) {
      const result = await takeInStream(source, { maxBytes, timeoutMs: source.timeoutMs, takeRoom: () => true });
      if (result === "TOO_SLOW") throw createGoneError();
      return typeof result === "string" ? undefined : result;
    },
    takeIn: (intake) => takeInStream(source, intake),
  };
  return body;
}

async function* iterateBody({ stream, isCutOff }: BodySource): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
  if (isCutOff()) throw createGoneError();
}

/** The pieces of a body so far, within the bounds of its intake. */
class Pieces {
  private readonly chunks: Uint8Array[] = [];
  private size = 0;

  constructor(private readonly intake: Intake) {}

  /** @returns why no more may be added. */
  add(chunk: Uint8Array): "TOO_LARGE" | "NO_ROOM" | undefined {
    this.size += chunk.byteLength;
    if (this.size > this.intake.maxBytes) return "TOO_LARGE";
    if (!this.intake.takeRoom(chunk.byteLength + PIECE_OVERHEAD_BYTES)) return "NO_ROOM";
    // A small piece must not keep the whole buffer alive that it came in.
    this.chunks.push(chunk.byteLength * 2 < chunk.buffer.byteLength ? Buffer.from(chunk) : chunk);
    return undefined;
  }

  join(): Uint8Array {
    const [first] = this.chunks;
    const whole = this.chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.chunks);
    return new Uint8Array(whole.buffer, whole.byteOffset, whole.byteLength);
  }
}

function takeInStream({ stream, isCutOff, wheel }: BodySource, intake: Intake): Promise<IntakeResult> {
  return new Promise((resolve, reject) => {
    const pieces = new Pieces(intake);
    const waiting = { onDeadline: () => giveUp("TOO_SLOW") };
    const slot = wheel.add(Date.now() + intake.timeoutMs, waiting);
    const settle = () => {
      slot.delete(waiting);
      stream.off("data", onData).off("end", onEnd).off("close", fail);
    };
    const fail = () => {
      settle();
      reject(createGoneError());
    };
    const giveUp = (result: IntakeResult) => {
      settle();
      // What still arrives is read and dropped: the caller may not listen before it has sent everything.
      stream.resume();
      resolve(result);
    };
    const onData = (chunk: Buffer) => {
      const refused = pieces.add(chunk);
      if (refused !== undefined) giveUp(refused);
    };
    const onEnd = () => {
      if (isCutOff()) {
        fail();
        return;
      }
      settle();
      resolve(pieces.join());
    };
    if (stream.destroyed) fail();
    else stream.on("data", onData).on("end", onEnd).on("close", fail);
  });
}

async function takeInIterable(body: AsyncIterable<Uint8Array>, intake: Intake): Promise<IntakeResult> {
  const pieces = new Pieces(intake);
  const iterator = body[Symbol.asyncIterator]();
  const waiting = { onDeadline: () => {} };
  const tooSlow = new Promise<"TOO_SLOW">((resolve) => {
    waiting.onDeadline = () => resolve("TOO_SLOW");
  });
  const slot = iterableWheel.add(Date.now() + intake.timeoutMs, waiting);
  try {
    for (;;) {
      const item = await Promise.race([iterator.next(), tooSlow]);
      if (item !== "TOO_SLOW" && item.done === true) return pieces.join();
      const refused = item === "TOO_SLOW" ? item : pieces.add(item.value);
      if (refused === undefined) continue;
      // Not waited for: a body that is slow is slow to stop, too.
      iterator.return?.().catch(() => {});
      return refused;
    }
  } finally {
    slot.delete(waiting);
  }
}
