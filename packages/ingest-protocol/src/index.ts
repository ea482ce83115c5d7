export { CORS_HEADERS, PREFLIGHT_HEADERS } from "./cors.js";
export { isJsonObject, readJsonObject } from "./json-object.js";
export { hasPath, type IngestPath, LIVE_PATH, PROJECT_CONFIGS_PATH, parseIngestPath } from "./paths.js";
export {
  createProjectConfigsBody,
  PROJECT_CONFIGS_VERSION,
  type ProjectConfigsAnswer,
  type ProjectConfigsRequest,
  readProjectConfigsQuestion,
} from "./project-configs.js";
export {
  ENVELOPE_HEADER_MAX_BYTES,
  explainKeyFault,
  isPublicKey,
  type KeySource,
  type RequestHead,
  readEnvelopeKey,
  readPublicKey,
  type StatedKey,
} from "./public-key.js";
export { BodyError, type BodyLimits, readBody } from "./read-body.js";
export { answerRegistration, REGISTRATION_PATHS } from "./registration.js";
export {
  parseRelayCredentials,
  parseRelayKeys,
  type RelayCredentials,
  type RelayKeys,
  signRelayRequest,
} from "./relay-signature.js";
export { RelayRequestError } from "./signed-body.js";
