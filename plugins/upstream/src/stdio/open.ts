// Opens a stdio server: starts it, finds out its era, shakes hands.
import { Attempt, EventGate, isPoliteRefusal, notNew, unknownVersions, WrongEra } from 'plugboard';
import type { Connection, Discovered, Era, RpcResponse, ServerInfo } from 'plugboard';
import type { StdioSettings } from '../settings.ts';
import type { Shared } from '../shared.ts';
import { attemptAt } from '../target.ts';
import type { Target } from '../target.ts';
import { StdioChannel } from './channel.ts';
import { StdioConnection } from './connection.ts';

/** Opens one connection. Rejects with an Error that says what to do; nothing is left running then. */
export function openStdio(target: Target<StdioSettings>, signal: AbortSignal): Promise<Connection> {
  return Attempt.during(attemptAt(target, signal), (attempt) => new Opening(target, attempt).run());
}

/** One way in that was tried and may be followed by another. */
interface Door {
  readonly channel: StdioChannel;
  readonly gate: EventGate;
}

class Opening {
  readonly #target: Target<StdioSettings>;
  readonly #shared: Shared;
  readonly #settings: StdioSettings;
  readonly #attempt: Attempt;

  constructor(target: Target<StdioSettings>, attempt: Attempt) {
    this.#target = target;
    this.#shared = target.shared;
    this.#settings = target.settings;
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
    const answer = door.channel.conversation.discover();
    const found = await this.#guard(door, answer, this.#shared.limits.probeTimeout);
    if (found?.kind === 'new') return this.#connected(door, 'new', found.info);
    if (found?.kind === 'unknown') return this.#giveUp(door, unknownVersions(this.#settings.name, found.versions));
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
  async #silent(door: Door, answer: Promise<Discovered>): Promise<Connection> {
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
    const asked = door.channel.conversation.initialize(this.#target.key).catch(() => undefined);
    const response = await this.#guard(door, asked, limit);
    if (response?.result === undefined) return undefined;
    return this.#initialized(door, response);
  }

  /** A process of its own for an era that is known. */
  async #fresh(era: Era): Promise<Connection> {
    const door = this.#start();
    if (era === 'old') {
      const response = await this.#guard(door, door.channel.conversation.initialize(this.#target.key));
      return this.#initialized(door, response);
    }
    const found = await this.#guard(door, door.channel.conversation.discover());
    if (found.kind === 'new') return this.#connected(door, 'new', found.info);
    if (found.kind === 'unknown') return this.#giveUp(door, unknownVersions(this.#settings.name, found.versions));
    if (found.kind === 'gone') return this.#giveUp(door, await this.#ended(door));
    return this.#giveUp(door, notNew(this.#settings.name));
  }

  async #initialized(door: Door, response: RpcResponse): Promise<Connection> {
    let info: ServerInfo;
    try {
      info = door.channel.conversation.initialized(response);
    } catch (error) {
      return this.#giveUp(door, error as Error);
    }
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
    const gate = new EventGate(this.#target.events);
    return { gate, channel: new StdioChannel(this.#target, gate) };
  }

  /** Waits for something of a process, so many ms at most; when the attempt ends or the process does, the process is ended and the reason thrown. */
  async #guard<Value>(door: Door, promise: Promise<Value>): Promise<Value>;
  async #guard<Value>(door: Door, promise: Promise<Value>, ms: number): Promise<Value | undefined>;
  async #guard<Value>(door: Door, promise: Promise<Value>, ms?: number): Promise<Value | undefined> {
    try {
      return await this.#attempt.race(promise, ms);
    } catch (error) {
      const { signal } = this.#attempt;
      const reason = signal.aborted ? door.channel.failure((signal.reason as Error).message) : await this.#ended(door);
      await this.#abandon(door);
      reason.cause = error;
      throw reason;
    }
  }

  async #ended(door: Door): Promise<Error> {
    const why = await this.#attempt.race(door.channel.ended);
    const { name } = this.#settings;
    const hint = why.includes('mcpServers.')
      ? ''
      : ` before it was ready; correct its command, args or env under mcpServers.${name}`;
    return door.channel.failure(`server "${name}" ${why}${hint}`);
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
