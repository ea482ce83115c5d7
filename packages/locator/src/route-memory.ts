import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { CellRoute, Route, WatchRoutesResponse } from "@cellway/gen/cellway/directory/v1/route_feed";
import type { KeyKind, RouteOrigin } from "./table/records.js";
import { RouteTable } from "./table/route-table.js";

/** A cell that routes lead to. */
export interface RoutedCell {
  readonly name: string;
  readonly locality: string;
  /** The origin of its RPC listener. */
  readonly address: string;
  /** The origin of its public HTTP listener; empty while nobody has said it. */
  readonly httpAddress: string;
  /** The origin at which it takes events; empty where that is `httpAddress`. */
  readonly ingestAddress: string;
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

/** What the feed says of another slug of an organization, or of the public key of a project. */
export interface KeyStatement {
  readonly kind: KeyKind;
  readonly value: string;
  /** Whom it leads to. Not read in a delete. */
  readonly organizationId: string;
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
      /** Told of everything else that leads to one from now on. */
      readonly onKeyRouted?: (kind: KeyKind, value: string) => void;
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
        for (const route of routes) this.takeRoute(route, isSnapshot ? "snapshot" : "change");
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
    const { organizationId, slug, epoch } = statement;
    const { table } = this;
    if (!this.accept(statement, table.findId(organizationId), organizationId)) return;
    const cell = this.numberOf(statement.cellName);
    table.set({ id: organizationId, slug, cell, epoch, origin, learnedAtS: this.nowS() });
    this.options.onRouted?.(organizationId, slug);
  }

  /** Takes over what is said of an alias or a project key, unless something newer is known. */
  stateKey(statement: KeyStatement, origin: RouteOrigin): void {
    const { kind, value, organizationId, epoch } = statement;
    const { table } = this;
    if (!this.accept(statement, table.findKey(kind, value), `${kind}:${value}`)) return;
    table.setKey({ kind, value, organizationId, epoch, origin, learnedAtS: this.nowS() });
    this.options.onKeyRouted?.(kind, value);
  }

  /** Takes over what is said of a cell, unless something newer is known. */
  stateCell({ name, locality, address, httpAddress, ingestAddress, epoch, isDeleted }: CellStatement): void {
    const slot = this.slotOf(name);
    slot.isSeen = true;
    if (epoch < slot.epoch) return;
    slot.epoch = epoch;
    slot.cell = isDeleted ? undefined : { name, locality, address, httpAddress, ingestAddress };
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

  /** The number that the table has for a cell, be anything known of it or not. */
  numberOf(cellName: string): number {
    return this.slotOf(cellName).index;
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
      httpAddress: cell?.httpAddress ?? "",
      ingestAddress: cell?.ingestAddress ?? "",
      epoch,
      isDeleted: cell === undefined,
    }));
  }

  private takeRoute({ key, cellName, epoch: epochText, isDeleted }: Route, origin: RouteOrigin): void {
    const epoch = Number(epochText);
    switch (key.case) {
      case "organization":
        this.stateRoute({ ...key.value, cellName, epoch, isDeleted }, origin);
        break;
      case "slugAlias": {
        const { slug: value, organizationId } = key.value;
        this.stateKey({ kind: "alias", value, organizationId, epoch, isDeleted }, origin);
        break;
      }
      case "projectKey": {
        const { publicKey: value, organizationId } = key.value;
        this.stateKey({ kind: "projectKey", value, organizationId, epoch, isDeleted }, origin);
        break;
      }
      case undefined:
        break;
    }
  }

  /**
   * Whether a statement is to be put into the table, where its record is at this place. Carries out a delete that is news.
   */
  private accept(statement: { epoch: number; isDeleted: boolean }, place: number, name: string): boolean {
    const { epoch, isDeleted } = statement;
    const { table, deletes } = this;
    const known = place === 0 ? (deletes.get(name) ?? -1) : table.epochAt(place);
    if (isDeleted) {
      if (epoch < known) return false;
      if (place !== 0) table.remove(place);
      this.rememberDelete(name, epoch);
      this.version += 1;
      return false;
    }
    if (place === 0 ? epoch <= known : epoch < known) {
      if (place !== 0) table.markSeen(place);
      return false;
    }
    if (deletes.size > 0) deletes.delete(name);
    this.version += 1;
    return true;
  }

  /** Now, in seconds since 1970. */
  nowS(): number {
    return Math.floor(this.options.now() / 1_000);
  }

  /** The feed is another one, so that its epochs cannot be compared with those that are known. */
  private forgetEpochs(): void {
    this.deletes.clear();
    this.table.clearEpochs();
    for (const slot of this.cells) slot.epoch = 0;
  }

  private rememberDelete(name: string, epoch: number): void {
    // Taken out first, so that the map stays in the order of the deletes.
    this.deletes.delete(name);
    this.deletes.set(name, epoch);
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

function toCellStatement({ name, locality, rpcAddress, httpAddress, ingestAddress, epoch, isDeleted }: CellRoute) {
  return { name, locality, address: rpcAddress, httpAddress, ingestAddress, epoch: Number(epoch), isDeleted };
}

function readTime(timestamp: Parameters<typeof timestampMs>[0] | undefined): number | undefined {
  return timestamp === undefined ? undefined : timestampMs(timestamp);
}
