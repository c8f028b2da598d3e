// The routes of sessions: who is connected, and ending it.
import { pageOf, route, z } from 'plugboard';
import type { BoardApi, Route, Session } from 'plugboard';
import { demandVersion } from '../preconditions.ts';
import { isoTime, name, pageQuery, pageShape, time, unknown, versionOf } from './shapes.ts';

const sessionShape = z
  .strictObject({
    id: z.string(),
    grant: z.string().describe('Id of the grant in whose name it works'),
    era: z.enum(['old', 'new']).describe('`new`: it stands for all requests of the grant on this transport'),
    transport: z.string().describe('Id of the plugin that serves it'),
    server: z.string().optional().describe('The one server of its endpoint; not there: all'),
    protocolVersion: z.string(),
    client: z
      .strictObject({ name: z.string(), version: z.string() })
      .optional()
      .describe('What the client calls itself'),
    startedAt: time,
  })
  .meta({ id: 'Session' });

const params = z.strictObject({ id: name.describe('Id of the session') });

export function sessionRoutes(board: BoardApi): Route[] {
  const find = (id: string): Session => {
    const session = board.sessions.get(id);
    if (session === undefined) throw unknown('session', id, '/sessions');
    return session;
  };
  return [
    route({
      method: 'GET',
      path: '/sessions',
      role: 'viewer',
      operation: 'listSessions',
      summary: 'List the open sessions',
      query: z.strictObject({ ...pageQuery, grant: name.optional().describe('Only sessions of this grant') }),
      result: pageShape(sessionShape),
      run: ({ query }) => {
        const sessions = [...board.sessions.values()].filter(
          ({ grant }) => query.grant === undefined || grant.id === query.grant,
        );
        const { items, next } = pageOf(sessions, ({ id }) => id, query);
        return { body: { items: items.map(show), next } };
      },
    }),
    route({
      method: 'GET',
      path: '/sessions/:id',
      role: 'viewer',
      operation: 'showSession',
      summary: 'Show a session',
      params,
      result: sessionShape,
      run: ({ params: { id } }) => {
        const body = show(find(id));
        return { body, version: versionOf(body) };
      },
    }),
    route({
      method: 'DELETE',
      path: '/sessions/:id',
      role: 'operator',
      operation: 'endSession',
      summary: 'End a session',
      description:
        'Open calls are cancelled and its connections are released. The client may open another one; take its token away to keep it out.',
      params,
      run: async ({ params: { id }, actor, ifMatch }) => {
        const session = find(id);
        demandVersion(ifMatch, versionOf(show(session)));
        await board.close(session, `ended by ${actor.name}`);
        return {};
      },
    }),
  ];
}

function show({ id, grant, era, transport, server, protocolVersion, clientInfo, createdAt }: Session) {
  const client =
    clientInfo === undefined ? undefined : { name: textOf(clientInfo.name), version: textOf(clientInfo.version) };
  return { id, grant: grant.id, era, transport, server, protocolVersion, client, startedAt: isoTime(createdAt) };
}

/** Clients are told to send texts. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}
