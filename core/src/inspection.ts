// How the selectors of a grant stand: which tools each of them means, and whether they can be called now. For people and for preflight.
import type { SelectorReport } from './board-api.ts';
import type { Grant } from './grant.ts';
import type { Tool } from './protocol/messages.ts';
import { nearestNames } from './selectors.ts';
import type { SelectorMeaning } from './selectors.ts';
import type { Server } from './server.ts';
import type { ListingMaker } from './toolset.ts';

/** Tools that a report names, and selectors that get suggestions: each is compared with the whole catalogue. */
const maxNamed = 1000;
const maxSuggested = 20;

/** Reports on the `allow` selectors of a grant, in their order. */
export function inspectGrant(maker: ListingMaker, grant: Grant): SelectorReport[] {
  const servers = new Map(maker.serversOf(grant).map((server) => [server.name, server]));
  const catalogue = new Map(
    [...servers].map(([name, server]) => [name, toolNames(server.catalogueFor(grant.id).tools)]),
  );
  let suggested = 0;
  const nearest = (selector: string): readonly string[] => {
    suggested += 1;
    if (suggested > maxSuggested) return [];
    const names = [...catalogue].flatMap(([server, tools]) => [...tools].map((tool) => ({ server, tool })));
    return nearestNames(selector, [...servers.keys()], names);
  };
  return maker
    .matcher(grant.tools, grant)
    .meanings(catalogue)
    .map((meaning) => reportOn(meaning, { servers, nearest, allows: (s, t) => maker.allows(grant, 'tools', s, t) }));
}

const namesOf = new WeakMap<readonly Tool[], ReadonlySet<string>>();

/** Names of one server's tools; the same set for the same list, for every task is inspected against it. */
function toolNames(tools: readonly Tool[]): ReadonlySet<string> {
  let names = namesOf.get(tools);
  if (names === undefined) namesOf.set(tools, (names = new Set(tools.map(({ name }) => name))));
  return names;
}

/** Selectors of grants that match nothing, each with the nearest names. */
export function selectorWarnings(maker: ListingMaker, servers: readonly Server[], grants: readonly Grant[]): string[] {
  const pending = servers.filter(({ state }) => state !== 'ready').map(({ name }) => name);
  const catalogue = servers.flatMap(({ name, catalogue: { tools } }) =>
    tools.map((tool) => ({ server: name, tool: tool.name })),
  );
  return grants.flatMap((grant) =>
    maker
      .matcher(grant.tools, grant)
      .unmatched(catalogue, pending)
      .map(({ selector, nearest }) => {
        const hint = nearest.length === 0 ? '' : ` (nearest: ${nearest.join(', ')})`;
        return `${grant.id}: selector "${selector}" matches no tool${hint}`;
      }),
  );
}

interface Circumstances {
  readonly servers: ReadonlyMap<string, Server>;
  readonly nearest: (selector: string) => readonly string[];
  readonly allows: (server: string, tool: string) => boolean;
}

function reportOn({ selector, servers: names, names: meant }: SelectorMeaning, about: Circumstances): SelectorReport {
  const servers = names.flatMap((name) => about.servers.get(name) ?? []);
  const allowed = meant.filter(({ server, tool }) => about.allows(server, tool));
  const tools = allowed.slice(0, maxNamed).map(({ server, tool }) => `${server}:${tool}`);
  const report = (
    state: SelectorReport['state'],
    reason?: string,
    nearest: readonly string[] = [],
  ): SelectorReport => ({
    selector,
    state,
    tools,
    reason,
    nearest,
  });
  if (meant.length > 0 && allowed.length === 0) return report('denied', 'everything it stands for is denied');
  const concerned =
    meant.length === 0 ? servers : servers.filter(({ name }) => allowed.some(({ server }) => server === name));
  const failed = concerned.find(({ state }) => state === 'failed' || state === 'stopped');
  if (failed !== undefined)
    return report('failed', `server "${failed.name}" is down: ${failed.reason ?? 'it is stopped'}`);
  const starting = concerned.find(({ state }) => state === 'starting');
  if (starting !== undefined) return report('waiting', `server "${starting.name}" is starting`);
  // A pattern such as `*` may be waiting for servers that nobody has configured yet: only what means nothing at all is a mistake.
  if (meant.length > 0 || selector === '*' || selector === '*:*') return report('ready');
  return report(
    'unmatched',
    servers.length === 0 ? 'no server is meant by it' : 'the server offers no such tool',
    about.nearest(selector),
  );
}
