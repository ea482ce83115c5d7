import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { CellRoute, Route, WatchRoutesResponse } from "@cellway/gen/cellway/directory/v1/route_feed";
import { type RouteOrigin, RouteTable } from "./table/route-table.js";

/** A cell that routes lead to. */
export interface RoutedCell {
  readonly name: string;
  readonly locality: string;
  /** The origin of its RPC listener. */
  readonly address: string;
}

/** What the feed or an answer says of an organization. Of two the one with the greater epoch holds. */
export interface RouteStatement {
  readonly organizationId: string;
  /** Not read in a delete. */
  readonly slug: string;
  /** Not read in a delete. */
  readonly cellName: string;
  /** Up to 2^53. */
  readonly epoch: number;
  readonly isDeleted: boolean;
}

/** What the feed or an answer says of a cell. */
export interface CellStatement extends RoutedCell {
  readonly epoch: number;
  readonly isDeleted: boolean;
}

/** A cell as it is known: routes may name it before anything else is known of it. */
interface CellSlot {
  readonly name: string;
  readonly index: number;
  epoch: number;
  /** Unset while it is not known, and when it is gone. */
  cell: RoutedCell | undefined;
  isSeen: boolean;
}

/** Deletes that are remembered, the newest of them: an older statement that comes late must not undo them. */
const DELETES_MAX = 65_536;
const CELLS_MAX = 65_536;

/**
 * What is known of routes and cells, by statements in any order, each as often as it likes: of two about the same key the
 * newer one holds, deletes too. A snapshot ends with everything gone that it did not name.
 */
export class RouteMemory {
  readonly table = new RouteTable();
  /** Where the feed can be gone on from; empty when only a snapshot would help. */
  cursor = "";
  /** Which feed the epochs are of. */
  feedId = "";
  /** Everything that was committed before is known, by control's clock in milliseconds; undefined before the first. */
  completeUntilMs: number | undefined;
  /** Whether a snapshot was ever completed, here or in the run before that left the disk copy. */
  isComplete = false;
  /** Whether a snapshot is under way: routes that are gone may still be here. */
  isInSnapshot = false;
  /** Grows when something changes. */
  version = 0;
  private readonly cellsByName = new Map<string, CellSlot>();
  private readonly cells: CellSlot[] = [];
  private readonly deletes = new Map<string, number>();

  constructor(
    private readonly options: {
      /** Now, in milliseconds since the epoch. */
      readonly now: () => number;
      /** Told of every organization that is routed from now on. */
      readonly onRouted?: (organizationId: string, slug: string) => void;
    },
  ) {}

  /** Takes over one message of the feed. What it does not know it passes over. */
  apply({ event, cursor }: WatchRoutesResponse): void {
    switch (event.case) {
      case "snapshotBegin":
        this.beginSnapshot(event.value.feedId);
        break;
      case "routes": {
        const { cells, routes, isSnapshot } = event.value;
        for (const cell of cells) this.stateCell(toCellStatement(cell));
        for (const route of routes) {
          const statement = toRouteStatement(route);
          if (statement !== undefined) this.stateRoute(statement, isSnapshot ? "snapshot" : "change");
        }
        break;
      }
      case "snapshotEnd":
        this.endSnapshot(readTime(event.value.completeUntil));
        break;
      case "heartbeat":
        this.completeUntilMs = readTime(event.value.completeUntil) ?? this.completeUntilMs;
        break;
      case undefined:
        break;
    }
    if (cursor !== "") this.cursor = cursor;
  }

  /** From here on everything is told anew. Until the end, what is known stays good. */
  beginSnapshot(feedId: string): void {
    if (feedId !== this.feedId) this.forgetEpochs();
    this.feedId = feedId;
    this.cursor = "";
    this.isInSnapshot = true;
    this.table.clearSeen();
    for (const slot of this.cells) slot.isSeen = false;
  }

  /** Forgets whatever was not told since the beginning. @returns how many organizations that were. */
  endSnapshot(completeUntilMs: number | undefined): number {
    for (const slot of this.cells) if (!slot.isSeen) slot.cell = undefined;
    this.isInSnapshot = false;
    this.isComplete = true;
    this.completeUntilMs = completeUntilMs ?? this.completeUntilMs;
    this.version += 1;
    return this.table.sweepUnseen();
  }

