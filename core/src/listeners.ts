// Who wants to hear of changes, and telling them: only those whose visible list changed, once per change.
import { metaKey } from './protocol/messages.ts';
import type { JsonObject, RequestId, RpcNotification } from './protocol/messages.ts';
import { listKinds, listMethods } from './protocol/methods.ts';
import type { ListKind } from './protocol/methods.ts';
import type { Lease } from './lease.ts';
import type { Server } from './server.ts';
import type { Session, SubscribedUris } from './session.ts';
import type { View } from './toolset.ts';
import type { Caller } from './upstream-call.ts';

/** One ear: an old-era session, or one `subscriptions/listen` stream of the new era. */
export interface Listener {
  readonly session: Session;
  readonly view: View;
  /** Who listens, as servers know the client. */
  readonly caller: Caller;
  /** `list_changed` notifications that it wants, by method. */
  readonly wants: ReadonlySet<string>;
  /** Resources that it hears of. */
  readonly uris: SubscribedUris;
  /** What it was last shown or told of, by list: a digest. */
  readonly known: Map<ListKind, string>;
  send(message: RpcNotification): void;
  /** Called when the session has ended; the listener is none any more. */
  end(): void;
}

const allChanges: ReadonlySet<string> = new Set(listKinds.map((kind) => listMethods[kind].changed));

/** The ear of an old-era session: hears every list change, and the resources it has subscribed to. `ended` gives those back. */
export function sessionListener(session: Session, view: View, ended: (ear: Listener) => void): Listener {
  const ear: Listener = {
    session,
    view,
    caller: session,
    wants: allChanges,
    uris: session.subscriptions,
    known: new Map(),
    send: (message) => session.send(message),
    end: () => ended(ear),
  };
  return ear;
}

/** What a `subscriptions/listen` filter asks for. */
export interface ListenWishes {
  /** The list changes among it, as the filter names them: all are honoured. */
  readonly lists: JsonObject;
  readonly wants: ReadonlySet<string>;
  /** Resources; which of them can be watched is another question. */
  readonly uris: ReadonlySet<string>;
}

const maxUris = 1000;

/** Reads a filter (2026-07-28, `subscriptions/listen`); undefined when it is not one. */
export function readFilter(filter: unknown): ListenWishes | undefined {
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter)) return undefined;
  const given = filter as JsonObject;
  const lists: JsonObject = {};
  const wants = new Set<string>();
  for (const kind of listKinds) {
    const { filter: member, changed } = listMethods[kind];
    if (given[member] !== true) continue;
    lists[member] = true;
    wants.add(changed);
  }
  const uris = given['resourceSubscriptions'];
  const valid = Array.isArray(uris)
    ? uris.filter((uri): uri is string => typeof uri === 'string').slice(0, maxUris)
    : [];
  return { lists, wants, uris: new Set(valid) };
}

export interface Stream {
  readonly session: Session;
  readonly view: View;
  readonly caller: Caller;
  readonly wishes: ListenWishes;
  readonly notify: (message: RpcNotification) => void;
  /** Id of the listen request. */
  readonly id: RequestId;
  readonly end: () => void;
}

/** The ear of one `subscriptions/listen` stream: every notification carries the id of the listen request. */
export function streamListener({ session, view, caller, wishes, notify, id, end }: Stream): Listener {
  // In the new era nobody knows which client listed what: a stream is told of what changes after it was opened.
  const known = new Map<ListKind, string>();
  for (const kind of listKinds) {
    if (!wishes.wants.has(listMethods[kind].changed)) continue;
    if (view.outdated(kind)) known.set(kind, '');
    else
      void Promise.resolve(view.list(kind)).then(
        (listing) => known.has(kind) || known.set(kind, listing.digest),
        () => {},
      );
  }
  const send = (message: RpcNotification) => notify(tagged(message, id));
  return { session, view, caller, wants: wishes.wants, uris: new Map(), known, send, end };
}

/** The first message of a stream: what of its filter is honoured. */
export function acknowledgement(notifications: JsonObject, id: RequestId): RpcNotification {
  const method = 'notifications/subscriptions/acknowledged';
  return tagged({ jsonrpc: '2.0', method, params: { notifications } }, id);
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
      listener.end();
    }
  }

  has(listener: Listener): boolean {
    return this.#listeners.has(listener);
  }

  /** True while the session, or a stream of it, has an ear here. */
  listensFor(session: Session): boolean {
    for (const listener of this.#listeners) if (listener.session === session) return true;
    return false;
  }

  all(): Iterable<Listener> {
    return this.#listeners;
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
      if (mayHear(listener, server, lease, uri)) listener.send(message);
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
function mayHear({ session, view, uris }: Listener, server: Server, lease: Lease | undefined, uri: string): boolean {
  if (uris.get(uri) !== server.name || !view.mayUse(server, uri)) return false;
  return lease === undefined || lease.serves(session);
}
