// The library that speaks WebSocket, set up for clients of the proxy. It is loaded with the first of them, and does not listen itself.
import { WebSocket, WebSocketServer } from 'ws';
import { subprotocol } from './credential.ts';

/** Parts that one message may come in. */
const maxFragments = 1024;
/** ms that a client has to answer a close. */
const closeTimeout = 2000;

/** RFC 6455, section 7.4.1: a message that is too big to be processed. */
const tooBig = 1009;

/** Makes WebSockets of upgrades. `maxMessageBytes`: the longest message that is taken. */
export function createSockets(maxMessageBytes: number): WebSocketServer {
  /** Says why where the library itself gives a bare code. */
  class ClientSocket extends WebSocket {
    override close(code?: number, reason?: string | Buffer): void {
      const why = `the message is longer than ${maxMessageBytes} bytes (option maxMessageBytes)`;
      super.close(code, reason ?? (code === tooBig ? why : undefined));
    }
  }
  const options = {
    noServer: true,
    clientTracking: false,
    // A compressed message of a few bytes may be gigabytes; and deflating costs more than loopback saves.
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    maxFragments,
    closeTimeout,
    handleProtocols: () => subprotocol,
    WebSocket: ClientSocket,
  };
  return new WebSocketServer(options);
}
