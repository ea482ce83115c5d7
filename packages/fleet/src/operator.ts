import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  DeprecatedKind,
  type DeprecatedSubjectSchema,
  type DeprecatedUserSchema,
  type FleetProcessSchema,
  type LostProcessesSchema,
} from "@cellway/gen/cellway/fleet/v1/fleet";
import { createPageTokenError, formatKeyToken, PAGE_SIZE_DEFAULT, parseKeyToken } from "@cellway/rpc";
import type { CallerRow, FleetStore, ProcessRow, SubjectRow } from "./store.js";

/** What operators see of a silo's processes. Works in every process of the silo. */
export interface FleetOperator {
  listProcesses(): Promise<{ processes: MessageInitShape<typeof FleetProcessSchema>[] }>;
  listDeprecatedUses(request: { readonly pageSize: number; readonly pageToken: string }): Promise<{
    subjects: MessageInitShape<typeof DeprecatedSubjectSchema>[];
    lost: MessageInitShape<typeof LostProcessesSchema>;
    nextPageToken: string;
  }>;
}

/** Creates what the services for operators answer with. `flush` writes down what this process has counted. */
export function createFleetOperator(store: FleetStore, flush: () => Promise<void>): FleetOperator {
  return {
    listProcesses: async () => ({ processes: (await store.listProcesses()).map(toProcess) }),
    async listDeprecatedUses(request) {
      const after = readToken(request.pageToken);
      const limit = request.pageSize === 0 ? PAGE_SIZE_DEFAULT : request.pageSize;
      // When that fails, nobody is to take the rest for everything.
      await flush();
      const rows = await store.listSubjects(after, limit + 1);
      const subjects = rows.slice(0, limit);
      const last = rows.length > limit ? subjects.at(-1) : undefined;
      const [callers, lost] = await Promise.all([store.listCallers(subjects), store.countLost()]);
      return {
        subjects: subjects.map((row) => toSubject(row, callers)),
        lost: { count: lost.count, ...(lost.last_ms === null ? {} : { lastMs: lost.last_ms }) },
        nextPageToken: last === undefined ? "" : formatKeyToken([last.kind, last.subject]),
      };
    },
  };
}

function toProcess(row: ProcessRow): MessageInitShape<typeof FleetProcessSchema> {
  const { id, silo, host, pid, version, contract } = row;
  return { id, silo, host, pid, version, contract, runningMs: row.running_ms, silentMs: row.silent_ms };
}

function toSubject(row: SubjectRow, callers: readonly CallerRow[]): MessageInitShape<typeof DeprecatedSubjectSchema> {
  const own = callers.filter(({ kind, subject }) => kind === row.kind && subject === row.subject);
  return {
    kind: DeprecatedKind[row.kind],
    subject: row.subject,
    ...(row.counted_ms === null ? {} : { countedMs: row.counted_ms }),
    uncountedBy: [...row.uncounted_by],
    ...(row.last_used_ms === null ? {} : { lastUsedMs: row.last_used_ms }),
    useCount: row.use_count,
    callerCount: row.callers,
    users: own.map(toUser),
  };
}

function toUser(row: CallerRow): MessageInitShape<typeof DeprecatedUserSchema> {
  return {
    caller: row.caller,
    service: row.caller_service,
    version: row.caller_version,
    firstUsedMs: row.first_used_ms,
    lastUsedMs: row.last_used_ms,
    useCount: row.use_count,
  };
}

/** @throws INVALID_ARGUMENT / INVALID_FIELD. */
function readToken(token: string): [kind: string, subject: string] {
  if (token === "") return ["", ""];
  const [kind, subject] = parseKeyToken(token) ?? [];
  if (kind === undefined || subject === undefined) throw createPageTokenError();
  return [kind, subject];
}
