// Holds a server's messages back until the core has taken the connection, and keeps the promises of `ConnectionEvents`.
import { rpcCode } from '../protocol/messages.ts';
import type { ConnectionEvents } from '../connection.ts';
import type { RpcNotification, RpcRequest, RpcResponse } from '../protocol/messages.ts';

const maxHeld = 1000;

/**
 * Stands between a connection and the core's events: nothing is told before {@link EventGate.open}, `closed` is told at most once,
 * and nothing is told after {@link EventGate.shut}.
 */
export class EventGate implements ConnectionEvents {
  readonly #target: ConnectionEvents;
  #held: (() => void)[] | undefined = [];
  #shut = false;

  constructor(target: ConnectionEvents) {
    this.#target = target;
  }

  /** Lets messages through, from the next turn of the event loop on: the core has its connection by then. */
  open(): void {
    setImmediate(() => {
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const tell of held) tell();
    });
  }

  /** The connection is being closed from our side: nothing more is told. */
  shut(): void {
    this.#shut = true;
  }

  notification(message: RpcNotification): void {
    this.#pass(() => this.#target.notification(message));
  }

  request(message: RpcRequest, withdrawn?: AbortSignal): Promise<RpcResponse> {
    return new Promise((resolve) => {
      this.#pass(
        () => resolve(this.#target.request(message, withdrawn)),
        () => resolve({ jsonrpc: '2.0', error: { code: rpcCode.internalError, message: 'the connection is closing' } }),
      );
    });
  }

  closed(reason: Error): void {
    this.#pass(() => {
      this.#shut = true;
      this.#target.closed(reason);
    });
  }

  #pass(tell: () => void, refuse?: () => void): void {
    const run = () => (this.#shut ? refuse?.() : tell());
    if (this.#held === undefined || this.#shut) run();
    else if (this.#held.length < maxHeld) this.#held.push(run);
    else refuse?.();
  }
}
