// The routes of servers: what is registered, how it stands, starting and stopping it, its log.
import { pageOf, route, z } from 'plugboard';
import type { BoardApi, HostControl, LogLine, Route, ServerStatus } from 'plugboard';
import { demandVersion } from '../preconditions.ts';
import { isoTime, jsonObject, name, pageQuery, pageShape, time, unknown, versionOf } from './shapes.ts';

const count = z.int().min(0);

const serverShape = z
  .strictObject({
    name: z.string(),
    title: z.string().optional(),
    owner: z.string().optional().describe('Id of the only grant that sees it'),
    kind: z.string().describe('`stdio`, `http`, `in-process`, …'),
    plugin: z.string().describe('Id of the plugin that has registered it'),
    isolation: z.string().describe('Who shares a connection: `shared`, `task`, `session`'),
    state: z.enum(['starting', 'ready', 'failed', 'stopped']),
    reason: z.string().optional().describe('Why it failed, and what happens next'),
    era: z.string().optional(),
    protocolVersion: z.string().optional(),
    tools: count,
    quarantined: count.describe('Tools that are held back until their definition is approved'),
    resources: count,
    prompts: count,
    leases: count.describe('Open connections'),
    restarts: count,
  })
  .meta({ id: 'Server' });

const lineShape = z
  .strictObject({
    number: z.int().min(1),
    time,
    level: z.enum(['debug', 'info', 'warn', 'error']),
    scope: z.string().describe('Plugin that has written it, or `core`'),
    message: z.string(),
    fields: jsonObject.optional(),
  })
  .meta({ id: 'LogLine' });

const params = z.strictObject({ name: name.describe('Name of the server') });

/** Lines that one look at the log gives at most. */
const mostLines = 1000;

export function serverRoutes(board: BoardApi, host: HostControl): Route[] {
  const find = (wanted: string): ServerStatus => {
    const server = board.servers().find((each) => each.name === wanted);
    if (server === undefined) throw unknown('server', wanted, '/servers');
    return server;
  };
  const show = (wanted: string) => {
    const body = find(wanted);
    return { body, version: stateOf(body) };
  };

  /** A route that changes a server's state and shows what has become of it. */
  const action = (
    verb: string,
    operation: string,
    summary: string,
    act: (server: string) => Promise<void> | void,
  ): Route =>
    route({
      method: 'POST',
      path: `/servers/:name/${verb}`,
      role: 'operator',
      operation,
      summary,
      params,
      result: serverShape,
      run: async ({ params: { name: wanted }, ifMatch }) => {
        demandVersion(ifMatch, stateOf(find(wanted)));
        await act(wanted);
        return show(wanted);
      },
    });

  return [
    route({
      method: 'GET',
      path: '/servers',
      role: 'viewer',
      operation: 'listServers',
      summary: 'List the servers',
      description: 'Servers that only one grant has are shown with the `owner`, as long as it has an open session.',
      query: z.strictObject({
        ...pageQuery,
        state: serverShape.shape.state.optional().describe('Only servers in this state'),
      }),
      result: pageShape(serverShape),
      run: ({ query }) => {
        const servers = allServers(board).filter(({ state }) => query.state === undefined || state === query.state);
        return { body: pageOf(servers, keyOf, query) };
      },
    }),
    route({
      method: 'GET',
      path: '/servers/:name',
      role: 'viewer',
      operation: 'showServer',
      summary: 'Show a server',
      params,
      result: serverShape,
      run: ({ params: { name: wanted } }) => show(wanted),
    }),
    action('start', 'startServer', 'Start a stopped server', (server) => board.startServer(server)),
    action('stop', 'stopServer', 'Stop a server until it is started again; open calls may end first', (server) =>
      board.stopServer(server),
    ),
    action('restart', 'restartServer', 'Stop a server and start it again', async (server) => {
      await board.stopServer(server);
      board.startServer(server);
    }),
    route({
      method: 'GET',
      path: '/servers/:name/logs',
      role: 'viewer',
      operation: 'showServerLog',
      summary: 'Show what the log says of a server',
      description:
        'Oldest first. Without `after` the newest lines; with `after` those behind the line of that number. The proxy keeps the last 2000 lines of all servers together.',
      params,
      query: z.strictObject({
        limit: pageQuery.limit,
        after: z.coerce.number().int().min(0).optional().describe('Number of the line to go on behind'),
      }),
      result: pageShape(lineShape),
      run: ({ params: { name: wanted }, query: { limit, after } }) => {
        find(wanted);
        const lines = host.log({ server: wanted, after, limit: after === undefined ? limit : mostLines });
        const shown = after === undefined ? lines : lines.slice(0, limit);
        const more = shown.length < lines.length;
        return { body: { items: shown.map(lineOf), next: more ? String(shown.at(-1)?.number) : undefined } };
      },
    }),
  ];
}

/** The common servers, and those of grants that have an open session. */
export function allServers(board: BoardApi): ServerStatus[] {
  const grants = new Set([...board.sessions.values()].map(({ grant }) => grant));
  const own = [...grants].flatMap((grant) => board.servers(grant).filter(({ owner }) => owner === grant.id));
  return [...board.servers(), ...own];
}

/** Sorts common servers before the grants' own. */
function keyOf({ owner, name: own }: ServerStatus): string {
  return owner === undefined ? own : `~${owner}~${own}`;
}

/** What `If-Match` is about: its state, not its counters. */
function stateOf({ name: own, state, restarts }: ServerStatus): string {
  return versionOf([own, state, restarts]);
}

function lineOf({ time: at, ...line }: LogLine) {
  return { ...line, time: isoTime(at) };
}
