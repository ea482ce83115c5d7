import { z } from "zod";

/** Rows on a page when the caller does not say. */
const PER_PAGE_DEFAULT = 50;
/** The most rows on a page. */
const PER_PAGE_MAX = 100;

/** The query of every list. */
export const pageQuery = z.strictObject({
  per_page: z.coerce.number().int().min(1).max(PER_PAGE_MAX).default(PER_PAGE_DEFAULT),
  /** Where the list goes on, as the Link header of the page before says. */
  cursor: z.string().max(512).default(""),
});

/** What contracts ask for of a page. */
export function toPageRequest(query: z.output<typeof pageQuery>): { pageSize: number; pageToken: string } {
  return { pageSize: query.per_page, pageToken: query.cursor };
}

/** The Link header of a page that is not the last, RFC 8288; relative, so that it is right behind any router. */
export function formatNextLink(url: string, cursor: string): string {
  const [path = "/", search = ""] = url.split("?", 2);
  const query = new URLSearchParams(search);
  query.set("cursor", cursor);
  return `<${path}?${query.toString()}>; rel="next"`;
}
