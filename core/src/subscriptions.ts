// Subscriptions to resources: the servers asked to tell of changes, for sessions and for streams. Who hears of a change: `listeners.ts`.
import type { Exchange } from './exchange.ts';
import { failureAnswer } from './forward.ts';
import type { Listener, Listeners } from './listeners.ts';
import { Answer } from './protocol/answer.ts';
import { rpcCode } from './protocol/messages.ts';
import { unknownResource } from './resource-routes.ts';
import type { Watch } from './rewatching.ts';
import type { ResourceRoutes } from './resource-routes.ts';
import type { Server } from './server.ts';
import type { Servers } from './servers.ts';
import type { SubscribedUris } from './session.ts';
import type { Caller } from './upstream-call.ts';

/** URIs that one session may subscribe to. */
const mostUris = 1000;

export interface SubscriptionParts {
  readonly servers: Servers;
  readonly listeners: Listeners;
  readonly routes: ResourceRoutes;
  readonly report: (error: unknown) => void;
}

/** Begins and ends subscriptions. A URI is remembered with the server that it was found at, and no other server is told of it. */
export class Subscriptions {
  readonly #parts: SubscriptionParts;
  /** Subscriptions whose server has not answered yet: they wait for it themselves, and end when it goes. */
  readonly #beginning = new Set<{ readonly uri: string; readonly subscriber: SubscribedUris }>();

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
  }

  /** Answers `resources/subscribe` (old era); with the server's own refusal where it refuses. */
  async subscribe(exchange: Exchange): Promise<Answer> {
    const { subscriptions } = exchange.session;
    const uri = exchange.request.params?.['uri'];
    const server = typeof uri === 'string' ? await this.#serverOf(exchange, uri) : undefined;
    if (typeof uri !== 'string' || server === undefined) return unknownResource(String(uri), exchange);
    if (subscriptions.size >= mostUris && !subscriptions.has(uri))
      return Answer.error(rpcCode.invalidRequest, `at most ${mostUris} subscriptions in one session`);
    // A session that has ended meanwhile would never give it back.
    if (exchange.cancelled) return Answer.error(rpcCode.invalidRequest, 'the client has cancelled');
    const refusal = await this.#begin(exchange, server, uri, subscriptions);
    if (server.era === 'new') this.#tellNewServers();
    return refusal ?? Answer.result({});
  }

  /** Answers `resources/unsubscribe` (old era). What was subscribed to is given back even if the grant does not see it any more. */
  async unsubscribe(exchange: Exchange): Promise<Answer> {
    const { session, caller, request } = exchange;
    const uri = String(request.params?.['uri']);
    const name = session.subscriptions.get(uri);
    if (name === undefined)
      return (await this.#serverOf(exchange, uri)) === undefined ? unknownResource(uri, exchange) : Answer.result({});
    session.subscriptions.delete(uri);
    const server = this.#parts.servers.find(name, session.grant);
    if (server !== undefined) stop(server, uri, session.subscriptions, caller);
    if (server?.era === 'new') this.#tellNewServers();
    return Answer.result({});
  }

  /**
   * Makes the servers of some URIs tell a stream of their changes; resolves when each has been asked and has answered. Then the ear has
   * those that are watched: URIs that nobody serves, or whose server refuses or is down, are left out and keep no other from being watched.
   */
  async watch(exchange: Exchange, uris: ReadonlySet<string>, ear: Listener): Promise<void> {
    const found: (readonly [string, Server])[] = [];
    for (const uri of uris) {
      const server = await this.#serverOf(exchange, uri);
      if (server !== undefined) found.push([uri, server]);
    }
    if (!this.#parts.listeners.has(ear)) return;
    await Promise.all(
      found.map(([uri, server]) =>
        this.#begin(exchange, server, uri, ear.uris).catch((error: unknown) => {
          ear.uris.delete(uri);
          this.#parts.report(error);
        }),
      ),
    );
    if (found.some(([, server]) => server.era === 'new')) this.#tellNewServers();
  }

  /** Gives back all that an ear has been subscribed to. It is no listener any more. */
  release({ session, uris }: Listener, caller: Caller): void {
    if (uris.size === 0) return;
    const given = [...uris];
    uris.clear();
    for (const [uri, name] of given) {
      const server = this.#parts.servers.find(name, session.grant);
      if (server !== undefined) stop(server, uri, uris, caller);
    }
    this.#tellNewServers();
  }

  async #serverOf({ view, session }: Exchange, uri: string): Promise<Server | undefined> {
    const name = await this.#parts.routes.serverOf(view, uri);
    return name === undefined ? undefined : this.#parts.servers.find(name, session.grant);
  }

  /** Subscribes to one URI for whoever keeps the given ones; resolves with the answer that says why not, if there is one. */
  async #begin(
    { session, caller }: Exchange,
    server: Server,
    uri: string,
    subscriber: SubscribedUris,
  ): Promise<Answer | undefined> {
    // Noted before the server is asked: it may tell of a change together with its answer.
    subscriber.set(uri, server.name);
    const beginning = { uri, subscriber };
    this.#beginning.add(beginning);
    try {
      const lease = await server.lease(session, caller);
      if (!subscriber.has(uri)) return undefined;
      // A new-era server is told all its URIs together, and does not answer.
      if (lease.connection.era === 'new') return undefined;
      const answer = await lease.subscribe(uri, subscriber, caller);
      if (answer.failed) subscriber.delete(uri);
      // Whoever asked may be gone by now, or have thought better of it.
      else if (!subscriber.has(uri)) stop(server, uri, subscriber, caller);
      return answer.failed ? answer : undefined;
    } catch (failure) {
      subscriber.delete(uri);
      return failureAnswer(failure, server.name);
    } finally {
      this.#beginning.delete(beginning);
    }
  }

  /** The resources of a server that anybody wants to hear of. */
  watchedAt(server: Server): string[] {
    return [...(this.#watchedAt([server]).get(server) ?? [])];
  }

  /** What is watched at an old-era server, and none of its connections tells of; by the id of the lease that should. */
  missingAt(server: Server): Map<string, Watch[]> {
    const missing = new Map<string, Watch[]>();
    for (const ear of this.#parts.listeners.all()) {
      const { session, caller, uris } = ear;
      for (const [uri, name] of uris) {
        if (this.#parts.servers.find(name, session.grant) !== server || this.#begins(uri, uris)) continue;
        const id = server.leases.idFor(session, caller);
        if (server.leases.tells(id, uri)) continue;
        const watch = this.#watchOf(ear, server, uri);
        if (missing.get(id)?.push(watch) === undefined) missing.set(id, [watch]);
      }
    }
    return missing;
  }

  #begins(uri: string, subscriber: SubscribedUris): boolean {
    for (const each of this.#beginning) if (each.uri === uri && each.subscriber === subscriber) return true;
    return false;
  }

  #watchOf(ear: Listener, server: Server, uri: string): Watch {
    const { session, caller, view, uris } = ear;
    return {
      uri,
      subscriber: uris,
      caller,
      lease: () => server.lease(session, caller),
      changed: () => {
        if (view.mayUse(server, uri))
          ear.send({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } });
      },
    };
  }

  /** Tells each new-era server which of its resources anybody wants to hear of. */
  #tellNewServers(): void {
    const servers = this.#parts.servers.everywhere().filter(({ era }) => era === 'new');
    for (const [server, uris] of this.#watchedAt(servers)) server.watchResources([...uris]);
  }

  #watchedAt(of: readonly Server[]): Map<Server, Set<string>> {
    const { servers, listeners } = this.#parts;
    const watched = new Map(of.map((server) => [server, new Set<string>()]));
    for (const { session, uris } of listeners.all()) {
      for (const [uri, name] of uris) {
        const server = servers.find(name, session.grant);
        if (server !== undefined) watched.get(server)?.add(uri);
      }
    }
    return watched;
  }
}

/** Ends a subscription at whichever connection of an old-era server has it. None is opened for that. */
function stop(server: Server, uri: string, subscriber: SubscribedUris, caller: Caller): void {
  for (const lease of server.leases.open()) lease.unsubscribe(uri, subscriber, caller);
}
