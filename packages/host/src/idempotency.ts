import type { SiloDatabase } from "@cellway/database";
import type { AnswerMemory } from "@cellway/http";
import { AnswerStore, DROP_INTERVAL_MS, dropExpiredAnswers } from "@cellway/idempotency";
import type { KeyRing } from "@cellway/rpc";
import type { LocalMode } from "@cellway/silo";
import type { Logger } from "@cellway/telemetry";
import { translateDatabaseError } from "./database-errors.js";
import type { ServiceModule } from "./module.js";

/** What answers are sealed with: a key of the silo, for this alone. */
const SECRET_PURPOSE = "idempotency answers";

/** What the sides of a silo remember of requests with an Idempotency-Key. */
export function createAnswerMemory(
  { keys, logger, now }: { keys: KeyRing; logger: Logger; now: () => number },
  databases: ReadonlyMap<LocalMode, SiloDatabase>,
): AnswerMemory {
  const secrets = () => keys.secretsFor(SECRET_PURPOSE);
  const stores = new Map(
    [...databases].map(([localMode, database]) => [localMode, new AnswerStore({ database, secrets, logger, now })]),
  );
  return {
    async begin(localMode, request) {
      const store = stores.get(localMode);
      if (store === undefined) throw new Error(`This silo has no ${localMode.toLowerCase()} tables.`);
      return store.begin(request).catch((error: unknown) => {
        throw translateDatabaseError(error) ?? error;
      });
    },
  };
}

/** For each of these sides what forgets answers after a day. */
export function createIdempotencyModules(sides: Iterable<LocalMode>): ServiceModule[] {
  return [...sides].map((localMode) => ({
    name: "idempotency",
    localMode,
    entities: [],
    // Its migrations are the package's: see migrationSetsOf.
    migrations: new URL("about:blank"),
    contracts: () => [],
    tasks: [
      {
        name: `idempotency.drop-expired-${localMode.toLowerCase()}`,
        localMode,
        intervalMs: DROP_INTERVAL_MS,
        run: ({ database, now }) => dropExpiredAnswers(database, now()),
      },
    ],
    routes: [],
  }));
}
