import { type Silo, withSiloContext } from "@cellway/silo";
import type { Logger } from "@cellway/telemetry";
import type { ServiceContext, ServiceModule } from "./module.js";
import type { SchemaCheck } from "./readiness.js";

/** After which what a module could not prepare is tried again. */
const PREPARE_PAUSE_MS = 1_000;

/** What the modules of a silo do before it is ready. */
export interface Preparation {
  isDone(): boolean;
  /** Calls back once every module is prepared: now, or later; never once this is stopped. */
  whenDone(callback: () => void): void;
  /** Tries no more, and waits for the try under way. */
  stop(): Promise<void>;
}

type Contexts = ReadonlyMap<ServiceModule, ServiceContext>;

/**
 * Prepares the modules, in order. When one fails while migrations are pending, it and those after it are tried again
 * every second until they succeed.
 *
 * @throws what a module threw when no migration was pending.
 */
export async function prepareModules(
  { silo, logger }: { silo: Silo; logger: Logger },
  contexts: Contexts,
  schema: readonly SchemaCheck[],
): Promise<Preparation> {
  const waiting = [...contexts].filter(([module]) => module.prepare !== undefined);
  // Before the first try: what is applied during it does not make its failure one of its own.
  const pending = waiting.length === 0 ? [] : (await Promise.all(schema.map((check) => check()))).flat();
  const preparation = new RepeatedPreparation(silo, logger, waiting);
  try {
    await preparation.run();
  } catch (error) {
    if (pending.length === 0) throw error;
    logger.warn(
      { migrations_pending: pending },
      "migrations are pending: the silo is not ready until they are applied",
    );
    preparation.repeatAfter(error);
  }
  return preparation;
}

class RepeatedPreparation implements Preparation {
  private readonly callbacks: (() => void)[] = [];
  private isStopped = false;
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  /** For the log: each cause once. */
  private lastFailure: string | undefined;

  constructor(
    private readonly silo: Silo,
    private readonly logger: Logger,
    private readonly waiting: [ServiceModule, ServiceContext][],
  ) {}

  isDone(): boolean {
    return this.waiting.length === 0;
  }

  whenDone(callback: () => void): void {
    this.callbacks.push(callback);
    if (this.isDone()) this.finish();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  async run(): Promise<void> {
    for (let next = this.waiting[0]; next !== undefined && !this.isStopped; next = this.waiting[0]) {
      const [module, context] = next;
      await inSilo(this.silo, module, async () => module.prepare?.(context));
      this.waiting.shift();
    }
  }

  repeatAfter(error: unknown): void {
    if (this.isStopped) return;
    const failure = String(error);
    if (failure !== this.lastFailure) {
      const service = this.waiting[0]?.[0].name;
      this.logger.warn({ service, err: error }, "a service cannot be prepared yet; it is tried again until it can");
    }
    this.lastFailure = failure;
    this.timer = setTimeout(() => {
      this.running = this.run().then(
        () => this.finish(),
        (again: unknown) => this.repeatAfter(again),
      );
    }, PREPARE_PAUSE_MS);
    this.timer.unref();
  }

  private finish(): void {
    if (this.isStopped) return;
    for (const callback of this.callbacks.splice(0)) callback();
  }
}

/** Stops the modules, all at once; waits for at most `graceMs`. Rejects with the first failure. */
export async function stopModules(silo: Silo, contexts: Contexts, graceMs: number): Promise<void> {
  const failures: unknown[] = [];
  const stops = [...contexts].map(([module, context]) =>
    inSilo(silo, module, async () => module.stop?.(context)).catch((error: unknown) => failures.push(error)),
  );
  await waitAtMost(graceMs, Promise.all(stops));
  if (failures.length > 0) throw failures[0];
}

/** Waits for `work`, for at most `ms`. */
export async function waitAtMost(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, timeout]).finally(() => clearTimeout(timer));
}

function inSilo<T>(silo: Silo, module: ServiceModule, work: () => Promise<T>): Promise<T> {
  return withSiloContext({ localMode: module.localMode, siloName: silo.name }, work);
}
