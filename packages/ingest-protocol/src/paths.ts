/** What the path of an ingest request says. */
export interface IngestPath {
  /** Digits, without leading zeros. */
  readonly projectId: string;
  /** `envelope`, `store`, or what else a client may send to: without slashes at its end. */
  readonly endpoint: string;
}

/** Where Relays ask for project configurations. */
export const PROJECT_CONFIGS_PATH = "/api/0/relays/projectconfigs/";

const INGEST = /^\/api\/([1-9]\d{0,18})\/([a-z0-9_-]+(?:\/[a-z0-9_-]+)*)\/?$/;

/** Reads `/api/{project_id}/{endpoint}/`; undefined for any other path. The query says nothing. */
export function parseIngestPath(url: string): IngestPath | undefined {
  const match = INGEST.exec(url.split(/[?#]/, 1)[0] ?? "");
  return match === null ? undefined : { projectId: match[1] ?? "", endpoint: match[2] ?? "" };
}

/** Where Relays look whether anybody is there. */
export const LIVE_PATH = "/api/0/relays/live/";

/** Whether a target has this path, with or without the slash at its end. */
export function hasPath(url: string, wanted: string): boolean {
  const path = url.split(/[?#]/, 1)[0] ?? "";
  return path === wanted || `${path}/` === wanted;
}
