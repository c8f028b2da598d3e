// Keeps one `subscriptions/listen` request open with the newest filter (2026-07-28, subscriptions). How a request travels is its carrier's business.
import type { ListenFilter } from '../connection.ts';
import type { Log } from '../plugin.ts';
import { isNotification, isObject, metaKey, rpcCode } from '../protocol/messages.ts';
import type { JsonObject, RpcMessage, RpcNotification, RpcRequest } from '../protocol/messages.ts';
import { Backoff } from './backoff.ts';
import { ownEnvelope } from './handshake.ts';

/** What the carrier of a listen request reports. */
export interface ListenSink {
  /** A message that belongs to this request. */
  message(message: RpcMessage): void;
  /** The request ended without an answer. `refused`: the server will not serve another try either. */
  ended(why: string, refused: boolean): void;
}

export interface StandingRequestInit {
  readonly server: string;
  readonly log: Log;
  /** Waiting times after a break. */
  readonly backoff?: Backoff;
  /** Sends the request; returns how to end it. Undefined: it cannot be sent now; {@link StandingRequest.resume} is called when it can. */
  open(request: RpcRequest, sink: ListenSink): (() => void) | undefined;
  /** A change notice, without its subscription id. */
  notify(message: RpcNotification): void;
}

let lastId = 0;

/** One request that is open or being opened. */
interface Subscription {
  readonly id: string;
  readonly filter: ListenFilter;
  readonly end: () => void;
}

export class StandingRequest {
  readonly #init: StandingRequestInit;
  readonly #backoff: Backoff;
  #filter: ListenFilter = {};
  #current: Subscription | undefined;
  /** The one before, kept until the new one is acknowledged so that no notice is lost in between. */
  #previous: Subscription | undefined;
  /** True when notices may have been missed. */
  #gap = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(init: StandingRequestInit) {
    this.#init = init;
    this.#backoff = init.backoff ?? new Backoff();
  }

  /** Replaces the filter. */
  set(filter: ListenFilter): void {
    if (this.#closed || JSON.stringify(filter) === JSON.stringify(this.#filter)) return;
    this.#filter = filter;
    this.#backoff.reset();
    this.#open();
  }

  /** There is a new channel: what was lost with the one before is opened again at once. */
  resume(): void {
    if (this.#closed || this.#current !== undefined) return;
    this.#backoff.reset();
    this.#open();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#current?.end();
    this.#previous?.end();
    this.#current = undefined;
    this.#previous = undefined;
  }

  #open(): void {
    clearTimeout(this.#retry);
    this.#previous?.end();
    this.#previous = this.#current;
    this.#current = undefined;
    if (!wantsAnything(this.#filter)) {
      this.#previous?.end();
      this.#previous = undefined;
      return;
    }
    const filter = this.#filter;
    lastId += 1;
    const id = `listen-${lastId}`;
    const request: RpcRequest = {
      jsonrpc: '2.0',
      id,
      method: 'subscriptions/listen',
      params: { _meta: ownEnvelope(), notifications: filter },
    };
    const end = this.#init.open(request, {
      message: (message) => this.#receive(id, message),
      ended: (why, refused) => this.#ended(id, why, refused),
    });
    if (end !== undefined) this.#current = { id, filter, end };
    else this.#gap = true;
  }

  #receive(id: string, message: RpcMessage): void {
    const subscription = this.#find(id);
    if (subscription === undefined) return;
    if (!isNotification(message)) {
      const error = 'error' in message ? message.error : undefined;
      const refused = error !== undefined && refusals.has(error.code);
      this.#ended(id, error === undefined ? 'the server ended it' : error.message, refused);
    } else if (message.method === 'notifications/subscriptions/acknowledged') this.#acknowledged(subscription);
    else if (message.method === 'notifications/cancelled') this.#ended(id, 'the server cancelled it', false);
    else this.#init.notify(withoutSubscription(message));
  }

  #acknowledged(subscription: Subscription): void {
    this.#backoff.reset();
    if (subscription !== this.#current) return;
    this.#previous?.end();
    this.#previous = undefined;
    if (!this.#gap) return;
    this.#gap = false;
    for (const notice of everyNotice(subscription.filter)) this.#init.notify(notice);
  }

  #ended(id: string, why: string, refused: boolean): void {
    const subscription = this.#find(id);
    if (subscription === undefined || this.#closed) return;
    if (subscription === this.#previous) {
      this.#previous = undefined;
      return;
    }
    this.#current = undefined;
    this.#gap = true;
    const place = `server "${this.#init.server}": change notices`;
    if (refused) {
      this.#init.log.warn(`${place} are not to be had (${why}); lists are renewed when it is opened again`);
      return;
    }
    const wait = this.#backoff.next();
    this.#init.log.debug(`${place} broke off (${why}); trying again in ${wait} ms`);
    this.#retry = setTimeout(() => this.#open(), wait);
    this.#retry.unref();
  }

  #find(id: string): Subscription | undefined {
    return [this.#current, this.#previous].find((each) => each?.id === id);
  }
}

const refusals = new Set<number>([rpcCode.methodNotFound, rpcCode.invalidParams, rpcCode.invalidRequest]);

function wantsAnything(filter: ListenFilter): boolean {
  return Object.values(filter).some((wanted) => (Array.isArray(wanted) ? wanted.length > 0 : wanted === true));
}

function withoutSubscription(message: RpcNotification): RpcNotification {
  const meta = message.params?.['_meta'];
  if (!isObject(meta) || !(metaKey.subscriptionId in meta)) return message;
  const { [metaKey.subscriptionId]: _, ...rest } = meta;
  const { _meta, ...params } = message.params as JsonObject;
  const { params: _params, ...bare } = message;
  const left = Object.keys(rest).length === 0 ? params : { ...params, _meta: rest };
  return Object.keys(left).length === 0 ? bare : { ...bare, params: left };
}

/** Every notice a filter asks for: what may have been missed is announced as changed. */
function* everyNotice(filter: ListenFilter): Iterable<RpcNotification> {
  if (filter.toolsListChanged === true) yield { jsonrpc: '2.0', method: 'notifications/tools/list_changed' };
  if (filter.promptsListChanged === true) yield { jsonrpc: '2.0', method: 'notifications/prompts/list_changed' };
  if (filter.resourcesListChanged === true) yield { jsonrpc: '2.0', method: 'notifications/resources/list_changed' };
  for (const uri of filter.resourceSubscriptions ?? []) {
    yield { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } };
  }
}
