// Opens a server: connects, finds out its era, shakes hands; also again, when a connection has broken. Connections themselves: `connection.ts`.
import { Attempt, EventGate, isPoliteRefusal, notNew, unknownVersions, WrongEra } from 'plugboard';
import type { Connection, ConnectionEvents, Era, LeaseKey, Log, RpcResponse, ServerInfo } from 'plugboard';
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

function shakeHands(target: Target, gate: EventGate, era: Era | 'auto', signal: AbortSignal): Promise<Opened> {
  const { settings, limits } = target;
  const option = 'connectTimeout of plugin "websocket"';
  return Attempt.during({ server: settings.name, limit: limits.connectTimeout, outer: signal, option }, (attempt) =>
    new Opening(target, gate, attempt).run(era),
  );
}

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
    const found = await this.#guard(channel, channel.conversation.discover(), this.#target.limits.probeTimeout);
    if (found?.kind === 'new') return { channel, era: 'new', info: found.info };
    if (found?.kind === 'unknown') return this.#giveUp(channel, unknownVersions(this.#name, found.versions));
    if (found?.kind === 'old' && isPoliteRefusal(found.error)) {
      const asked = channel.conversation.initialize(this.#target.key).catch(() => undefined);
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
      const asked = channel.conversation.initialize(this.#target.key);
      return this.#initialized(channel, await this.#guard(channel, asked));
    }
    const found = await this.#guard(channel, channel.conversation.discover());
    if (found.kind === 'new') return { channel, era, info: found.info };
    if (found.kind === 'unknown') return this.#giveUp(channel, unknownVersions(this.#name, found.versions));
    if (found.kind === 'gone') return this.#giveUp(channel, new Error(await this.#why(channel)));
    return this.#giveUp(channel, notNew(this.#name));
  }

  async #initialized(channel: Channel, response: RpcResponse): Promise<Opened> {
    try {
      return { channel, era: 'old', info: channel.conversation.initialized(response) };
    } catch (error) {
      return this.#giveUp(channel, error as Error);
    }
  }

  #connect(): Promise<Channel> {
    return Channel.open(this.#target, this.#gate, this.#attempt.signal);
  }

  get #name(): string {
    return this.#target.settings.name;
  }

  /** Waits for something of a server, so many ms at most; when the attempt or the connection ends, the reason is thrown. */
  async #guard<Value>(channel: Channel, promise: Promise<Value>): Promise<Value>;
  async #guard<Value>(channel: Channel, promise: Promise<Value>, ms: number): Promise<Value | undefined>;
  async #guard<Value>(channel: Channel, promise: Promise<Value>, ms?: number): Promise<Value | undefined> {
    try {
      return await this.#attempt.race(promise, ms);
    } catch {
      const { signal } = this.#attempt;
      return this.#giveUp(channel, signal.aborted ? (signal.reason as Error) : new Error(await this.#why(channel)));
    }
  }

  async #why(channel: Channel): Promise<string> {
    return `server "${this.#name}" ${await channel.ended} before it was ready; see its own log`;
  }

  async #giveUp(channel: Channel, error: Error): Promise<never> {
    await channel.close();
    throw error;
  }
}
