// The routes of tools: the catalogue of all servers, and who may call what.
import { setImmediate as turn } from 'node:timers/promises';
import { pageOf, route, z } from 'plugboard';
import type { BoardApi, Grant, JsonObject, Route, ServerStatus, Tool, ToolEntry } from 'plugboard';
import { allServers } from './servers.ts';
import { jsonObject, name, pageQuery, pageShape, unknown } from './shapes.ts';

/** Grants of open sessions that are asked for their toolsets; a proxy may have thousands. */
const maxGrants = 200;

const permissions = z
  .strictObject({
    readOnly: z.boolean().describe('It changes nothing'),
    destructive: z.boolean().describe('It may delete or overwrite'),
    idempotent: z.boolean().describe('Calling it again with the same arguments changes nothing more'),
    openWorld: z.boolean().describe('It reaches beyond its own server'),
    declared: z.boolean().describe('False: the server says nothing of this, and the worst is assumed'),
  })
  .describe('What the server says that the tool does; nobody has checked it')
  .meta({ id: 'ToolPermissions' });

const caller = z.strictObject({
  grant: z.string().describe('Id of the grant'),
  name: z.string().describe('Name under which it sees the tool'),
});

const toolShape = z
  .strictObject({
    server: z.string(),
    tool: z.string().describe('Its name at the server'),
    owner: z.string().optional().describe('Id of the only grant that sees the server'),
    name: z.string().optional().describe('Name that clients see; not there: nobody sees it'),
    title: z.string().optional(),
    description: z.string().optional(),
    inputSchema: jsonObject,
    outputSchema: jsonObject.optional(),
    annotations: jsonObject.optional(),
    permissions,
    callers: z.array(caller).describe('Who may call it: the default grant, configured grants, grants of open sessions'),
    callersComplete: z
      .boolean()
      .describe(`False: more than ${maxGrants} grants have open sessions, and only so many were asked`),
  })
  .meta({ id: 'Tool' });

/** A tool at its server. */
interface Found {
  readonly server: ServerStatus;
  readonly tool: Tool;
}

export function toolRoutes(board: BoardApi): Route[] {
  return [
    route({
      method: 'GET',
      path: '/tools',
      role: 'viewer',
      operation: 'listTools',
      summary: 'List the tools of all servers, with who may call them',
      query: z.strictObject({
        ...pageQuery,
        server: name.optional().describe('Only tools of this server'),
        grant: name.optional().describe('Only tools that this grant may call'),
      }),
      result: pageShape(toolShape),
      run: async ({ query }) => {
        const callers = await Callers.of(board);
        const found = allServers(board)
          .filter((server) => query.server === undefined || server.name === query.server)
          .flatMap((server) => toolsOf(board, server))
          .filter((each) => query.grant === undefined || callers.has(each, query.grant));
        const { items, next } = pageOf(found, keyOf, query);
        return { body: { items: items.map((each) => show(each, callers)), next } };
      },
    }),
    route({
      method: 'GET',
      path: '/tools/:server/:tool',
      role: 'viewer',
      operation: 'showTool',
      summary: 'Show a tool of a server',
      params: z.strictObject({
        server: name.describe('Name of the server'),
        tool: name.describe('Its name at the server'),
      }),
      result: toolShape,
      run: async ({ params }) => {
        const server = board.servers().find((each) => each.name === params.server);
        if (server === undefined) throw unknown('server', params.server, '/servers');
        const found = toolsOf(board, server).find(({ tool }) => tool.name === params.tool);
        if (found === undefined) throw unknown('tool', `${params.server}:${params.tool}`, '/tools');
        return { body: show(found, await Callers.of(board)) };
      },
    }),
  ];
}

function toolsOf(board: BoardApi, server: ServerStatus): Found[] {
  const { owner } = server;
  const grant = owner === undefined ? undefined : grantOf(board, owner);
  return (board.catalogue(server.name, grant)?.tools ?? []).map((tool) => ({ server, tool }));
}

function grantOf(board: BoardApi, id: string): Grant | undefined {
  for (const { grant } of board.sessions.values()) if (grant.id === id) return grant;
  return undefined;
}

function keyOf({ server: { name: server, owner }, tool }: Found): string {
  return keyOfTool(server, tool.name, owner);
}

/** Sorts common tools before the grants' own. Names of servers hold neither `~` nor `:`. */
function keyOfTool(server: string, tool: string, owner: string | undefined): string {
  return `${owner === undefined ? '' : `~${owner}~`}${server}:${tool}`;
}

function show({ server, tool }: Found, callers: Callers) {
  const { title, description, inputSchema, outputSchema, annotations } = tool;
  const who = callers.of({ server, tool });
  return {
    server: server.name,
    tool: tool.name,
    owner: server.owner,
    name: who[0]?.name,
    title: title ?? (typeof annotations?.['title'] === 'string' ? annotations['title'] : undefined),
    description,
    inputSchema,
    outputSchema,
    annotations,
    permissions: permissionsOf(annotations),
    callers: who,
    callersComplete: callers.complete,
  };
}

/** Hints and their defaults (2025-11-25, schema: ToolAnnotations). */
function permissionsOf(annotations: JsonObject | undefined) {
  const hint = (key: string, usual: boolean): boolean => {
    const value = annotations?.[key];
    return typeof value === 'boolean' ? value : usual;
  };
  const readOnly = hint('readOnlyHint', false);
  return {
    readOnly,
    destructive: !readOnly && hint('destructiveHint', true),
    idempotent: readOnly || hint('idempotentHint', false),
    openWorld: hint('openWorldHint', true),
    declared: ['readOnlyHint', 'destructiveHint'].some((key) => typeof annotations?.[key] === 'boolean'),
  };
}

/** Who may call which tool: the toolsets of grants, turned round. */
class Callers {
  readonly complete: boolean;
  readonly #byTool = new Map<string, { grant: string; name: string }[]>();

  private constructor(complete: boolean) {
    this.complete = complete;
  }

  /** Asks the grants for their toolsets, which the board keeps. */
  static async of(board: BoardApi): Promise<Callers> {
    const open = new Set([...board.sessions.values()].map(({ grant }) => grant));
    const lasting = new Set([board.defaultGrant, ...board.grants.values()]);
    const others = [...open].filter((grant) => !lasting.has(grant));
    const callers = new Callers(others.length <= maxGrants);
    for (const [index, grant] of [...lasting, ...others.slice(0, maxGrants)].entries()) {
      // A toolset that is made anew takes a few ms; calls of agents come first.
      if (index % 10 === 9) await turn();
      callers.#add(grant, await board.tools(grant), board);
    }
    return callers;
  }

  of(found: Found): readonly { grant: string; name: string }[] {
    return this.#byTool.get(keyOf(found)) ?? [];
  }

  has(found: Found, grant: string): boolean {
    return this.of(found).some((each) => each.grant === grant);
  }

  #add(grant: Grant, entries: readonly ToolEntry[], board: BoardApi): void {
    const own = new Set(
      board.servers(grant).flatMap(({ owner, name: server }) => (owner === undefined ? [] : [server])),
    );
    for (const { server, tool, name: shown } of entries) {
      const key = keyOfTool(server, tool, own.has(server) ? grant.id : undefined);
      const callers = this.#byTool.get(key) ?? [];
      callers.push({ grant: grant.id, name: shown });
      this.#byTool.set(key, callers);
    }
  }
}
