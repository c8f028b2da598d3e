// `plugboard task …`: tasks of a running proxy, through its management API. One function per subcommand.
import path from 'node:path';
import { PlugboardError } from '../errors.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { findApi } from './api.ts';
import type { Api, ApiOptions } from './api.ts';
import type { Console } from './console.ts';
import { counted } from './counted.ts';
import { exitCodes } from './exit-codes.ts';
import { shellWord } from './shell-word.ts';
import { idOf, readObjects } from './task-file.ts';
import { writeFiles } from './write-files.ts';

/** `task apply FILE`: creates the tasks of a YAML or JSON file, or replaces them. `-` reads stdin. */
export async function applyTasks(file: string, options: ApiOptions, output: Console): Promise<number> {
  const objects = await readObjects(file);
  const api = await findApi(options, output);
  const applied: unknown[] = [];
  for (const object of objects) {
    const id = idOf(object, file);
    const { body } = await api.request('PUT', routeOf(id), object);
    applied.push(body);
    if (!output.json) output.print(`${id} ${output.paint('green', 'applied')}${warningsOf(body)}`);
  }
  if (output.json) output.printJson({ tasks: applied });
  return exitCodes.ok;
}

export async function listTasks(options: ApiOptions, output: Console): Promise<number> {
  const tasks = await (await findApi(options, output)).list('/tasks');
  if (output.json) {
    output.printJson({ tasks });
    return exitCodes.ok;
  }
  const rows = tasks.map((task) => {
    const { spec, status } = parts(task);
    return [
      text(task['id']),
      text(spec['serviceName']),
      text(spec['agentName']),
      text(task['contextVersion']),
      text(status['phase']),
      readiness(status, output),
      text(status['calls']),
      text(status['refusals']),
    ];
  });
  const header = ['task', 'service', 'agent', 'version', 'phase', 'tools ready', 'calls', 'refused'];
  if (rows.length > 0) output.print(await output.table(header, rows));
  output.note(counted(rows.length, 'task'));
  return exitCodes.ok;
}

export async function showTask(id: string, options: ApiOptions, output: Console): Promise<number> {
  const api = await findApi(options, output);
  const { body } = await api.get(routeOf(id));
  if (output.json || !isObject(body)) {
    output.printJson(body);
    return exitCodes.ok;
  }
  const { spec, status } = parts(body);
  output.print(
    `${output.paint('bold', text(body['id']))}  ${text(spec['kind'])} of ${text(body['source'])} (${text(body['origin'])})`,
  );
  output.print(
    `service ${text(spec['serviceName'])}, agent ${text(spec['agentName'])}, context version ${text(body['contextVersion'])}`,
  );
  output.print(
    `phase ${text(status['phase'])}, ${counted(Number(status['calls'] ?? 0), 'call')}, ${text(status['refusals'])} refused`,
  );
  for (const key of ['enabled', 'disabled']) {
    const selectors = Array.isArray(body[key]) ? body[key] : [];
    if (selectors.length > 0) output.print(`${key} since: ${selectors.map(String).join(', ')}`);
  }
  const rows = (Array.isArray(status['tools']) ? status['tools'].filter(isObject) : []).map((report) => [
    text(report['selector']),
    paintState(text(report['state']), output),
    String(Array.isArray(report['tools']) ? report['tools'].length : 0),
    [text(report['reason']), nearestOf(report)].filter((part) => part !== '').join('; '),
  ]);
  if (rows.length > 0) output.print(await output.table(['selector', 'state', 'tools', 'why'], rows));
  return exitCodes.ok;
}

export interface ContextOptions extends ApiOptions {
  readonly enable?: readonly string[];
  readonly disable?: readonly string[];
  readonly message?: string;
  readonly reason?: string;
}

/** `task context ID`: add-context, or, with nothing to add, the context as it stands. */
export async function taskContext(id: string, options: ContextOptions, output: Console): Promise<number> {
  const { enable = [], disable = [], message, reason } = options;
  const api = await findApi(options, output);
  const route = `${routeOf(id)}/context`;
  const isChange = enable.length > 0 || disable.length > 0 || message !== undefined;
  const change = { enable_tools: enable, disable_tools: disable, additional_context: message, reason };
  const { body } = isChange ? await api.request('POST', route, change) : await api.get(route);
  if (output.json || !isObject(body)) output.printJson(body);
  else if (isChange) output.print(`${id}: context version ${text(body['contextVersion'])}${warningsOf(body)}`);
  else output.print(text(body['text'] ?? JSON.stringify(body, undefined, 2)));
  return exitCodes.ok;
}

/** `task token ID`: mints a token, or exchanges the old one; it is shown this once. */
export async function taskToken(
  id: string,
  options: ApiOptions & { revoke?: boolean },
  output: Console,
): Promise<number> {
  const api = await findApi(options, output);
  if (options.revoke === true) {
    await api.request('DELETE', `${routeOf(id)}/token`);
    if (output.json) output.printJson({ revoked: id });
    else output.print(`the token of ${id} is revoked`);
    return exitCodes.ok;
  }
  const { body } = await api.request('POST', `${routeOf(id)}/token`, {});
  if (!isObject(body) || typeof body['token'] !== 'string')
    throw new PlugboardError('REQUEST_FAILED', `${id}: the API did not answer with a token`);
  if (output.json) output.printJson(body);
  else output.print(body['token']);
  return exitCodes.ok;
}

export interface RenderOptions extends ApiOptions {
  readonly for: string;
  readonly layout?: string;
  readonly out?: string;
}