  /** Takes over what is said of an organization, unless something newer is known. */
  stateRoute(statement: RouteStatement, origin: RouteOrigin): void {
    const { organizationId, epoch } = statement;
    const { table } = this;
    const place = table.findId(organizationId);
    const known = place === 0 ? (this.deletes.get(organizationId) ?? -1) : table.epochAt(place);
    if (statement.isDeleted) {
      if (epoch < known) return;
      if (place !== 0) table.remove(place);
      this.rememberDelete(organizationId, epoch);
    } else if (place === 0 ? epoch <= known : epoch < known) {
      if (place !== 0) table.markSeen(place);
      return;
    } else {
      const { slug } = statement;
      const cell = this.slotOf(statement.cellName).index;
      table.set({ id: organizationId, slug, cell, epoch, origin, learnedAtS: Math.floor(this.options.now() / 1_000) });
      if (this.deletes.size > 0) this.deletes.delete(organizationId);
      this.options.onRouted?.(organizationId, slug);
    }
    this.version += 1;
  }

  /** Takes over what is said of a cell, unless something newer is known. */
  stateCell({ name, locality, address, epoch, isDeleted }: CellStatement): void {
    const slot = this.slotOf(name);
    slot.isSeen = true;
    if (epoch < slot.epoch) return;
    slot.epoch = epoch;
    slot.cell = isDeleted ? undefined : { name, locality, address };
    this.version += 1;
  }

  /** The cell that the organization at this place of the table lives in; undefined when nothing is known of the cell. */
  cellAt(place: number): RoutedCell | undefined {
    return this.cells[this.table.cellAt(place)]?.cell;
  }

  /** The name of that cell, be it known or not. */
  cellNameAt(place: number): string {
    return this.cells[this.table.cellAt(place)]?.name ?? "";
  }

  /** A cell by its name. */
  findCell(name: string): RoutedCell | undefined {
    return this.cellsByName.get(name)?.cell;
  }

  /** Every cell that was ever named, in the order of the table's numbers. */
  listCells(): CellStatement[] {
    return this.cells.map(({ name, cell, epoch }) => ({
      name,
      locality: cell?.locality ?? "",
      address: cell?.address ?? "",
      epoch,
      isDeleted: cell === undefined,
    }));
  }

  /** The feed is another one, so that its epochs cannot be compared with those that are known. */
  private forgetEpochs(): void {
    this.deletes.clear();
    this.table.clearEpochs();
    for (const slot of this.cells) slot.epoch = 0;
  }

  private rememberDelete(organizationId: string, epoch: number): void {
    // Taken out first, so that the map stays in the order of the deletes.
    this.deletes.delete(organizationId);
    this.deletes.set(organizationId, epoch);
    if (this.deletes.size <= DELETES_MAX) return;
    for (const oldest of this.deletes.keys()) {
      this.deletes.delete(oldest);
      break;
    }
  }

  private slotOf(name: string): CellSlot {
    let slot = this.cellsByName.get(name);
    if (slot === undefined) {
      if (this.cells.length === CELLS_MAX) throw new RangeError(`There are more than ${CELLS_MAX} cells.`);
      slot = { name, index: this.cells.length, epoch: 0, cell: undefined, isSeen: true };
      this.cells.push(slot);
      this.cellsByName.set(name, slot);
    }
    return slot;
  }
}

function toCellStatement({ name, locality, rpcAddress, epoch, isDeleted }: CellRoute): CellStatement {
  return { name, locality, address: rpcAddress, epoch: Number(epoch), isDeleted };
}

function toRouteStatement({ key, cellName, epoch, isDeleted }: Route): RouteStatement | undefined {
  if (key.case !== "organization") return undefined;
  const { organizationId, slug } = key.value;
  return { organizationId, slug, cellName, epoch: Number(epoch), isDeleted };
}

function readTime(timestamp: Parameters<typeof timestampMs>[0] | undefined): number | undefined {
  return timestamp === undefined ? undefined : timestampMs(timestamp);
}
