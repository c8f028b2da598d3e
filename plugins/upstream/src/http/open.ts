// Opens an HTTP server: finds out its era and transport, shakes hands.
import {
  Attempt,
  EventGate,
  newVersion,
  notNew,
  ownEnvelope,
  readDiscovery,
  unknownVersions,
  WrongEra,
} from 'plugboard';
import type { Connection, Discovery, RpcRequest } from 'plugboard';
import type { HttpSettings } from '../settings.ts';
import type { Shared } from '../shared.ts';
import { attemptAt } from '../target.ts';
import type { Target } from '../target.ts';
import type { Verdict } from '../verdicts.ts';
import { HttpClient } from './client.ts';
import type { RoundTrip } from './client.ts';
import type { Door } from './door.ts';
import { explain } from './failures.ts';
import { NewConnection } from './new-connection.ts';
import { OldConnection } from './old-connection.ts';
import { NotStreamable, ownId } from './old-session.ts';
import { mirrorHeaders } from './mirror-headers.ts';
import { SseConnection } from './sse-connection.ts';

/** Statuses that say nothing about the era of a server: who is asking, and how it fares, come first. */
const noEvidence = new Set([401, 402, 403, 407, 408, 425, 429]);
/** ms for the first event of an older transport's stream, when it is only a guess that there is one. */
const endpointTime = 5000;

/** Opens one connection. Rejects with an Error that says what to do. */
export function openHttp(target: Target<HttpSettings>, signal: AbortSignal): Promise<Connection> {
  return Attempt.during(attemptAt(target, signal), (attempt) => new Opening(target, attempt).run());
}

class Opening {
  readonly #target: Target<HttpSettings>;
  readonly #shared: Shared;
  readonly #settings: HttpSettings;
  readonly #attempt: Attempt;

  constructor(target: Target<HttpSettings>, attempt: Attempt) {
    this.#target = target;
    this.#shared = target.shared;
    this.#settings = target.settings;
    this.#attempt = attempt;
  }

  async run(): Promise<Connection> {
    const { transport } = this.#settings;
    const client = await this.#attempt.race(HttpClient.make(this.#settings, this.#shared));
    try {
      return await (transport === 'sse' ? this.#sse(client) : this.#found(client));
    } catch (error) {
      // A person takes longer than a start may take: say what is being waited for. The next try finds what they did meanwhile.
      throw client.authorizer?.busy === true ? client.authorizer.waiting : error;
    }
  }

  /** Opens with what is known of the server; when that has become wrong, without. */
  async #found(client: HttpClient): Promise<Connection> {
    const { era, fingerprint } = this.#settings;
    const verdict = era === 'auto' ? this.#shared.verdicts.get(fingerprint) : undefined;
    try {
      return await this.#open(client, verdict);
    } catch (error) {
      if (verdict === undefined || !(error instanceof WrongEra || error instanceof NotStreamable)) throw error;
      this.#shared.verdicts.delete(fingerprint);
      return this.#open(client, undefined);
    }
  }

  async #open(client: HttpClient, verdict: Verdict | undefined): Promise<Connection> {
    const { era, name } = this.#settings;
    if (era !== 'old' && verdict?.era !== 'old') {
      const found = await this.#discover(client);
      if (found.kind === 'new') {
        this.#remember({ era: 'new', at: Date.now() });
        return new NewConnection(this.#door(client), found.info);
      }
      if (found.kind === 'unknown') throw unknownVersions(name, found.versions);
      if (found.silent === true) return OldConnection.open(this.#door(client), this.#attempt);
      if (era === 'new') throw notNew(name);
    }
    return verdict?.transport === 'sse' ? this.#sse(client) : this.#streamable(client);
  }

  async #streamable(client: HttpClient): Promise<Connection> {
    try {
      const connection = await OldConnection.open(this.#door(client), this.#attempt);
      this.#remember({ era: 'old', transport: 'http', at: Date.now() });
      return connection;
    } catch (error) {
      if (!(error instanceof NotStreamable)) throw error;
      return this.#older(client, error);
    }
  }

  /** `initialize` met 400, 404 or 405: perhaps a server of 2024-11-05, whose stream is at the same address. */
  async #older(client: HttpClient, refusal: Error): Promise<Connection> {
    const opened = this.#sse(client, Math.min(endpointTime, this.#attempt.left));
    const connection = await opened.catch((error: Error) => {
      if (this.#attempt.signal.aborted) throw error;
      throw refusal;
    });
    this.#remember({ era: 'old', transport: 'sse', at: Date.now() });
    return connection;
  }

  async #sse(client: HttpClient, limit?: number): Promise<Connection> {
    const open = (attempt: Attempt) => SseConnection.open(this.#door(client), attempt);
    return limit === undefined ? open(this.#attempt) : this.#attempt.within(limit, open);
  }

  #door(client: HttpClient): Door {
    const { shared, key, events } = this.#target;
    return { shared, client, key, gate: new EventGate(events) };
  }

  async #discover(client: HttpClient): Promise<Found> {
    for (let asked = 0; ; asked += 1) {
      const trip = await this.#probe(client);
      if (trip === undefined) return { kind: 'old', error: undefined, silent: true };
      const { response, reply } = trip;
      if (reply.error !== undefined || noEvidence.has(reply.status) || reply.status >= 500)
        throw new Error(explain(this.#settings, reply));
      const found = response === undefined ? undefined : readDiscovery(this.#settings.name, response);
      if (found === undefined) return { kind: 'old', error: undefined };
      if (found.kind !== 'again') return found;
      if (asked > 0) return { kind: 'old', error: response?.error };
    }
  }

  /** Asks for `server/discover`. Undefined: no answer in time, which a successful `initialize` may yet explain. */
  async #probe(client: HttpClient): Promise<RoundTrip | undefined> {
    const params = { _meta: ownEnvelope() };
    const request: RpcRequest = { jsonrpc: '2.0', id: ownId(), method: 'server/discover', params };
    const headers = [
      ...client.postHeaders,
      'mcp-protocol-version',
      newVersion,
      ...mirrorHeaders(request.method, params),
    ];
    // A server that must be new has nothing to fall back to.
    const limit = this.#attempt.left / (this.#settings.era === 'new' ? 1 : 2);
    return this.#attempt.within(limit, async ({ signal }) => {
      try {
        return await client.roundTrip(request, headers, signal);
      } catch (error) {
        if (this.#attempt.signal.aborted) throw this.#attempt.signal.reason as Error;
        if (!signal.aborted) throw error;
        if (client.authorizer?.busy !== true) return undefined;
        // It did answer: it wants somebody to sign in.
        await this.#attempt.race(client.authorizer.settled());
        return this.#probe(client);
      }
    });
  }

  #remember(verdict: Verdict): void {
    const { era, fingerprint } = this.#settings;
    const known = this.#shared.verdicts.get(fingerprint);
    if (era === 'auto' && (known?.era !== verdict.era || known.transport !== verdict.transport)) {
      this.#shared.verdicts.set(fingerprint, verdict);
    }
  }
}

type Found = Exclude<Discovery, { kind: 'again' }> & { readonly silent?: boolean };
