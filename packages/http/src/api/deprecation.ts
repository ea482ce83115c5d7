import type { RouteDeprecation } from "./route.js";

/** RFC 9745 and RFC 8594. The successor is that of this very request: its template is filled with the parameters of the path. */
export function toDeprecationHeaders(
  { since, sunset, successor }: RouteDeprecation,
  params: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    deprecation: `@${Math.floor(Date.parse(since) / 1000)}`,
    sunset: new Date(sunset).toUTCString(),
    ...(successor === undefined ? {} : { link: `<${fillTemplate(successor, params)}>; rel="successor-version"` }),
  };
}

function fillTemplate(template: string, params: Readonly<Record<string, string>>): string {
  return template.replace(/\{([a-z_]+)\}/g, (whole, name: string) => encodeURIComponent(params[name] ?? whole));
}
