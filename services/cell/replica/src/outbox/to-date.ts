import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";

/** A time as it is stored; null where there is none. */
export function toDate(time: Timestamp | undefined): Date | null {
  return time === undefined ? null : timestampDate(time);
}
