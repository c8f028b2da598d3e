// Parameters, query and body against the schemas of a route; what does not fit becomes one problem that names every place.
import { Problem } from 'plugboard';
import type { z } from 'plugboard';

/** Members that a query may have. */
const maxQueryMembers = 100;

/** Wrong places that are shown of one request. */
const maxShown = 20;

/** Where a value came from, and what a wrong one is answered. */
const kinds = {
  path: { status: 400, code: 'path-invalid', words: 'The path does not fit' },
  query: { status: 400, code: 'query-invalid', words: 'The query does not fit' },
  body: { status: 422, code: 'body-invalid', words: 'The body does not fit' },
} as const;

type Kind = keyof typeof kinds;

interface Wrong {
  readonly place: string;
  readonly message: string;
}

/** The value as the schema puts it out. Throws a {@link Problem} with every wrong place. */
export async function fit(kind: Kind, schema: z.ZodType | undefined, value: unknown): Promise<unknown> {
  if (schema === undefined) return refuseAll(kind, value);
  const parsed = await schema.safeParseAsync(value);
  if (parsed.success) return parsed.data;
  if (kind === 'body' && value === undefined)
    throw new Problem(422, 'body-missing', 'This request needs a JSON body; the document of the API describes it.');
  throw problem(
    kind,
    parsed.error.issues.flatMap((issue) => describe(issue as Issue)),
  );
}

/** The members of a query. Throws a {@link Problem} when one stands there twice, or there are too many. */
export function readQuery(url: string): Record<string, string> {
  const at = url.indexOf('?');
  const members = at < 0 ? [] : [...new URLSearchParams(url.slice(at + 1))];
  if (members.length > maxQueryMembers)
    throw new Problem(400, 'query-invalid', `The query has more than ${maxQueryMembers} members.`);
  const seen = new Set<string>();
  for (const [name] of members) {
    if (seen.has(name)) throw problem('query', [{ place: name, message: 'it stands there more than once' }]);
    seen.add(name);
  }
  return Object.fromEntries(members);
}

/** The parameters of a path, decoded. Throws a {@link Problem} when the path is not well encoded. */
export function checkPath(path: string): void {
  try {
    decodeURIComponent(path);
  } catch {
    throw new Problem(400, 'path-invalid', 'The path is not well percent-encoded UTF-8; encode it anew.');
  }
}

/** Without a schema nothing is taken. */
function refuseAll(kind: Kind, value: unknown): unknown {
  const names = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  if (kind === 'body' && value !== undefined)
    throw new Problem(400, 'body-unexpected', 'This request takes no body; send it without one.');
  if (names.length > 0)
    throw problem(
      kind,
      names.map((place) => ({ place, message: 'unknown: nothing is taken here' })),
    );
  return kind === 'body' ? undefined : {};
}

/** The part of zod's issues that is read here. */
interface Issue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
  readonly errors?: readonly (readonly Issue[])[];
}

function describe(issue: Issue, above: readonly PropertyKey[] = []): Wrong[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys')
    return (issue.keys ?? []).map((key) => ({
      place: placeOf([...path, key]),
      message: 'unknown: there is no such member',
    }));
  const [first, ...others] = issue.errors ?? [];
  // Of a union with one sensible branch its own complaints say more than "Invalid input".
  if (issue.code === 'invalid_union' && first !== undefined && others.length === 0)
    return first.flatMap((each) => describe(each, path));
  return [{ place: placeOf(path), message: issue.message }];
}

function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((step) => String(step))
    .join('.')
    .slice(0, 200);
}

function problem(kind: Kind, wrong: readonly Wrong[]): Problem {
  const { status, code, words } = kinds[kind];
  const shown = wrong.slice(0, maxShown);
  const list = shown.map(({ place, message }) => (place === '' ? message : `${place}: ${message}`));
  const more = wrong.length > shown.length ? `; and ${wrong.length - shown.length} more` : '';
  return new Problem(status, code, `${words}: ${list.join('; ')}${more}.`, {
    problems: shown.map((each) => ({ in: kind, ...each })),
  });
}
