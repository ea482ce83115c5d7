export { CORS_HEADERS, PREFLIGHT_HEADERS } from "./cors.js";
export { type IngestPath, isProjectConfigsPath, PROJECT_CONFIGS_PATH, parseIngestPath } from "./paths.js";
export {
  createProjectConfigsBody,
  PROJECT_CONFIGS_VERSION,
  type ProjectConfigsAnswer,
  ProjectConfigsError,
  type ProjectConfigsRequest,
  readProjectConfigsQuestion,
} from "./project-configs.js";
export {
  ENVELOPE_HEADER_MAX_BYTES,
  isPublicKey,
  type KeySource,
  parseEnvelopeHeader,
  type RequestHead,
  readEnvelopeKey,
  readPublicKey,
  type StatedKey,
} from "./public-key.js";
export { BodyError, type BodyLimits, readBody } from "./read-body.js";
export {
  parseRelayCredentials,
  parseRelayKeys,
  type RelayCredentials,
  type RelayKeys,
  signRelayRequest,
} from "./relay-signature.js";
