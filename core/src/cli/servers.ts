// `plugboard servers`: the servers of the running proxy and how they are, as `/readyz` tells it, or the management API of this machine.
import { PlugboardError } from '../errors.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { localApi } from './api.ts';
import { getJson } from './client.ts';
import type { Console } from './console.ts';
import { counted } from './counted.ts';
import { exitCodes } from './exit-codes.ts';
import { findTarget } from './target.ts';
import type { ClientOptions, Target } from './target.ts';

/** Lists servers. */
export async function servers(options: ClientOptions, output: Console): Promise<number> {
  const target = await findTarget(options, output);
  const { url, token, credential } = target;
  const { body } = await getJson(new URL('/readyz', url).href, token, output);
  if (!isObject(body) || typeof body['ready'] !== 'boolean')
    throw new PlugboardError('NOT_RUNNING', `${url}: what answers there is no Plugboard`);
  if (target.doubt !== undefined) output.note(target.doubt);
  const list = Array.isArray(body['servers']) ? body['servers'].filter(isObject) : await listAsOperator(target, output);
  if (list === undefined)
    throw new PlugboardError('UNAUTHORIZED', `${url} names no server to this caller: ${credential}`);
  if (output.json) output.printJson({ ...body, servers: list });
  else await print(list, output);
  return exitCodes.ok;
}

/** What whoever runs the proxy may see on its machine, when nobody in particular has asked; undefined without the plugin admin. */
async function listAsOperator({ config, token, operated }: Target, output: Console): Promise<JsonObject[] | undefined> {
  if (token !== undefined || !operated) return undefined;
  const list = await (await localApi(config, output))?.list('/servers');
  return list?.map(({ name, state, reason, tools, quarantined }) => {
    const held = typeof quarantined === 'number' && quarantined > 0 ? { heldBack: quarantined } : {};
    return { name, state, reason, tools, ...held };
  });
}

const stateStyles = { ready: 'green', starting: 'yellow', failed: 'red' } as const;

async function print(list: readonly JsonObject[], output: Console): Promise<void> {
  const paintState = (state: string) =>
    state in stateStyles ? output.paint(stateStyles[state as keyof typeof stateStyles], state) : state;
  const cell = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');
  const held = list.filter((server) => typeof server['heldBack'] === 'number').map((server) => cell(server['name']));
  const rows = list.map((server) => [
    cell(server['name']),
    paintState(cell(server['state'])),
    cell(server['tools']),
    ...(held.length === 0 ? [] : [cell(server['heldBack'])]),
    cell(server['reason']),
  ]);
  const header = ['server', 'state', 'tools', ...(held.length === 0 ? [] : ['held back']), 'reason'];
  if (rows.length > 0) output.print(await output.table(header, rows));
  if (held.length > 0)
    output.note(`tools are held back until they are approved: \`plugboard approve ${held.join(' ')}\``);
  output.note(counted(rows.length, 'server'));
}
