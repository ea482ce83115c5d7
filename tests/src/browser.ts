import { type IncomingHttpHeaders, request } from "node:http";

/** What a browser was answered in the end. */
export interface BrowserAnswer {
  /** Where that came from, after redirects. */
  readonly url: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

interface Cookie {
  readonly value: string;
  readonly domain: string;
  readonly isHostOnly: boolean;
  readonly path: string;
}

const REDIRECTS_MAX = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Asks as a browser does: keeps cookies (RFC 6265) and sends them where they belong, follows redirects, says in `Origin` where a
 * request comes from, and finds every host below `localhost` on this machine.
 */
export class Browser {
  private readonly cookies = new Map<string, Cookie>();

  /** @param always - headers that a page adds to each request. */
  constructor(private readonly always: Readonly<Record<string, string>> = {}) {}

  get(url: string): Promise<BrowserAnswer> {
    return this.ask("GET", url);
  }

  post(url: string, body: unknown): Promise<BrowserAnswer> {
    return this.ask("POST", url, body);
  }

  /** Names of the cookies that would be sent. */
  cookiesFor(url: string): string[] {
    return this.select(new URL(url)).map(([name]) => name);
  }

  private async ask(method: string, text: string, body?: unknown): Promise<BrowserAnswer> {
    let next = { method, url: new URL(text), body };
    for (let redirects = 0; ; redirects += 1) {
      const { status, headers, text: answer } = await this.send(next);
      const location = REDIRECTS.has(status) ? headers.location : undefined;
      if (location === undefined || redirects === REDIRECTS_MAX) {
        const isJson = /json/.test(headers["content-type"] ?? "");
        const parsed = isJson ? (JSON.parse(answer) as Record<string, unknown>) : {};
        return { url: next.url.href, status, headers, body: parsed };
      }
      const isKept = status === 307 || status === 308;
      const url = new URL(location, next.url);
      next = isKept ? { ...next, url } : { method: "GET", url, body: undefined };
    }
  }

  private send({ method, url, body }: { method: string; url: URL; body: unknown }) {
    const cookie = this.select(url).map(([name, { value }]) => `${name}=${value}`);
    const headers = {
      ...this.always,
      host: url.host,
      "user-agent": "a browser of a test",
      ...(cookie.length > 0 && { cookie: cookie.join("; ") }),
      ...(method !== "GET" && { origin: url.origin }),
      ...(body !== undefined && { "content-type": "application/json" }),
    };
    const { port, pathname, search } = url;
    const options = { host: "127.0.0.1", port, path: pathname + search, method, headers, agent: false };
    return new Promise<{ status: number; headers: IncomingHttpHeaders; text: string }>((resolve, reject) => {
      const req = request(options, (res) => {
        let text = "";
        res.on("data", (chunk: Buffer) => {
          text += chunk.toString();
        });
        res.on("error", reject);
        res.on("end", () => {
          for (const line of res.headers["set-cookie"] ?? []) this.keep(line, url);
          resolve({ status: res.statusCode ?? 0, headers: res.headers, text });
        });
      });
      req.on("error", reject);
      req.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  private select({ hostname, pathname }: URL): [string, Cookie][] {
    return [...this.cookies].flatMap(([key, cookie]): [string, Cookie][] => {
      const { domain, isHostOnly, path } = cookie;
      const isHost = hostname === domain || (!isHostOnly && hostname.endsWith(`.${domain}`));
      return isHost && pathname.startsWith(path) ? [[key.split(" ", 1)[0] ?? "", cookie]] : [];
    });
  }

  private keep(line: string, { hostname }: URL): void {
    const [pair = "", ...rest] = line.split(";").map((part) => part.trim());
    const attributes = new Map(rest.map((part) => splitOnce(part.toLowerCase())));
    const [name, value] = splitOnce(pair);
    const domain = attributes.get("domain")?.replace(/^\./, "");
    // One for a host that the answer is not from is refused, and so is one for all there is below a single label.
    if (domain !== undefined && hostname !== domain && !hostname.endsWith(`.${domain}`)) return;
    if (domain?.includes(".") === false && domain !== hostname) return;
    const isHostOnly = domain?.includes(".") !== true;
    const cookie = { value, domain: domain ?? hostname, isHostOnly, path: "/" };
    const key = `${name} ${cookie.domain}`;
    if (Number(attributes.get("max-age") ?? "1") <= 0) this.cookies.delete(key);
    else this.cookies.set(key, cookie);
  }
}

function splitOnce(text: string): [string, string] {
  const at = text.indexOf("=");
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
