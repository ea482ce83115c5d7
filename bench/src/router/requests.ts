import { LARGE_BODY_BYTES } from "./cells.js";
import { cellAt, type Dataset } from "./dataset.js";

/** What is sent and answered: a body of 1 KiB or 1 MiB answered, or one of 1 MiB sent. */
export type Kind = "1 KiB" | "1 MiB" | "1 MiB sent";

/** Requests at hand, so that making them costs nothing while it is measured. */
const REQUESTS = 4_096;
const UPLOADS = 8;

/**
 * Requests about organizations from all over the data set, as a script with a token would send them.
 *
 * @param isWanted whether a cell's organizations are asked for. Default: all.
 */
export function createRequests(
  dataset: Dataset,
  kind: Kind,
  isWanted: (cellName: string) => boolean = () => true,
): readonly Buffer[] {
  const requests: Buffer[] = [];
  const count = kind === "1 MiB sent" ? UPLOADS : REQUESTS;
  for (let step = 0; requests.length < count; step += 1) {
    const index = (step * 7_919) % dataset.slugs.length;
    if (isWanted(cellAt(dataset, index).name)) requests.push(createRequest(dataset.slugs[index] ?? "", kind));
  }
  return requests;
}

function createRequest(slug: string, kind: Kind): Buffer {
  const isUpload = kind === "1 MiB sent";
  const lines = [
    `${isUpload ? "POST" : "GET"} /api/0/organizations/${slug}/${kind === "1 MiB" ? "large" : "projects"}/ HTTP/1.1`,
    "host: us.localhost",
    "user-agent: cellway-bench/1",
    "accept: application/json",
    "accept-encoding: gzip",
    "authorization: Bearer 0123456789abcdef0123456789abcdef0123456789abcdef",
    ...(isUpload ? ["content-type: application/octet-stream", `content-length: ${LARGE_BODY_BYTES}`] : []),
  ];
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
  return isUpload ? Buffer.concat([head, Buffer.alloc(LARGE_BODY_BYTES, "x")]) : head;
}
