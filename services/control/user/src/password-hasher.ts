import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";
import { createPasswordChecksBusyError } from "./errors.js";

/** What a hash costs, and how many are made at once. */
export interface PasswordHashing {
  /** log2 of scrypt's N: 15 needs 32 MiB for each hash. */
  readonly costLog2: number;
  /** scrypt's r. */
  readonly blockSize: number;
  /** scrypt's p: the passes, one after the other. */
  readonly passes: number;
  /** Hashes at once. Each holds a thread of libuv's pool of four, which files and host names need too. */
  readonly concurrency: number;
  /** Hashes that wait; one more is refused. */
  readonly waitingMax: number;
  /** For how long one waits, in milliseconds; then it is refused. */
  readonly waitMaxMs: number;
}

/**
 * N = 2^15, r = 8, p = 3: one of the settings that OWASP's Password Storage Cheat Sheet holds for equal to Argon2id with
 * 19 MiB. About 0.16 s of one core and 32 MiB.
 */
export const DEFAULT_PASSWORD_HASHING: PasswordHashing = {
  costLog2: 15,
  blockSize: 8,
  passes: 3,
  concurrency: 2,
  waitingMax: 32,
  waitMaxMs: 5_000,
};

/** Hashes passwords, and checks them against hashes, a few at a time. */
export interface PasswordHasher {
  /** @returns a PHC string. @throws UNAVAILABLE / PASSWORD_CHECKS_BUSY */
  hash(password: string): Promise<string>;
  /**
   * Whether `password` is the one of `stored`. For undefined it is not, after the same work.
   *
   * @returns also whether the hash was made with other parameters than those of now.
   * @throws UNAVAILABLE / PASSWORD_CHECKS_BUSY
   */
  verify(password: string, stored: string | undefined): Promise<{ isRight: boolean; isOutdated: boolean }>;
  /** Hashes that wait now. */
  countWaiting(): number;
}

const SALT_BYTES = 16;
const HASH_BYTES = 32;
const NO_HASH = Buffer.alloc(HASH_BYTES);
const STORED_PATTERN = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]{43})$/;

/** Creates a hasher; one for each silo, so that its bounds hold. */
export function createPasswordHasher(settings: PasswordHashing = DEFAULT_PASSWORD_HASHING): PasswordHasher {
  const queue = createQueue(settings);
  const parameters = `ln=${settings.costLog2},r=${settings.blockSize},p=${settings.passes}`;
  const own = toOptions(settings.costLog2, settings.blockSize, settings.passes);
  return {
    async hash(password) {
      const salt = randomBytes(SALT_BYTES);
      const hash = await queue.run(() => derive(password, salt, own));
      return `$scrypt$${parameters}$${toBase64(salt)}$${toBase64(hash)}`;
    },
    async verify(password, stored) {
      const match = stored === undefined ? null : STORED_PATTERN.exec(stored);
      if (stored !== undefined && match === null) throw new Error("The hash of a password cannot be read.");
      const [, ln = "", r = "", p = "", salt = "", expected = ""] = match ?? [];
      const options = match === null ? own : toOptions(Number(ln), Number(r), Number(p));
      const hash = await queue.run(() => derive(password, Buffer.from(salt, "base64"), options));
      const isEqual = timingSafeEqual(hash, match === null ? NO_HASH : Buffer.from(expected, "base64"));
      return {
        isRight: match !== null && isEqual,
        isOutdated: match !== null && `ln=${ln},r=${r},p=${p}` !== parameters,
      };
    },
    countWaiting: () => queue.countWaiting(),
  };
}

function toOptions(costLog2: number, blockSize: number, passes: number): ScryptOptions {
  const N = 2 ** costLog2;
  return { N, r: blockSize, p: passes, maxmem: 2 * 128 * N * blockSize };
}

/** The same password typed on two keyboards may be two sequences of code points: NFKC makes them one. */
function derive(password: string, salt: Buffer, options: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFKC"), salt, HASH_BYTES, options, (error, hash) =>
      error === null ? resolve(hash) : reject(error),
    );
  });
}

function toBase64(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}

/** First come, first served. */
function createQueue({ concurrency, waitingMax, waitMaxMs }: PasswordHashing) {
  let running = 0;
  const waiting = new Set<() => void>();
  const takeTurn = (): Promise<void> => {
    if (running < concurrency) {
      running += 1;
      return Promise.resolve();
    }
    if (waiting.size >= waitingMax) return Promise.reject(createPasswordChecksBusyError());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(begin);
        reject(createPasswordChecksBusyError());
      }, waitMaxMs);
      const begin = (): void => {
        clearTimeout(timer);
        resolve();
      };
      waiting.add(begin);
    });
  };
  /** Hands the turn on, or gives it back. */
  const endTurn = (): void => {
    const [next] = waiting;
    if (next === undefined) {
      running -= 1;
      return;
    }
    waiting.delete(next);
    next();
  };
  return {
    countWaiting: () => waiting.size,
    async run<T>(work: () => Promise<T>): Promise<T> {
      await takeTurn();
      try {
        return await work();
      } finally {
        endTurn();
      }
    },
  };
}
