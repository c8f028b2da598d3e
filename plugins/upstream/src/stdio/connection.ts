// An open connection to a child. How it was opened is in `open.ts`.
import { StandingRequest } from 'plugboard';
import type { Connection, Era, EventGate, JsonObject, ListenFilter, ServerInfo, UpstreamCall } from 'plugboard';
import type { StdioSettings } from '../settings.ts';
import type { Shared } from '../shared.ts';
import type { StdioChannel } from './channel.ts';

export class StdioConnection implements Connection {
  readonly era: Era;
  readonly info: ServerInfo;
  readonly separate = true;
  readonly #channel: StdioChannel;
  readonly #gate: EventGate;
  readonly #standing: StandingRequest;
  #closing = false;

  constructor(
    shared: Shared,
    settings: StdioSettings,
    channel: StdioChannel,
    gate: EventGate,
    era: Era,
    info: ServerInfo,
  ) {
    this.era = era;
    this.info = info;
    this.#channel = channel;
    this.#gate = gate;
    this.#standing = new StandingRequest({
      server: settings.name,
      log: shared.log,
      open: (request, sink) => channel.conversation.listen(String(request.id), request, sink),
      notify: (message) => gate.notification(message),
    });
    void channel.ended.then((why) => {
      this.#standing.close();
      if (!this.#closing) gate.closed(channel.failure(`server "${settings.name}" ${why}`));
    });
    gate.open();
  }

  /** Process id of the child, for tests and diagnosis. */
  get pid(): number | undefined {
    return this.#channel.pid;
  }

  send(call: UpstreamCall): void {
    this.#channel.conversation.peer.send(call);
  }

  notify(method: string, params?: JsonObject): void {
    // The new era has no notifications of the client but `cancelled`, which the peer sends.
    if (this.era === 'old') this.#channel.conversation.peer.notify(method, params);
  }

  listen(filter: ListenFilter): void {
    if (this.era === 'new') this.#standing.set(filter);
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#gate.shut();
    this.#standing.close();
    await this.#channel.stop();
  }
}
