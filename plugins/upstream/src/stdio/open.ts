// Opens a stdio server: starts it, finds out its era, shakes hands.
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
  RpcErrorBody,
  RpcResponse,
  ServerInfo,
} from 'plugboard';
import { Attempt, within } from '../attempt.ts';
import type { StdioSettings } from '../settings.ts';
import type { Shared } from '../shared.ts';
import { StdioChannel } from './channel.ts';
import { StdioConnection } from './connection.ts';

/** Opens one connection. Rejects with an Error that says what to do; nothing is left running then. */
export async function openStdio(
  shared: Shared,
  settings: StdioSettings,
  key: LeaseKey,
  events: ConnectionEvents,
  signal: AbortSignal,
): Promise<Connection> {
  const attempt = new Attempt(settings.name, shared.limits.connectTimeout, signal);
  try {
    return await new Opening(shared, settings, key, events, attempt).run();
  } finally {
    attempt.end();
  }
}

/** One way in that was tried and may be followed by another. */
interface Door {
  readonly channel: StdioChannel;
  readonly gate: EventGate;
}

class Opening {
  readonly #shared: Shared;
  readonly #settings: StdioSettings;
  readonly #key: LeaseKey;
  readonly #events: ConnectionEvents;
  readonly #attempt: Attempt;

  constructor(shared: Shared, settings: StdioSettings, key: LeaseKey, events: ConnectionEvents, attempt: Attempt) {
    this.#shared = shared;
    this.#settings = settings;
    this.#key = key;
    this.#events = events;
    this.#attempt = attempt;
  }

  async run(): Promise<Connection> {
    const { era, fingerprint } = this.#settings;
    if (era !== 'auto') return this.#fresh(era);
    const verdict = this.#shared.verdicts.get(fingerprint);
    if (verdict === undefined) return this.#detect();
    try {
      return await this.#fresh(verdict.era);
    } catch (error) {
      if (!(error instanceof WrongEra)) throw error;
      this.#shared.verdicts.delete(fingerprint);
      return this.#detect();
    }
  }

