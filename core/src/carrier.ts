// Carrying a request to its server, whatever it asks for, and the answer back. Which server it is has been decided before.
import type { Exchange } from './exchange.ts';
import { failureAnswer, forward } from './forward.ts';
import type { Forwarding } from './forward.ts';
import type { CallContext } from './hooks.ts';
import { Answer } from './protocol/answer.ts';
import { rpcCode } from './protocol/messages.ts';
import type { JsonObject, Tool } from './protocol/messages.ts';
import type { Server } from './server.ts';

/** Ends every request with an answer; failures of servers are answers, too. */
export class Carrier {
  readonly #forwarding: Forwarding;

  constructor(forwarding: Forwarding) {
    this.#forwarding = forwarding;
  }

  /** Sends a request to its server, or continues the call that waits there for this retry. */
  carry(
    exchange: Exchange,
    server: Server,
    method: string,
    params: JsonObject | undefined,
    tool?: Tool,
  ): Answer | Promise<Answer> {
    if (params?.['requestState'] !== undefined && exchange.caller.era === 'new' && server.era !== 'new')
      return this.#resume(exchange);
    const failed = (failure: unknown) => failureAnswer(failure, server.name);
    try {
      return forward(exchange, { server, method, params, tool }, this.#forwarding).catch(failed);
    } catch (failure) {
      return failed(failure);
    }
  }

  #resume(exchange: Exchange): Promise<Answer> | Answer {
    const parked = this.#forwarding.parking.find(exchange.request.params?.['requestState'], exchange);
    return (
      parked?.resume(exchange) ??
      Answer.error(rpcCode.invalidParams, 'requestState is not valid or has expired: send the request again without it')
    );
  }
}

/** The context of hooks for a request. A class, because a getter in an object literal is defined anew for each. */
class ExchangeContext implements CallContext {
  readonly session: CallContext['session'];
  readonly grant: CallContext['grant'];
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.session = exchange.session;
    this.grant = exchange.session.grant;
    this.#exchange = exchange;
  }

  get signal(): AbortSignal {
    return this.#exchange.signal;
  }
}

/** The context of hooks for a request. */
export function contextOf(exchange: Exchange): CallContext {
  return new ExchangeContext(exchange);
}
