import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { type OrganizationKey, type OrganizationPlace, ProblemError, parseOrganizationKey } from "@cellway/http";
import { currentCall, type RpcCaller, withCallContext } from "@cellway/rpc";

/** How long control's word is used again, in milliseconds. */
const WORD_TTL_MS = 2_000;
/** The most of control's words that are kept; the oldest go first. */
const WORDS_MAX = 10_000;
/** The most questions to control at once. What comes beyond them is not asked, whoever sends names by the thousand. */
const QUESTIONS_MAX = 64;
/** In which control must have answered, in milliseconds. */
const QUESTION_TIMEOUT_MS = 1_000;
/** When a router may ask again, in seconds. */
const RETRY_AFTER_S = "1";

/** What a {@link createElsewhereFinder} asks. */
interface FinderParts {
  readonly cellName: string;
  readonly rpc: RpcCaller;
  readonly now: () => number;
}

/** What control said of an organization; no place: there is none of that name. */
interface Word {
  readonly place: OrganizationPlace | undefined;
  readonly untilMs: number;
}

/**
 * Finds the cell of organizations that are not in this one: control is asked, once for all who ask at a time, for at most
 * {@link QUESTION_TIMEOUT_MS}, and its word used again for {@link WORD_TTL_MS} by those whose route is no newer than it.
 */
export function createElsewhereFinder(
  parts: FinderParts,
): (idOrSlug: string, routeEpoch: number) => Promise<OrganizationPlace | undefined> {
  const words = new Map<string, Word>();
  const questions = new Map<string, Promise<OrganizationPlace | undefined>>();

  async function askOnce(name: string, key: OrganizationKey): Promise<OrganizationPlace | undefined> {
    try {
      const place = await asNobody(() => askControl(parts, key));
      words.delete(name);
      words.set(name, { place, untilMs: parts.now() + WORD_TTL_MS });
      if (words.size > WORDS_MAX) words.delete(words.keys().next().value ?? "");
      return place;
    } catch (error) {
      throw createUnknownPlaceProblem(error);
    } finally {
      questions.delete(name);
    }
  }

  function ask(name: string, key: OrganizationKey): Promise<OrganizationPlace | undefined> {
    const underWay = questions.get(name);
    if (underWay !== undefined) return underWay;
    if (questions.size >= QUESTIONS_MAX) throw createUnknownPlaceProblem();
    const question = askOnce(name, key);
    questions.set(name, question);
    return question;
  }

  return async (idOrSlug, routeEpoch) => {
    const key = parseOrganizationKey(idOrSlug);
    if (key === undefined || (await isHere(parts, key))) return undefined;
    const name = `${key.kind}:${key.value}`;
    const word = words.get(name);
    const isUsable = word !== undefined && word.untilMs > parts.now() && !isOlder(word.place, routeEpoch);
    const place = isUsable ? word.place : await ask(name, key);
    // The question was under way before the route changed again.
    if (isOlder(place, routeEpoch)) throw createUnknownPlaceProblem();
    return place?.cellName === parts.cellName ? undefined : place;
  };
}

function isOlder(place: OrganizationPlace | undefined, routeEpoch: number): boolean {
  return place !== undefined && place.epoch < routeEpoch;
}

/** Whether it lives in this cell, in whatever state: then it is not for others to serve. */
async function isHere({ rpc }: FinderParts, key: OrganizationKey): Promise<boolean> {
  const client = rpc.client(OrganizationService);
  const { organization } =
    key.kind === "id"
      ? await client.getOrganization({ organizationId: key.value })
      : await client.getOrganizationBySlug({ slug: key.value });
  return organization !== undefined;
}

/** @throws when control does not answer in time, or is of a release that cannot tell. */
async function askControl(
  { rpc }: FinderParts,
  { kind, value }: OrganizationKey,
): Promise<OrganizationPlace | undefined> {
  const request = { organization: { case: kind === "id" ? ("organizationId" as const) : kind, value } };
  if (!(await rpc.peerSupports(DirectoryService.method.locateOrganization, request))) throw createUnknownPlaceProblem();
  const { location } = await rpc.client(DirectoryService).locateOrganization(request);
  return location === undefined ? undefined : { cellName: location.cellName, epoch: Number(location.routeEpoch) };
}

/** The question is not one asker's alone: it carries no viewer, and does not end with whoever asked first. */
function asNobody<T>(ask: () => Promise<T>): Promise<T> {
  const call = currentCall();
  if (call === undefined) return ask();
  const deadlineAtMs = Math.min(call.deadlineAtMs, Date.now() + QUESTION_TIMEOUT_MS);
  return withCallContext({ ...call, viewer: undefined, signal: undefined, deadlineAtMs }, ask);
}

function createUnknownPlaceProblem(cause?: unknown): ProblemError {
  return new ProblemError(
    503,
    "ORGANIZATION_PLACE_UNKNOWN",
    "The organization is not in this cell, and who has it is not known now; try again in a moment.",
    { headers: { "retry-after": RETRY_AFTER_S }, cause },
  );
}
