/**
 * What every answer says to browsers: an SDK on any page may send, and read why it was refused. A public key is no credential
 * of a user, so nothing here depends on the page.
 */
export const CORS_HEADERS: Readonly<Record<string, string>> = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "x-sentry-error, x-sentry-rate-limits, retry-after",
  "cross-origin-resource-policy": "cross-origin",
};

/** The answer to a preflight, besides {@link CORS_HEADERS}: what SDKs send, good for an hour. */
export const PREFLIGHT_HEADERS: Readonly<Record<string, string>> = {
  ...CORS_HEADERS,
  "access-control-allow-methods": "POST",
  "access-control-allow-headers":
    "x-sentry-auth, x-requested-with, x-forwarded-for, origin, referer, accept, content-type, authentication, authorization, content-encoding, transfer-encoding",
  "access-control-max-age": "3600",
};
