import type { DescMethod } from "@bufbuild/protobuf";
import { readFields } from "./protocol.js";

/** `google.api.http`, an extension of google.protobuf.MethodOptions. */
const HTTP_EXTENSION = 72_295_728;

/** Fields of google.api.HttpRule: one path for each verb, a custom one, and more rules of the same kind. */
const PATHS = [2, 3, 4, 5, 6];
const CUSTOM = 8;
const PATH_OF_CUSTOM = 2;
const MORE = 11;

/** The paths of a method's public routes, such as `/v1/organizations/{organization_id}`; none where it has none. */
export function readHttpPaths(method: DescMethod): string[] {
  const unknown = method.proto.options?.$unknown ?? [];
  // An unknown field holds its length and its bytes.
  return unknown
    .filter(({ no }) => no === HTTP_EXTENSION)
    .flatMap(({ data }) => readFields(Uint8Array.of(WIRE_PREFIX, ...data)).get(1) ?? [])
    .flatMap(readRule);
}

const WIRE_PREFIX = (1 << 3) | 2;

function readRule(bytes: Uint8Array): string[] {
  const fields = readFields(bytes);
  const custom = (fields.get(CUSTOM) ?? []).flatMap((rule) => readFields(rule).get(PATH_OF_CUSTOM) ?? []);
  const paths = [...PATHS.flatMap((number) => fields.get(number) ?? []), ...custom];
  return [...paths.map((path) => new TextDecoder().decode(path)), ...(fields.get(MORE) ?? []).flatMap(readRule)];
}
