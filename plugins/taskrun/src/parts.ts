// The parts of a running instance that others ask for: the tasks, what can be asked of them, and what rendering needs to know.
import path from 'node:path';
import { Problem } from 'plugboard';
import type { BoardApi, Log, Management, PluginApi, Stores } from 'plugboard';
import { Grants } from './engine/entry.ts';
import type { TaskEntry } from './engine/entry.ts';
import { internalTools } from './engine/internal.ts';
import type { UpstreamService } from './engine/own-servers.ts';
import { schemaVersion } from './engine/record.ts';
import { Requests } from './engine/requests.ts';
import { Tasks } from './engine/tasks.ts';
import { Intake } from './engine/intake.ts';
import type { Read } from './engine/object.ts';
import { wrongSelectors } from './engine/catalogue.ts';
import type { WorkspaceSettings } from './engine/workspace.ts';
import { hookPath } from './hook/pre-tool-use.ts';
import type { HttpService } from './hook/pre-tool-use.ts';
import type { Options } from './options.ts';
import { readObject } from './schema/read.ts';
import type { RenderInput, SourceName, TaskSource } from './task.ts';
import { Telling } from './telling.ts';

export interface Parts {
  readonly options: Options;
  readonly tasks: Tasks;
  readonly requests: Requests;
  readonly sources: Map<SourceName, TaskSource>;
  readonly listener: Telling;
  readonly http: HttpService | undefined;
  readonly management: Management | undefined;
  readonly read: Read;
  readonly intake: Intake;
  /** Exposed names of the tools that a task sees now. */
  readonly toolNames: (entry: TaskEntry) => Promise<readonly string[]>;
  /** The proxy's name, as clients put it in front of tools. */
  readonly proxy: string;
  readonly renderInput: (entry: TaskEntry) => Promise<RenderInput>;
  /** The same without the tools that the task sees. */
  readonly inputWithoutTools: (entry: TaskEntry, proxy: string) => RenderInput;
  /** The task of a token, which counts as a sign of life. Throws `Unauthorized`. */
  readonly authenticate: (token: string) => TaskEntry;
  /** Counts and tells that an agent was refused a tool. */
  readonly refused: (entry: TaskEntry, tool: string, reason: string) => void;
}

/** ms in which the plugin is applied again, if it is. */
const takeover = 15_000;

/** Grants outlive the plugin's instances: with other options it is applied again, and sessions go on. */
const grantsOf = new WeakMap<BoardApi, Grants>();

export async function makeParts(api: PluginApi, options: Options): Promise<Parts> {
  const { board, services } = api;
  checkSelectors(board, options);
  const http = services.find<HttpService>('http');
  const management = services.find<Management>('management');
  const sources = new Map<SourceName, TaskSource>();
  const listener = new Telling(management, sources);
  const read = (object: unknown) => withPolicy(object, readObject(object, { presets: options.presets }), options);
  const workspaces = {
    folder: path.resolve(api.directory, options.workspaces),
    roots: options.workspaceRoots.map((root) => path.resolve(api.directory, root)),
    reserved: api.reserved,
  };
  const tasks = await makeTasks(api, options, listener, read, workspaces);
  const toolNames = async (entry: TaskEntry) => (await board.tools(entry.grant)).map(({ name }) => name);
  const inputOf = (entry: TaskEntry, name: string, tools: readonly string[]) =>
    renderInputOf(entry, name, tools, options.url ?? http?.address().url);
  return {
    options,
    tasks,
    intake: new Intake({ tasks, board, options, workspaces, read }),
    requests: new Requests({ tasks, board, options, listener }),
    sources,
    listener,
    http,
    management,
    read,
    toolNames,
    proxy: board.name,
    renderInput: async (entry) => inputOf(entry, board.name, await toolNames(entry)),
    inputWithoutTools: (entry, name) => inputOf(entry, name, []),
    authenticate: (token) => {
      const entry = tasks.tokens.find(token);
      entry.lastActivity = Date.now();
      tasks.status.touched(entry);
      return entry;
    },
    refused: (entry, tool, reason) => {
      entry.refusals += 1;
      tasks.status.touched(entry);
      listener.event(entry, { type: 'Warning', reason: 'ToolRefused', message: `${tool}: ${reason}`.slice(0, 1000) });
    },
  };
}

/** Throws for selectors of the options that are none: they would fail every task. */
function checkSelectors(board: BoardApi, { ceiling, escalation, presets }: Options): void {
  const lists = Object.entries({ ceiling, escalation, ...presets });
  for (const [name, { allow, deny }] of lists) {
    const wrong = wrongSelectors(board, 'task:options', [...allow, ...deny]);
    if (wrong !== undefined) throw new Error(`option ${name}: ${wrong}`);
  }
}

/** Ends the grants of tasks unless another instance of the plugin takes them over soon. */
export function abandonGrants(board: BoardApi, log: Log): void {
  const grants = grantsOf.get(board);
  const users = grants?.users;
  const end = async () => {
    if (grants === undefined || grants.users !== users) return;
    for (const grant of grants.all()) {
      grants.delete(grant);
      grant.empty();
      await board.endGrant(grant, 'the plugin taskrun was removed');
    }
  };
  setTimeout(
    () => void end().catch((error: unknown) => log.error('sessions of tasks did not end', { error })),
    takeover,
  ).unref();
}

async function makeTasks(
  { board, log, servers, services }: PluginApi,
  options: Options,
  listener: Telling,
  read: Read,
  workspaces: WorkspaceSettings,
): Promise<Tasks> {
  const grants = grantsOf.get(board) ?? new Grants();
  grantsOf.set(board, grants);
  grants.users += 1;
  return new Tasks({
    board,
    log,
    options,
    read,
    grants,
    listener,
    store: await services.get<Stores>('store').open<unknown>('taskrun', { version: schemaVersion }),
    maker: { upstream: services.find<UpstreamService>('upstream'), servers, options },
    workspaces,
  });
}

function renderInputOf(
  entry: TaskEntry,
  proxy: string,
  tools: readonly string[],
  url: string | undefined,
): RenderInput {
  if (url === undefined)
    throw new Problem(
      409,
      'no-address',
      'agents cannot reach this proxy: add the plugin http, or set the option url of plugin taskrun',
    );
  const task = entry.view();
  // In force now, not as written: what is rendered must be what is enforced.
  const spec = { ...task.spec, internalTools: internalTools(task.spec.internalTools, entry.record.live) };
  return { task: { ...task, spec }, proxy, url, hookUrl: new URL(hookPath, url).href, tools };
}

/** The policy of the options where the object has none of its own. */
function withPolicy(
  object: unknown,
  read: ReturnType<typeof readObject>,
  { escalation }: Options,
): ReturnType<typeof readObject> {
  if ('problems' in read) return read;
  const { spec } = object as { spec: { escalationPolicy?: unknown; toolConfig?: unknown } };
  const inConfig = (spec.toolConfig as { escalationPolicy?: unknown } | undefined)?.escalationPolicy;
  const own = spec.escalationPolicy !== undefined || inConfig !== undefined;
  return own ? read : { ...read, spec: { ...read.spec, escalation } };
}
