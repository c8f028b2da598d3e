// What one server offers: its tools, resources, templates and prompts, fetched whole and checked. Who may see them is the toolset's business.
import type { Connection } from './connection.ts';
import { freezeDeep } from './freeze.ts';
import { isObject, newVersions, rpcCode } from './protocol/messages.ts';
import type { JsonObject, Prompt, Resource, ResourceTemplate, Tool } from './protocol/messages.ts';
import { listMethods } from './protocol/methods.ts';
import { scanHeaders } from './protocol/param-headers.ts';
import type { ListKind } from './protocol/methods.ts';
import { paramsForNew } from './protocol/translate.ts';
import { UpstreamCall } from './upstream-call.ts';
import type { Caller } from './upstream-call.ts';

export interface Catalogue {
  readonly tools: readonly Tool[];
  readonly resources: readonly Resource[];
  readonly resourceTemplates: readonly ResourceTemplate[];
  readonly prompts: readonly Prompt[];
  /** Smallest `ttlMs` that the server gave for its lists; 0 when it gave none. */
  readonly ttlMs: number;
}

export const emptyCatalogue: Catalogue = { tools: [], resources: [], resourceTemplates: [], prompts: [], ttlMs: 0 };

/** Bounds for what one server may list. */
const maxPages = 1000;
const maxItems = 20_000;

/** The proxy itself as the caller of lists. Its capabilities are full, because some servers hide tools from clients that cannot be asked. */
export const proxyCaller: Caller = {
  era: 'new',
  protocolVersion: newVersions[0],
  capabilities: { roots: { listChanged: true }, sampling: {}, elicitation: { form: {}, url: {} } },
  clientInfo: { name: 'plugboard', version: '0.1.0' },
  logLevel: undefined,
};

export interface FetchedList {
  readonly items: readonly JsonObject[];
  readonly ttlMs: number | undefined;
  /** Items that were left out, each with the reason. */
  readonly dropped: readonly string[];
}

/** Fetches one list to its last page. Rejects when the server fails; a server without the capability has an empty list. */
export async function fetchList(connection: Connection, kind: ListKind, timeout: number): Promise<FetchedList> {
  const list = listMethods[kind];
  const items: JsonObject[] = [];
  const dropped: string[] = [];
  let ttlMs: number | undefined;
  if (connection.info.capabilities[list.capability] === undefined) return { items, ttlMs, dropped };
  let cursor: unknown;
  for (let page = 0; page < maxPages && items.length < maxItems; page += 1) {
    const result = await ask(connection, list.method, cursor === undefined ? undefined : { cursor }, timeout);
    if (result === undefined) break;
    const found = result[kind];
    for (const item of Array.isArray(found) ? found : []) {
      const reason = rejection(kind, item);
      // Every grant lists this one object, and plugins see it.
      if (reason === undefined) items.push(freezeDeep(item as JsonObject));
      else dropped.push(reason);
    }
    if (typeof result['ttlMs'] === 'number') ttlMs = Math.min(ttlMs ?? Number.POSITIVE_INFINITY, result['ttlMs']);
    cursor = result['nextCursor'];
    if (typeof cursor !== 'string') break;
  }
  if (items.length > maxItems) dropped.push(`everything beyond the first ${maxItems} ${kind}`);
  return { items: items.slice(0, maxItems), ttlMs, dropped };
}

/** One request of the proxy itself. Undefined when the server does not know the method. */
async function ask(
  connection: Connection,
  method: string,
  params: JsonObject | undefined,
  timeout: number,
): Promise<JsonObject | undefined> {
  const call = new UpstreamCall({
    method,
    params: connection.era === 'new' ? paramsForNew(params, proxyCaller, connection.info.protocolVersion) : params,
    caller: proxyCaller,
    timeout,
    maxTimeout: timeout * 4,
  });
  connection.send(call);
  const { result, error } = (await call.answer).message;
  if (error?.code === rpcCode.methodNotFound) return undefined;
  if (error !== undefined) throw new Error(`${method} was answered with error ${error.code}: ${error.message}`);
  return result ?? {};
}

/** Why an item cannot be offered, or undefined when it can. */
function rejection(kind: ListKind, item: unknown): string | undefined {
  const { key } = listMethods[kind];
  if (!isObject(item) || typeof item[key] !== 'string' || item[key] === '') return `an item of ${kind} without ${key}`;
  if (kind !== 'tools') return undefined;
  if (!isObject(item['inputSchema'])) return `tool "${item[key]}": it has no inputSchema`;
  const { fault } = scanHeaders(item['inputSchema']);
  return fault === undefined ? undefined : `tool "${item[key]}": ${fault}`;
}
