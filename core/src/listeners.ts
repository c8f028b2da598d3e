// Who wants to hear of changes, and telling them: only those whose visible list changed, once per change.
import { metaKey } from './protocol/messages.ts';
import type { JsonObject, RequestId, RpcNotification } from './protocol/messages.ts';
import { listKinds, listMethods } from './protocol/methods.ts';
import type { ListKind } from './protocol/methods.ts';
import type { Lease } from './lease.ts';
import type { Server } from './server.ts';
import type { Reply, Session } from './session.ts';
import type { View } from './toolset.ts';

/** One ear: an old-era session, or one `subscriptions/listen` stream of the new era. */
export interface Listener {
  readonly session: Session;
  readonly view: View;
  /** `list_changed` notifications that it wants, by method. */
  readonly wants: ReadonlySet<string>;
  readonly uris: ReadonlySet<string>;
  /** What it was last shown or told of, by list: a digest. */
  readonly known: Map<ListKind, string>;
  send(message: RpcNotification): void;
  /** Ends a stream; a session's ear needs no ending. */
  readonly end?: () => void;
}

const allChanges: ReadonlySet<string> = new Set(listKinds.map((kind) => listMethods[kind].changed));

/** The ear of an old-era session: hears every list change, and the resources it has subscribed to. */
export function sessionListener(session: Session, view: View): Listener {
  return {
    session,
    view,
    wants: allChanges,
    uris: session.subscriptions,
    known: new Map(),
    send: (message) => session.send(message),
  };
}

/** What a `subscriptions/listen` filter asks for, as far as it is honoured. */
export interface HonouredFilter {
  readonly acknowledged: JsonObject;
  readonly wants: ReadonlySet<string>;
  readonly uris: ReadonlySet<string>;
}

const maxUris = 1000;

/** Reads a filter (2026-07-28, `subscriptions/listen`); undefined when it is not one. */
export function readFilter(filter: unknown): HonouredFilter | undefined {
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter)) return undefined;
  const given = filter as JsonObject;
  const acknowledged: JsonObject = {};
  const wants = new Set<string>();
  for (const kind of listKinds) {
    const { filter: member, changed } = listMethods[kind];
    if (given[member] !== true) continue;
    acknowledged[member] = true;
    wants.add(changed);
  }
  const uris = given['resourceSubscriptions'];
  const valid = Array.isArray(uris)
    ? uris.filter((uri): uri is string => typeof uri === 'string').slice(0, maxUris)
    : [];
  if (valid.length > 0) acknowledged['resourceSubscriptions'] = valid;
  return { acknowledged, wants, uris: new Set(valid) };
}

export interface Stream {
  readonly session: Session;
  readonly view: View;
  readonly filter: HonouredFilter;
  readonly reply: Reply;
  /** Id of the listen request. */
  readonly id: RequestId;
  readonly end: () => void;
}

/** The ear of one `subscriptions/listen` stream: every notification carries the id of the listen request. */
export function streamListener({ session, view, filter, reply, id, end }: Stream): Listener {
  // In the new era nobody knows which client listed what: a stream is told of what changes after it was opened.
  const known = new Map<ListKind, string>();
  for (const kind of listKinds) {
    if (!filter.wants.has(listMethods[kind].changed)) continue;
    if (view.outdated(kind)) known.set(kind, '');
    else
      void Promise.resolve(view.list(kind)).then(
        (listing) => known.has(kind) || known.set(kind, listing.digest),
        () => {},
      );
  }
  const send = (message: RpcNotification) => reply.notify(tagged(message, id));
  return { session, view, wants: filter.wants, uris: filter.uris, known, send, end };
}

/** The first message of a stream: what of its filter is honoured. */
export function acknowledgement(filter: HonouredFilter, id: RequestId): RpcNotification {
  const method = 'notifications/subscriptions/acknowledged';
  return tagged({ jsonrpc: '2.0', method, params: { notifications: filter.acknowledged } }, id);
}

/** A notification with the id of the stream it goes to. */
function tagged(message: RpcNotification, id: RequestId): RpcNotification {
  const meta = message.params?.['_meta'] as JsonObject | undefined;
  return { ...message, params: { ...message.params, _meta: { ...meta, [metaKey.subscriptionId]: id } } };
}

/** Collects changes for a moment before anybody is told; ms. */
const debounce = 25;

/** All ears. */
export class Listeners {
  readonly #listeners = new Set<Listener>();
  #timer: NodeJS.Timeout | undefined;
  /** For whom something has changed since the last announcement. */
  #all = false;
  readonly #grants = new Set<string>();
  readonly #report: (error: unknown) => void;

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  add(listener: Listener): void {
    this.#listeners.add(listener);
  }

  delete(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** Forgets the ears of a session that has ended. */
  end(session: Session): void {
    for (const listener of [...this.#listeners]) {
      if (listener.session !== session) continue;
      this.#listeners.delete(listener);
      listener.end?.();
    }
  }

  /** All URIs that anybody wants to hear of. */
  uris(): Set<string> {
    const all = new Set<string>();
    for (const { uris } of this.#listeners) for (const uri of uris) all.add(uri);
    return all;
  }

  /** Something that lists depend on has changed, for everybody or for one grant: soon, whoever sees a difference is told. */
  changed(grant?: string): void {
    if (grant === undefined) this.#all = true;
    else this.#grants.add(grant);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#announce().catch(this.#report);
    }, debounce);
  }

  /** Tells whoever subscribed to the resource and can see the server. */
  resourceUpdated(server: Server, lease: Lease | undefined, message: RpcNotification): void {
    const uri = String(message.params?.['uri']);
    for (const listener of this.#listeners) {
      if (!listener.uris.has(uri) || !mayHear(listener, server, lease, uri)) continue;
      listener.send(message);
    }
  }

  /** Each view with ears is listed again once; ears are told of what differs. */
  async #announce(): Promise<void> {
    const byView = new Map<View, Listener[]>();
    const [all, grants] = [this.#all, new Set(this.#grants)];
    this.#all = false;
    this.#grants.clear();
    for (const listener of this.#listeners) {
      if (!all && !grants.has(listener.view.grant.id)) continue;
      const together = byView.get(listener.view);
      if (together === undefined) byView.set(listener.view, [listener]);
      else together.push(listener);
    }
    for (const [view, listeners] of byView) {
      const digests = await this.#digestsOf(view);
      for (const listener of listeners) if (this.#listeners.has(listener)) tell(listener, digests);
    }
  }

  async #digestsOf(view: View): Promise<Map<ListKind, string>> {
    const digests = new Map<ListKind, string>();
    for (const kind of listKinds) {
      try {
        digests.set(kind, (await view.list(kind)).digest);
      } catch (error) {
        this.#report(error);
      }
    }
    return digests;
  }
}

/** Tells a listener which of its lists differ from what it knows; each notification once, though two lists share one. */
function tell(listener: Listener, digests: ReadonlyMap<ListKind, string>): void {
  const methods = new Set<string>();
  for (const [kind, digest] of digests) {
    const { changed } = listMethods[kind];
    const before = listener.known.get(kind);
    // Who has never been shown a list does not miss its changes.
    if (before === undefined || before === digest) continue;
    listener.known.set(kind, digest);
    if (listener.wants.has(changed)) methods.add(changed);
  }
  for (const method of methods) listener.send({ jsonrpc: '2.0', method });
}

/** True when what this server says of a resource, on this connection, is for the listener. */
function mayHear({ session, view }: Listener, server: Server, lease: Lease | undefined, uri: string): boolean {
  if (!view.allows('resources', server.name, uri)) return false;
  return lease === undefined || lease.serves(session);
}
