// `/healthz` and `/readyz`: whether the process serves, and whether its servers do. Who may read the details is decided here too.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BoardApi, Grant, ServerStatus } from 'plugboard';
import type { Identity } from './identity.ts';
import type { Responder } from './responder.ts';

/** Ready is who has no server that is starting or has failed; a stopped server was stopped on purpose. */
function isReady(server: ServerStatus): boolean {
  return server.state === 'ready' || server.state === 'stopped';
}

export class Health {
  readonly #board: BoardApi;
  readonly #identity: Identity;
  readonly #responder: Responder;

  constructor(board: BoardApi, identity: Identity, responder: Responder) {
    this.#board = board;
    this.#identity = identity;
    this.#responder = responder;
  }

  /** 200 as long as the process answers at all. */
  live(response: ServerResponse): void {
    this.#responder.json(response, 200, '{"status":"ok"}');
  }

  /** 200 when all servers are ready, else 503. Servers are named to those who may see them; everybody else gets numbers. */
  async ready(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const grant = await this.#reader(request);
    const servers = this.#board.servers();
    const ready = servers.every(isReady);
    const counts = { starting: 0, ready: 0, failed: 0, stopped: 0 };
    for (const server of servers) counts[server.state] += 1;
    const named = grant === undefined ? [] : servers.filter((server) => this.#board.hasServer(grant, server.name));
    const visible = named.length === 0 && servers.length > 0 ? undefined : named.map(describe);
    this.#responder.json(response, ready ? 200 : 503, JSON.stringify({ ready, counts, servers: visible }));
  }

  /** The grant of a reader who may see names; undefined for one without a valid credential where one is needed. */
  async #reader(request: IncomingMessage): Promise<Grant | undefined> {
    try {
      return await this.#identity.grantOf(request);
    } catch {
      return undefined;
    }
  }
}

function describe(server: ServerStatus): object {
  const { name, state, reason, tools, quarantined } = server;
  // A member that is undefined is not written.
  return { name, state, reason, tools, heldBack: quarantined === 0 ? undefined : quarantined };
}
