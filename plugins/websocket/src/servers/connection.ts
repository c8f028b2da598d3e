// An open connection to a server. It outlives the socket below it: when that breaks, another is opened and what was subscribed is asked for again.
import { setTimeout as sleep } from 'node:timers/promises';
import { Backoff, CallFailure, gone, isObject, StandingRequest, stopped } from 'plugboard';
import type {
  Connection,
  Era,
  EventGate,
  JsonObject,
  ListenFilter,
  RpcNotification,
  ServerInfo,
  UpstreamCall,
} from 'plugboard';
import { Refused } from './channel.ts';
import type { Channel } from './channel.ts';
import type { Opened, Target } from './open.ts';
import { Subscriptions } from './subscriptions.ts';

/** Shakes hands once more, in an era that is known. */
type Again = (era: Era, signal: AbortSignal) => Promise<Opened>;

/** ms between tries. */
const firstPause = 250;
const longestPause = 5000;
/** Calls that may wait for a connection that is being opened again. */
const maxWaiting = 1000;

/** Lists of a server and the notice that one of them has changed, by capability. */
const listNotices = new Map([
  ['tools', 'notifications/tools/list_changed'],
  ['prompts', 'notifications/prompts/list_changed'],
  ['resources', 'notifications/resources/list_changed'],
]);

export class ServerConnection implements Connection {
  readonly era: Era;
  readonly info: ServerInfo;
  /** Nobody knows whether two connections to one address reach the same process. */
  readonly separate = true;
  readonly #target: Target;
  readonly #gate: EventGate;
  readonly #again: Again;
  readonly #standing: StandingRequest;
  readonly #subscriptions = new Subscriptions();
  readonly #waiting = new Set<UpstreamCall>();
  readonly #ended = new AbortController();
  #channel: Channel | undefined;
  #over: CallFailure | undefined;

  constructor(target: Target, gate: EventGate, opened: Opened, again: Again) {
    this.era = opened.era;
    this.info = opened.info;
    this.#target = target;
    this.#gate = gate;
    this.#again = again;
    this.#standing = new StandingRequest({
      server: target.settings.name,
      log: target.log,
      backoff: new Backoff(firstPause, longestPause),
      open: (request, sink) => this.#channel?.conversation.listen(String(request.id), request, sink),
      notify: (message) => gate.notification(message),
    });
    this.#attach(opened.channel);
    gate.open();
  }

  send(call: UpstreamCall): void {
    this.#subscriptions.note(call);
    if (this.#channel !== undefined) this.#channel.conversation.peer.send(call);
    else if (this.#over !== undefined) call.fail(this.#over);
    else this.#wait(call);
  }

  notify(method: string, params?: JsonObject): void {
    // The new era has no notifications of the client but `cancelled`, which the peer sends.
    if (this.era === 'old') this.#channel?.conversation.peer.notify(method, params);
  }

  listen(filter: ListenFilter): void {
    if (this.era === 'new') this.#standing.set(filter);
  }

  async close(): Promise<void> {
    this.#gate.shut();
    this.#end(stopped(this.#target.settings.name));
    const channel = this.#channel;
    this.#channel = undefined;
    await channel?.close();
  }

  #wait(call: UpstreamCall): void {
    const { name } = this.#target.settings;
    if (this.#waiting.size >= maxWaiting) {
      call.fail(new CallFailure('gone', `server "${name}" is being connected again; try again`));
      return;
    }
    this.#waiting.add(call);
    // Nothing was sent, so nothing is to be taken back.
    call.onCancel = () => this.#waiting.delete(call);
  }

  #attach(channel: Channel): void {
    this.#channel = channel;
    void channel.ended.then((why) => {
      if (this.#channel !== channel) return;
      this.#channel = undefined;
      void this.#reconnect(why);
    });
  }

  async #reconnect(why: string): Promise<void> {
    const { settings, limits, log } = this.#target;
    const { signal } = this.#ended;
    const place = `server "${settings.name}"`;
    log.warn(`${place} ${why}; it is connected again`, { server: settings.name });
    const backoff = new Backoff(firstPause, longestPause);
    const deadline = performance.now() + limits.reconnectFor;
    let last: Error = new Error(`${place} ${why}`);
    while (!signal.aborted && performance.now() < deadline) {
      await sleep(Math.min(backoff.next(), limits.reconnectFor), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        const opened = await this.#again(this.era, signal);
        if (await this.#resumed(opened)) return;
        last = new Error(`${place} came back as another server; it is opened anew`);
        break;
      } catch (error) {
        last = error as Error;
        if (error instanceof Refused) break;
      }
    }
    if (signal.aborted) return;
    this.#end(gone(settings.name, last.message));
    this.#gate.closed(last);
  }

  /** Goes on with a new channel: asks again for what was subscribed, announces what may have been missed, sends what waited. */
  async #resumed({ channel, info }: Opened): Promise<boolean> {
    if (this.#ended.signal.aborted || !isSame(info, this.info)) {
      await channel.close();
      return this.#ended.signal.aborted;
    }
    const { name } = this.#target.settings;
    this.#attach(channel);
    this.#target.log.info(`server "${name}" is connected again`, { server: name });
    const again = this.era === 'old' ? this.#subscriptions.repeat(channel.conversation) : undefined;
    if (this.era === 'new') this.#standing.resume();
    for (const call of this.#waiting) if (!call.done) channel.conversation.peer.send(call);
    this.#waiting.clear();
    for (const [capability, method] of listNotices)
      if (isObject(this.info.capabilities[capability])) this.#announce({ jsonrpc: '2.0', method });
    // Not before the server listens again: what changes in between would be lost.
    void again?.then((uris) => {
      for (const uri of uris)
        this.#announce({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } });
    });
    return true;
  }

  #announce(message: RpcNotification): void {
    this.#gate.notification(message);
  }

  #end(failure: CallFailure): void {
    this.#over ??= failure;
    this.#ended.abort();
    this.#standing.close();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const call of waiting) call.fail(failure);
  }
}

/** True when what the core was told of the server is still so. */
function isSame(one: ServerInfo, other: ServerInfo): boolean {
  const told = ({ protocolVersion, capabilities, serverInfo: { name } }: ServerInfo) =>
    JSON.stringify([protocolVersion, capabilities, name]);
  return told(one) === told(other);
}
