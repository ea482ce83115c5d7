export type { RpcCaller } from "./client/callers.js";
export {
  CIRCUIT_STATE_VALUES,
  type Circuit,
  type CircuitLimits,
  type CircuitState,
  createCircuit,
} from "./client/circuit.js";
export {
  type CallContext,
  currentCall,
  detachFromCall,
  formatViewer,
  parseViewer,
  type Viewer,
  withCallContext,
  withViewer,
} from "./context.js";
export { ContractError, type MethodPolicy, methodPolicyOf, type ServicePolicy, servicePolicyOf } from "./contract.js";
export { deprecatedResponseFieldsOf, deprecatedSubjectsOf } from "./deprecations.js";
export {
  createRpcError,
  ERROR_DOMAIN,
  errorMetadataOf,
  isUnsent,
  type RefusalReason,
  type RuntimeReason,
  reasonOf,
} from "./errors.js";
export type { CallExplanation } from "./explain.js";
export {
  type CellPage,
  type CellRequest,
  type FanOutFailure,
  type FanOutItem,
  type FanOutOptions,
  type FanOutPage,
  fanOut,
} from "./fan-out.js";
export { readUpdateMask } from "./field-mask.js";
export { UNKNOWN_VERSION } from "./headers.js";
export { discardRest } from "./network/discard-rest.js";
export { createHttpNetwork } from "./network/http-network.js";
export { type ConnectionPool, createConnectionPool, type OpenedStream, type PoolLimits } from "./network/http2-pool.js";
export { watchForEnd } from "./network/http2-stream.js";
export { listenAt, toListenOptions } from "./network/listen.js";
export { type CapturedRequest, createMemoryNetwork, type MemoryNetwork } from "./network/memory-network.js";
export type { Network, NetworkListener } from "./network/network.js";
export { sniffProtocol } from "./network/sniff-protocol.js";
export { watchConnection } from "./network/watch-connection.js";
export {
  createPageTokenError,
  cutPage,
  formatKeyToken,
  PAGE_SIZE_DEFAULT,
  PAGE_SIZE_MAX,
  type PageRequest,
  parseKeyToken,
  readPage,
} from "./paging.js";
export type { CellResolver, Destination } from "./resolver.js";
export { createRpcRuntime, type RpcRuntime, type RpcRuntimeOptions } from "./runtime.js";
export { SILO_HEADER } from "./server/interceptors.js";
export type { ReflectionAccess } from "./server/silo-endpoint.js";
export { createMethodSwitch, DEFAULT_LIMITS, type MethodSwitch, type RpcLimits } from "./settings.js";
export {
  createCellKeyRing,
  createMasterKeyRing,
  deriveCellKey,
  deriveEdgeKey,
  formatKeys,
  type KeyRing,
  parseKeys,
  type SigningKey,
} from "./signing/keys.js";
export { mintToken, TOKEN_SCHEME, TOKEN_TTL_MAX_MS, type TokenClaims } from "./signing/token.js";
export { adoptTraceparent } from "./trace.js";
export { createContractValidator } from "./validation.js";