  /**
   * Asks a process for `server/discover`. A server of the new era keeps it. An old one that politely refuses is initialized in the
   * same process; if it does not survive that, or ended or fell silent at the unknown request, it gets a fresh process.
   */
  async #detect(): Promise<Connection> {
    const door = this.#start();
    const answer = this.#discover(door);
    const found = await this.#guard(door, within(answer, this.#shared.limits.probeTimeout));
    if (found?.kind === 'new') return this.#connected(door, 'new', found.info);
    if (found?.kind === 'unknown') return this.#giveUp(door, this.#unknown(found.versions));
    if (found === undefined) return this.#silent(door, answer);
    if (door.channel.pid === undefined) return this.#giveUp(door, await this.#ended(door));
    if (found.kind === 'old' && isPoliteRefusal(found.error)) {
      const opened = await this.#initializeHere(door, this.#attempt.left / 2);
      if (opened !== undefined) return opened;
    }
    await this.#abandon(door);
    return this.#oldElseNew();
  }

  /** No answer to `server/discover`: a slow start, or a server that ignores what it does not know. It is asked the other way as well. */
  async #silent(door: Door, answer: Promise<ProbeOutcome>): Promise<Connection> {
    const opened = this.#initializeHere(door, this.#attempt.left / 2);
    const isNew = answer.then(({ kind }) => kind === 'new' || opened.then(() => false));
    if (!(await Promise.race([isNew, opened.then(() => false)]))) {
      const connection = await opened;
      if (connection !== undefined) return connection;
    }
    // It has heard both openings by now, so it is not to be trusted with either.
    await this.#abandon(door);
    await opened.catch(() => undefined);
    // The process has ended, so this is settled.
    return (await answer).kind === 'new' ? this.#fresh('new') : this.#oldElseNew();
  }

  /** Nothing speaks for the new era, but the old one has not been tried yet. */
  async #oldElseNew(): Promise<Connection> {
    try {
      return await this.#fresh('old');
    } catch (error) {
      if (!(error instanceof WrongEra)) throw error;
      return this.#fresh('new');
    }
  }

  /** Initializes a process that was asked something else before; undefined when it does not take that. */
  async #initializeHere(door: Door, limit: number): Promise<Connection | undefined> {
    const response = await this.#guard(
      door,
      within(
        door.channel.ask('initialize', initializeParams(this.#key)).catch(() => undefined),
        limit,
      ),
    );
    if (response?.result === undefined) return undefined;
    return this.#initialized(door, response);
  }

  /** A process of its own for an era that is known. */
  async #fresh(era: Era): Promise<Connection> {
    const door = this.#start();
    if (era === 'old') {
      const response = await this.#guard(door, door.channel.ask('initialize', initializeParams(this.#key)));
      return this.#initialized(door, response);
    }
    const found = await this.#guard(door, this.#discover(door));
    if (found.kind === 'new') return this.#connected(door, 'new', found.info);
    if (found.kind === 'unknown') return this.#giveUp(door, this.#unknown(found.versions));
    if (found.kind === 'gone') return this.#giveUp(door, await this.#ended(door));
    return this.#giveUp(
      door,
      new WrongEra(`server "${this.#settings.name}" does not speak 2026-07-28; configure \`era: old\` or leave it out`),
    );
  }

  async #initialized(door: Door, response: RpcResponse): Promise<Connection> {
    let info: ServerInfo;
    try {
      info = readInitialize(this.#settings.name, response);
    } catch (error) {
      return this.#giveUp(door, error as Error);
    }
    door.channel.peer.notify('notifications/initialized');
    return this.#connected(door, 'old', info);
  }

  #connected(door: Door, era: Era, info: ServerInfo): Connection {
    const { fingerprint } = this.#settings;
    if (this.#settings.era === 'auto' && this.#shared.verdicts.get(fingerprint)?.era !== era) {
      this.#shared.verdicts.set(fingerprint, { era, at: Date.now() });
    }
    return new StdioConnection(this.#shared, this.#settings, door.channel, door.gate, era, info);
  }

  #start(): Door {
    const gate = new EventGate(this.#events);
    return { gate, channel: new StdioChannel(this.#shared, this.#settings, gate) };
  }

  async #discover(door: Door): Promise<ProbeOutcome> {
    try {
      for (let asked = 0; ; asked += 1) {
        const response = await door.channel.ask('server/discover', { _meta: ownEnvelope() });
        const found = readDiscovery(this.#settings.name, response);
        if (found.kind !== 'again') return found;
        if (asked > 0) return { kind: 'old', error: response.error };
      }
    } catch {
      return { kind: 'gone' };
    }
  }

  /** Waits for something of a process; when the attempt ends or the process does, the process is ended and the reason thrown. */
  async #guard<Value>(door: Door, promise: Promise<Value>): Promise<Value> {
    try {
      return await this.#attempt.race(promise);
    } catch (error) {
      const reason = this.#attempt.signal.aborted ? (this.#attempt.signal.reason as Error) : await this.#ended(door);
      const words = this.#attempt.signal.aborted ? door.channel.lastWords : '';
      await this.#abandon(door);
      throw words === '' ? reason : new Error(reason.message + words, { cause: error });
    }
  }

  async #ended(door: Door): Promise<Error> {
    const why = await this.#attempt.race(door.channel.ended);
    const { name } = this.#settings;
    const hint = why.includes('mcpServers.')
      ? ''
      : ` before it was ready; correct its command, args or env under mcpServers.${name}`;
    return new Error(`server "${name}" ${why}${hint}${door.channel.lastWords}`);
  }

  #unknown(versions: string): Error {
    return new Error(
      `server "${this.#settings.name}" speaks only protocol versions not known here (${versions}); update the proxy`,
    );
  }

  async #giveUp(door: Door, error: Error): Promise<never> {
    await this.#abandon(door);
    throw error;
  }

  #abandon(door: Door): Promise<void> {
    door.gate.shut();
    return door.channel.stop();
  }
}

type ProbeOutcome = Exclude<Discovery, { kind: 'again' }> | { readonly kind: 'gone'; readonly error?: RpcErrorBody };
