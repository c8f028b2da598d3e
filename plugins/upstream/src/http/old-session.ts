// Opening a session of the old era over Streamable HTTP: `initialize`, `initialized`, and the headers that name the session afterwards.
import { initializeParams, readInitialize } from 'plugboard';
import type { Attempt, LeaseKey, RpcRequest, ServerInfo, UpstreamCall } from 'plugboard';
import { pause } from '../pause.ts';
import { errorIn } from './client.ts';
import type { HttpClient } from './client.ts';
import { headerOf } from './exchange.ts';
import type { Reply } from './exchange.ts';
import { explain } from './failures.ts';

/** A session as the server opened it; replaced as a whole when the server has forgotten it. */
export interface OldSession {
  /** Undefined: the server keeps no sessions. */
  readonly id: string | undefined;
  readonly info: ServerInfo;
  /** Headers that name session and version. */
  readonly headers: readonly string[];
  /** All headers of a POST in this session. */
  readonly postHeaders: readonly string[];
}

/** The server answered `initialize` in a way that points to the older transport (2025-11-25, backwards compatibility). */
export class NotStreamable extends Error {}

const olderTransport = new Set([400, 404, 405]);
/** ms for the farewell. */
const deleteTime = 2000;
let lastId = 0;

/** An id for a request of our own; strings never meet the integers of calls. */
export function ownId(): string {
  lastId += 1;
  return `plugboard-${lastId}`;
}

/** Opens a session. Rejects with an Error that says what to do. `other` takes messages that come before it is open. */
export async function openSession(
  client: HttpClient,
  key: LeaseKey,
  attempt: Attempt,
  other: (bytes: Buffer) => void,
): Promise<OldSession> {
  const request: RpcRequest = { jsonrpc: '2.0', id: ownId(), method: 'initialize', params: initializeParams(key) };
  const { response, reply } = await client.roundTrip(request, client.postHeaders, attempt.signal, other);
  if (response === undefined) {
    const text = explain(client.settings, reply);
    throw olderTransport.has(reply.status) ? new NotStreamable(text) : new Error(text);
  }
  if (reply.status === 401 || reply.status === 403) throw new Error(explain(client.settings, reply));
  const info = readInitialize(client.settings.name, response);
  const id = sessionId(reply);
  const headers = ['mcp-protocol-version', info.protocolVersion, ...(id === undefined ? [] : ['mcp-session-id', id])];
  const session: OldSession = { id, info, headers, postHeaders: [...client.postHeaders, ...headers] };
  const body = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' });
  try {
    const done = await attempt.race(client.control({ method: 'POST', headers: session.postHeaders, body }));
    if (done.error !== undefined || done.status >= 300) throw new Error(explain(client.settings, done));
  } catch (error) {
    await deleteSession(client, session);
    throw error;
  }
  return session;
}

/** Tells the server that a session is over; does not wait long, for the server may be gone. */
export async function deleteSession(client: HttpClient, session: OldSession): Promise<void> {
  if (session.id === undefined) return;
  const abort = new AbortController();
  const headers = [...client.streamHeaders, ...session.headers];
  await Promise.race([client.control({ method: 'DELETE', headers }), pause(deleteTime, abort.signal)]);
  abort.abort();
}

/**
 * True when a reply says that its session is not known: 404 by the specification, 400 by servers built after an early example. An error
 * with the id of the `call` is its answer, whatever it speaks of: the server has read the call, and may have carried it out.
 */
export function isExpired(session: OldSession, reply: Reply, call?: UpstreamCall): boolean {
  if (session.id === undefined) return false;
  if (reply.status !== 404 && !(reply.status === 400 && /session/i.test(reply.text))) return false;
  return call === undefined || errorIn(reply.text)?.id !== call.id;
}

function sessionId(reply: Reply): string | undefined {
  const id = headerOf(reply.headers, 'mcp-session-id');
  return id !== undefined && /^[\x21-\x7e]{1,1024}$/.test(id) ? id : undefined;
}
