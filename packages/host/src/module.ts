import type { DescService } from "@bufbuild/protobuf";
import type { EntityClass, SiloDatabase } from "@cellway/database";
import type { HttpGateway, InternalRoute, PublicRoute } from "@cellway/http";
import type { Outbox, OutboxReceiver, OutboxSource } from "@cellway/outbox";
import type { CellResolver, RpcCaller } from "@cellway/rpc";
import type { LocalMode, Silo, Topology } from "@cellway/silo";
import type { Logger, Metrics } from "@cellway/telemetry";
import type { CascadeRule, TombstoneSource } from "@cellway/tombstones";
import type { ServiceImpl } from "@connectrpc/connect";

/** Everything that code of a service may use. */
export interface ServiceContext {
  readonly silo: Silo;
  readonly topology: Topology;
  /** The tables of the service's own side. */
  readonly database: SiloDatabase;
  /** Clients of every service, wherever it runs, and `peerSupports` for what may not be everywhere yet. */
  readonly rpc: RpcCaller;
  /** What this side tells the other: `flush` waits until it has been told, `assertRoom` asks whether too much waits for it. */
  readonly outbox: Pick<Outbox, "flush" | "assertRoom">;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Now, in milliseconds since the epoch. */
  readonly now: () => number;
}

/** A contract with what implements it. */
export interface ServedContract {
  readonly service: DescService;
  readonly implementation: Partial<ServiceImpl<DescService>>;
}

/** Pairs a contract with its implementation; every method must be there. */
export function implementContract<S extends DescService>(service: S, implementation: ServiceImpl<S>): ServedContract {
  return { service, implementation: implementation as Partial<ServiceImpl<DescService>> };
}

/** Work that a silo does by itself, again and again. May run in several processes at once; it must allow for that. */
export interface TaskDefinition {
  /** `organization.purge-deleted`: stable, in logs and metrics. */
  readonly name: string;
  readonly localMode: LocalMode;
  /** Pause between the end of a run and the next; up to a tenth is added at random. */
  readonly intervalMs: number;
  /** One run. A rejection is logged and counted; the next run comes all the same. */
  readonly run: (context: ServiceContext) => Promise<void>;
}

/** One value that says everything a host needs to run a service. */
export interface ServiceModule {
  /** The contract's key: `organization`. */
  readonly name: string;
  readonly localMode: LocalMode;
  /** Its tables; each marked for `localMode`. */
  readonly entities: readonly EntityClass[];
  /** The folder of its SQL migrations; unset for a service without tables. */
  readonly migrations?: URL;
  readonly contracts: (context: ServiceContext) => readonly ServedContract[];
  readonly tasks: readonly TaskDefinition[];
  /** Its public HTTP routes, made by `defineRoute`. */
  readonly routes: readonly PublicRoute<ServiceContext>[];
  /** Its HTTP routes for routers and other machines of the fleet. */
  readonly internalRoutes?: readonly InternalRoute<ServiceContext>[];
  /** Control's gateway only: sends HTTP requests on that no route of this silo is for. Asked for once, closed by the host. */
  readonly createGateway?: (context: ServiceContext) => HttpGateway;
  /** What it tells the other side: replicated tables, messages by hand. */
  readonly sends?: readonly OutboxSource[];
  /** What it takes over from the other side. */
  readonly receives?: (context: ServiceContext) => readonly OutboxReceiver[];
  /** Its tables to which the other side refers, and what here stands for tables there: what is deleted leaves a tombstone. */
  readonly tombstones?: readonly TombstoneSource[];
  /** How its rows go when what they refer to is gone, where they may not just be deleted. */
  readonly cascades?: readonly CascadeRule[];
  /** Control's directory only: how this silo finds the cell of an organization. */
  readonly createResolver?: (context: Omit<ServiceContext, "rpc" | "outbox">) => CellResolver;
  /** Control's directory only: the cells as they are now, name to RPC origin, for `/readyz`. */
  readonly listPeers?: (context: ServiceContext) => Promise<ReadonlyMap<string, string>>;
  /**
   * Before the silo is ready: seeds what configuration says must exist. Must be safe to repeat: while migrations are
   * pending it may fail, and is tried again.
   */
  readonly prepare?: (context: ServiceContext) => Promise<void>;
  /** Once, when the silo begins to stop: ends calls that would go on until their deadline. Must not throw. */
  readonly leave?: (context: ServiceContext) => void;
  /**
   * Once, when the silo stops, after its calls and tasks and before its tables go: ends what runs behind them. Must not
   * take long; it may come before {@link prepare} has succeeded.
   */
  readonly stop?: (context: ServiceContext) => Promise<void>;
}
