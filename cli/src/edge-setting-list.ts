import { DEFAULT_PROXY_LIMITS } from "@cellway/http/proxy-limits";
import { secret, setting } from "./setting-definition.js";

/** Where a router serves strangers when nothing is said. */
export const DEFAULT_EDGE_LISTEN = "http://127.0.0.1:8100";

/** Where localities are public when nothing is said. */
export const DEFAULT_LOCALITY_URL = "http://{locality}.localhost:8100";

/** What processes at the edge read, and control for its gateway. */
export const EDGE_SETTINGS = [
  setting(
    "CELLWAY_EDGE_NAME",
    "required for --edge",
    "name",
    "The name of a router, whose keys `cellway keys derive --edge` prints; processes that do the same may share it.",
  ),
  setting(
    "CELLWAY_CONTROL_RPC_ADDRESS",
    "required for --edge",
    "http:// origin",
    "Where a router reaches control's RPC listener.",
  ),
  setting(
    "CELLWAY_EDGE_LISTEN",
    DEFAULT_EDGE_LISTEN,
    "http:// origin",
    "Where a router serves strangers; health and metrics are at CELLWAY_HTTP_LISTEN.",
  ),
  setting("CELLWAY_EDGE_LOCALITIES", "required for --edge", "names", "The localities that a router serves: us,de."),
  setting(
    "CELLWAY_EDGE_LOCALITY_URL",
    DEFAULT_LOCALITY_URL,
    "URL with {locality}",
    "Where each locality is public; its host is served, and clients of another locality are sent there.",
  ),
  setting(
    "CELLWAY_EDGE_HOSTS",
    "none",
    "host=locality, …",
    "Further hosts of the localities served: acme.example.com=acme.",
  ),
  setting(
    "CELLWAY_EDGE_LEGACY_HOSTS",
    "none",
    "hosts",
    "Ingest router: hosts of addresses that name no locality; the project key alone says where their events belong.",
  ),
  setting(
    "CELLWAY_EDGE_STATIC_ROUTES",
    "none",
    "/path/=cell, …",
    "Prefixes of paths without an organization, to the cell that serves them.",
  ),
  setting(
    "CELLWAY_EDGE_TRUSTED_PROXIES",
    "none",
    "addresses, CIDR",
    "Proxies before a router whose X-Forwarded-* and Forwarded are believed: 10.0.0.0/8,::1.",
  ),
  setting("CELLWAY_EDGE_ROUTES_FILE", "none", "path", "Where a router keeps its routes for a start without control."),
  setting(
    "CELLWAY_EDGE_HEALTH_CHECK_SECONDS",
    String(DEFAULT_PROXY_LIMITS.healthCheckMs / 1_000),
    "seconds, 0 to 3600",
    "Routers and gateway: longest pause before a cell in use is asked for /healthz; 0 asks none.",
  ),
  setting(
    "CELLWAY_EDGE_IN_FLIGHT_MAX",
    String(DEFAULT_PROXY_LIMITS.inFlightMax),
    "requests, 1 to 100000",
    "Routers and gateway: requests in flight to one cell, streams and WebSockets among them; the next one is 429.",
  ),
  setting(
    "CELLWAY_EDGE_FIRST_BYTE_SECONDS",
    String(DEFAULT_PROXY_LIMITS.firstByteTimeoutMs / 1_000),
    "seconds, 1 to 3600",
    "Routers and gateway: time for a cell to begin its answer, once it has the request; then 504.",
  ),
  setting(
    "CELLWAY_EDGE_IDLE_SECONDS",
    String(DEFAULT_PROXY_LIMITS.idleTimeoutMs / 1_000),
    "seconds, 1 to 86400",
    "Routers and gateway: silence that ends an answer that has begun, a WebSocket, and a call of gRPC.",
  ),
  secret(
    "CELLWAY_EDGE_OPERATOR_TOKEN",
    "none",
    "32 characters or more",
    "Routers, and control for its gateway: who sends it in x-cellway-explain is told, in the same header, why a request goes where it goes.",
  ),
] as const;