/** `task render ID`: what the agent's side needs, printed or written into a folder. */
export async function renderTask(id: string, options: RenderOptions, output: Console): Promise<number> {
  const api = await findApi(options, output);
  const query = new URLSearchParams({ for: options.for });
  if (options.layout !== undefined) query.set('layout', options.layout);
  const { body } = await api.get(`${routeOf(id)}/render?${query.toString()}`);
  const files = isObject(body) && isObject(body['files']) ? (body['files'] as Record<string, string>) : {};
  if (options.out !== undefined) await writeFiles(options.out, files);
  if (output.json) output.printJson(body);
  else if (options.out === undefined) {
    for (const [name, content] of Object.entries(files))
      output.print(`${output.paint('bold', `# ${name}`)}\n${content}`);
  } else
    output.print(
      Object.keys(files)
        .map((name) => path.join(options.out ?? '', name))
        .join('\n'),
    );
  const flags = isObject(body) && Array.isArray(body['flags']) ? body['flags'].map(String) : [];
  if (!output.json && flags.length > 0) {
    const enter = options.out === undefined ? '' : `cd ${shellWord(path.resolve(options.out))} && `;
    output.note(`start the agent with: ${enter}${[options.for, ...flags].map(shellWord).join(' ')}`);
    if (options.out === undefined) output.note('in a folder with these files');
  }
  if (!output.json && warningsOf(body) !== '') output.note(warningsOf(body).trim());
  return exitCodes.ok;
}

export async function taskJournal(id: string, options: ApiOptions, output: Console): Promise<number> {
  const entries = await (await findApi(options, output)).list(`${routeOf(id)}/journal`);
  if (output.json) output.printJson({ entries });
  else {
    const list = (value: unknown, sign: string) =>
      Array.isArray(value) ? value.map((each) => `${sign}${String(each)}`) : [];
    const rows = entries.map((entry) => [
      text(entry['number']),
      text(entry['at']),
      text(entry['by']),
      text(entry['action']),
      text(entry['contextVersion']),
      [...list(entry['enabled'], '+'), ...list(entry['disabled'], '-'), text(entry['reason'])].join(' ').trim(),
    ]);
    if (rows.length > 0) output.print(await output.table(['#', 'when', 'who', 'what', 'version', 'more'], rows));
    output.note(counted(rows.length, 'entry', 'entries'));
  }
  return exitCodes.ok;
}

export interface EscalationOptions extends ApiOptions {
  readonly grant?: string;
  readonly refuse?: string;
  readonly comment?: string;
  readonly all?: boolean;
}

/** `task escalations`: what agents have asked for; with `--grant` or `--refuse` the decision on one of them. */
export async function taskEscalations(options: EscalationOptions, output: Console): Promise<number> {
  const { grant, refuse, comment } = options;
  if (grant !== undefined && refuse !== undefined)
    throw new PlugboardError('USAGE', '--grant and --refuse exclude each other');
  const api = await findApi(options, output);
  const decided = grant ?? refuse;
  if (decided !== undefined) {
    const decision = grant === undefined ? 'refuse' : 'grant';
    const { body } = await api.request('POST', `/escalations/${encodeURIComponent(decided)}`, { decision, comment });
    if (output.json) output.printJson(body);
    else
      output.print(
        `${decided} ${decision === 'grant' ? output.paint('green', 'granted') : output.paint('red', 'refused')}`,
      );
    return exitCodes.ok;
  }
  const all = await api.list('/escalations');
  const shown = options.all === true ? all : all.filter(({ state }) => state === 'pending');
  if (output.json) output.printJson({ escalations: shown });
  else {
    const rows = shown.map((each) => [
      text(each['id']),
      text(each['task']),
      text(each['state']),
      Array.isArray(each['tools']) ? each['tools'].map(String).join(' ') : '',
      text(each['reason']),
    ]);
    if (rows.length > 0) output.print(await output.table(['id', 'task', 'state', 'tools', 'why'], rows));
    output.note(counted(rows.length, 'escalation'));
  }
  return exitCodes.ok;
}

/** `task delete ID`: its token is refused from now on. */
export async function deleteTask(id: string, options: ApiOptions, output: Console): Promise<number> {
  const api: Api = await findApi(options, output);
  await api.request('DELETE', routeOf(id));
  if (output.json) output.printJson({ deleted: id });
  else output.print(`${id} deleted`);
  return exitCodes.ok;
}

const routeOf = (id: string) => `/tasks/${encodeURIComponent(id)}`;

function parts(task: JsonObject): { spec: JsonObject; status: JsonObject } {
  return {
    spec: isObject(task['spec']) ? task['spec'] : {},
    status: isObject(task['status']) ? task['status'] : {},
  };
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

const stateStyles = { ready: 'green', waiting: 'yellow', failed: 'red', unmatched: 'red', denied: 'yellow' } as const;

function paintState(state: string, output: Console): string {
  return state in stateStyles ? output.paint(stateStyles[state as keyof typeof stateStyles], state) : state;
}

function readiness(status: JsonObject, output: Console): string {
  const conditions = Array.isArray(status['conditions']) ? status['conditions'].filter(isObject) : [];
  const ready = text(conditions.find(({ type }) => type === 'ToolsReady')?.['status']);
  return ready === 'True' ? output.paint('green', ready) : output.paint('yellow', ready);
}

function nearestOf(report: JsonObject): string {
  const nearest = Array.isArray(report['nearest']) ? report['nearest'].map(String) : [];
  return nearest.length === 0 ? '' : `nearest: ${nearest.join(', ')}`;
}

/** Warnings of an answer, each on a line of its own. */
function warningsOf(body: unknown): string {
  const warnings = isObject(body) && Array.isArray(body['warnings']) ? body['warnings'].map(String) : [];
  return warnings.map((warning) => `\n  warning: ${warning}`).join('');
}
