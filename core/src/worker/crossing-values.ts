// Values on their way between threads: what hooks are handed as plain data, frozen where it arrives, and what they return.
import { freezeDeep } from '../freeze.ts';
import type { Grant } from '../grant.ts';
import { hookTable } from '../hooks.ts';
import type { HookName } from '../hooks.ts';
import type { Session } from '../session.ts';
import type { HookAnswer } from './messages.ts';

/** A session as a worker sees it. */
type PlainSession = Pick<
  Session,
  | 'id'
  | 'era'
  | 'transport'
  | 'server'
  | 'protocolVersion'
  | 'capabilities'
  | 'clientInfo'
  | 'createdAt'
  | 'logLevel'
  | 'grant'
>;

/** What of a context goes over; everything but the signal, which is passed on as an event. */
interface PlainContext {
  readonly session?: PlainSession;
  readonly grant?: Grant;
  readonly server?: string | undefined;
  readonly transport?: string;
  readonly remoteAddress?: string | undefined;
}

interface Context extends Omit<PlainContext, 'session'> {
  readonly session?: Session;
  readonly signal?: AbortSignal;
}

export interface Outgoing {
  readonly args: readonly unknown[];
  readonly signal: AbortSignal | undefined;
}

/** A hook's arguments as plain data. `own` says of a grant that the plugin itself made it: its `data` goes back to it. */
export function plainArguments(hook: HookName, args: readonly unknown[], own: (grant: Grant) => boolean): Outgoing {
  let signal: AbortSignal | undefined;
  const plain = args.map((value, index) => {
    const name = hookTable[hook].args[index];
    if (name === 'session') return plainSession(value as Session, own);
    if (name !== 'context') return value;
    const context = value as Context;
    signal = context.signal;
    return plainContext(context, own);
  });
  return { args: plain, signal };
}

function plainContext(context: Context, own: (grant: Grant) => boolean): PlainContext {
  const { session, grant, server, transport, remoteAddress } = context;
  return {
    ...(session !== undefined && { session: plainSession(session, own) }),
    ...(grant !== undefined && { grant: plainGrant(grant, own) }),
    ...('server' in context && { server }),
    ...(transport !== undefined && { transport, remoteAddress }),
  };
}

function plainSession(session: Session, own: (grant: Grant) => boolean): PlainSession {
  const { id, era, transport, server, protocolVersion, capabilities, clientInfo, createdAt, logLevel } = session;
  const grant = plainGrant(session.grant, own);
  return { id, era, grant, transport, server, protocolVersion, capabilities, clientInfo, createdAt, logLevel };
}

/** `data` belongs to the plugin that made the grant, and may be anything. */
function plainGrant(grant: Grant, own: (grant: Grant) => boolean): Grant {
  const { id, tools, within, resources, prompts, workspace, data } = grant;
  const plain = { id, tools, within, resources, prompts, workspace };
  return own(grant) && data !== undefined ? { ...plain, data } : plain;
}

/** The arguments as the plugin gets them: frozen all the way down, with the signal in the context. */
export function arrivedArguments(hook: HookName, args: readonly unknown[], signal: AbortSignal): unknown[] {
  return args.map((value, index) => {
    const name = hookTable[hook].args[index];
    if (name === 'session') return freezeDeep(arrivedSession(value as PlainSession));
    if (name !== 'context') return freezeDeep(value);
    const { session, ...context } = value as PlainContext;
    freezeDeep(context);
    if (session === undefined) return context;
    return Object.freeze({ ...context, session: freezeDeep(arrivedSession(session)), signal });
  });
}

/** A client can be asked and told only where it is connected. */
function arrivedSession(session: PlainSession): PlainSession {
  const missing = (member: string) => () => {
    throw new Error(`session.${member} is not there for a plugin that runs in a worker`);
  };
  return Object.assign(session, { ask: missing('ask'), send: missing('send'), deliver: missing('deliver') });
}

/** What a hook returned, without sending back what the proxy has: entries of a list keep their identity there. */
export function encodeAnswer(first: unknown, returned: unknown): HookAnswer {
  if (returned === first && returned !== undefined) return { same: true };
  if (!Array.isArray(first) || !Array.isArray(returned)) return { value: returned };
  const places = new Map(first.map((item: unknown, index) => [item, index]));
  return { items: returned.map((item: unknown) => places.get(item) ?? { value: item }) };
}

/** The counterpart of {@link encodeAnswer}. */
export function decodeAnswer(first: unknown, answer: HookAnswer): unknown {
  if ('same' in answer) return first;
  if (!('items' in answer)) return answer.value;
  const items = first as readonly unknown[];
  return answer.items.map((item) => (typeof item === 'number' ? items[item] : item.value));
}
