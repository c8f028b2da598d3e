// Opens a server: connects, finds out its era, shakes hands; also again, when a connection has broken. Connections themselves: `connection.ts`.
import {
  EventGate,
  initializeParams,
  isPoliteRefusal,
  ownEnvelope,
  readDiscovery,
  readInitialize,
  WrongEra,
} from 'plugboard';
import type {
  Connection,
  ConnectionEvents,
  Discovery,
  Era,
  LeaseKey,
  Log,
  RpcErrorBody,
  RpcResponse,
  ServerInfo,
} from 'plugboard';
import { Attempt } from './attempt.ts';
import { Channel } from './channel.ts';
import { ServerConnection } from './connection.ts';
import type { ServerLimits } from './definition.ts';
import type { ServerSettings } from './entry.ts';

/** A server and who it is opened for. */
export interface Target {
  readonly settings: ServerSettings;
  readonly limits: ServerLimits;
  readonly log: Log;
  readonly key: LeaseKey;
}

/** A channel on which hands have been shaken. */
export interface Opened {
  readonly channel: Channel;
  readonly era: Era;
  readonly info: ServerInfo;
}

/** Eras that were found out, by fingerprint; they outlive a change of the configuration. A wrong one is found out anew. */
const verdicts = new Map<string, Era>();
const maxVerdicts = 1000;

/** Opens one connection. Rejects with an Error that says what to do; nothing is left open then. */
export async function openServer(target: Target, events: ConnectionEvents, signal: AbortSignal): Promise<Connection> {
  const gate = new EventGate(events);
  const opened = await shakeHands(target, gate, target.settings.era, signal);
  const again = (era: Era, abort: AbortSignal) => shakeHands(target, gate, era, abort);
  return new ServerConnection(target, gate, opened, again);
}

async function shakeHands(target: Target, gate: EventGate, era: Era | 'auto', signal: AbortSignal): Promise<Opened> {
  const attempt = new Attempt(target.settings.name, target.limits.connectTimeout, signal);
  try {
    return await new Opening(target, gate, attempt).run(era);
  } finally {
    attempt.end();
  }
}

/** What the answer to `server/discover` says; undefined: there was none in time. `gone`: the connection ended. */
type ProbeOutcome = Exclude<Discovery, { kind: 'again' }> | { readonly kind: 'gone'; readonly error?: RpcErrorBody };

class Opening {
  readonly #target: Target;
  readonly #gate: EventGate;
  readonly #attempt: Attempt;

  constructor(target: Target, gate: EventGate, attempt: Attempt) {
    this.#target = target;
    this.#gate = gate;
    this.#attempt = attempt;
  }

  async run(era: Era | 'auto'): Promise<Opened> {
    const { fingerprint } = this.#target.settings;
    if (era !== 'auto') return this.#fresh(era);
    const verdict = verdicts.get(fingerprint);
    if (verdict !== undefined) {
      try {
        return await this.#fresh(verdict);
      } catch (error) {
        if (!(error instanceof WrongEra)) throw error;
        verdicts.delete(fingerprint);
      }
    }
    const opened = await this.#detect();
    const [oldest] = verdicts.keys();
    if (oldest !== undefined && verdicts.size >= maxVerdicts) verdicts.delete(oldest);
    verdicts.set(fingerprint, opened.era);
    return opened;
  }

  /**
   * Asks for `server/discover`. A server of the new era is kept. An old one that politely refuses is initialized on the same connection;
   * one that hangs up or falls silent at the unknown request gets a fresh one.
   */
  async #detect(): Promise<Opened> {
    const channel = await this.#connect();
    const found = await this.#guard(channel, this.#discover(channel), this.#target.limits.probeTimeout);
    if (found?.kind === 'new') return { channel, era: 'new', info: found.info };
    if (found?.kind === 'unknown') return this.#giveUp(channel, this.#unknown(found.versions));
    if (found?.kind === 'old' && isPoliteRefusal(found.error)) {
      const asked = channel.ask('initialize', initializeParams(this.#target.key)).catch(() => undefined);
      const response = await this.#guard(channel, asked, this.#attempt.left / 2);
      if (response?.result !== undefined) return this.#initialized(channel, response);
    }
    await channel.close();
    try {
      return await this.#fresh('old');
    } catch (error) {
      if (!(error instanceof WrongEra)) throw error;
      return this.#fresh('new');
    }
  }

  /** A connection of its own for an era that is known. */
  async #fresh(era: Era): Promise<Opened> {
    const channel = await this.#connect();
    if (era === 'old') {
      const asked = channel.ask('initialize', initializeParams(this.#target.key));
      return this.#initialized(channel, (await this.#guard(channel, asked)) as RpcResponse);
    }
    const found = await this.#guard(channel, this.#discover(channel));
    if (found?.kind === 'new') return { channel, era, info: found.info };
    if (found?.kind === 'unknown') return this.#giveUp(channel, this.#unknown(found.versions));
    if (found?.kind === 'gone') return this.#giveUp(channel, new Error(await this.#why(channel)));
    const { name } = this.#target.settings;
    return this.#giveUp(
      channel,
      new WrongEra(`server "${name}" does not speak 2026-07-28; configure \`era: old\` or leave it out`),
    );
  }

  async #initialized(channel: Channel, response: RpcResponse): Promise<Opened> {
    try {
      const info = readInitialize(this.#target.settings.name, response);
      channel.peer.notify('notifications/initialized');
      return { channel, era: 'old', info };
    } catch (error) {
      return this.#giveUp(channel, error as Error);
    }
  }

  #connect(): Promise<Channel> {
    return Channel.open(this.#target, this.#gate, this.#attempt.signal);
  }

  async #discover(channel: Channel): Promise<ProbeOutcome> {
    try {
      for (let asked = 0; ; asked += 1) {
        const response = await channel.ask('server/discover', { _meta: ownEnvelope() });
        const found = readDiscovery(this.#target.settings.name, response);
        if (found.kind !== 'again') return found;
        if (asked > 0) return { kind: 'old', error: response.error };
      }
    } catch {
      return { kind: 'gone' };
    }
  }

  /** Waits for something of a server, so many ms at most; when the attempt or the connection ends, the reason is thrown. */
  async #guard<Value>(channel: Channel, promise: Promise<Value>, ms?: number): Promise<Value | undefined> {
    try {
      return await this.#attempt.race(promise, ms);
    } catch {
      const { signal } = this.#attempt;
      return this.#giveUp(channel, signal.aborted ? (signal.reason as Error) : new Error(await this.#why(channel)));
    }
  }

  async #why(channel: Channel): Promise<string> {
    const { name } = this.#target.settings;
    return `server "${name}" ${await channel.ended} before it was ready; see its own log`;
  }

  #unknown(versions: string): Error {
    const { name } = this.#target.settings;
    return new Error(`server "${name}" speaks only protocol versions not known here (${versions}); update the proxy`);
  }

  async #giveUp(channel: Channel, error: Error): Promise<never> {
    await channel.close();
    throw error;
  }
}
