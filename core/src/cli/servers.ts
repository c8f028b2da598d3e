// `plugboard servers`: the servers of the running proxy and how they are, as `/readyz` tells it.
import { PlugboardError } from '../errors.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { getJson } from './client.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';
import { findTarget } from './target.ts';
import type { ClientOptions } from './target.ts';

/** Lists servers. */
export async function servers(options: ClientOptions, output: Console): Promise<number> {
  const { url, token } = await findTarget(options, output);
  const { body } = await getJson(new URL('/readyz', url).href, token);
  if (!isObject(body) || typeof body['ready'] !== 'boolean')
    throw new PlugboardError('NOT_RUNNING', `${url}: what answers there is no Plugboard`);
  const list = body['servers'];
  if (!Array.isArray(list))
    throw new PlugboardError(
      'UNAUTHORIZED',
      `${url}: servers are named to callers with a credential only; here: --grant NAME, --token-file FILE, or PLUGBOARD_TOKEN`,
    );
  if (output.json) output.printJson(body);
  else await print(list.filter(isObject), output);
  return exitCodes.ok;
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
  if (held.length > 0) output.note(`tools are held back until they are approved: plugboard approve ${held.join(' ')}`);
  output.note(`${rows.length} servers`);
}
