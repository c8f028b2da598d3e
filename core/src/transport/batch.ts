// Batches (2025-03-26): whether an array of messages is one that may be carried out, and the one array that answers it.
import { Buffer } from 'node:buffer';
import type { RequestId, RpcRequest } from '../protocol/messages.ts';
import type { Session } from '../session.ts';
import { claimsEnvelope } from './envelope.ts';
import { sortMessage } from './message.ts';
import type { SortedMessage } from './message.ts';

/** The one revision that has batches, and how long one may be. */
const batchVersion = '2025-03-26';
const maxBatch = 100;

/** Why a batch is refused outside of such a session. */
export const needsSession = `Only a session of protocol version ${batchVersion} has batches`;

export interface CheckedBatch {
  readonly messages: readonly SortedMessage[];
  readonly requests: readonly RpcRequest[];
}

/**
 * The messages of a batch, or why it is refused: all of it is checked before any of it is handed over. `taken` tells whether a request
 * with an id is under way.
 */
export function checkBatch(
  values: readonly unknown[],
  session: Session,
  taken: (id: RequestId) => boolean,
): CheckedBatch | string {
  if (session.protocolVersion !== batchVersion) return needsSession;
  if (values.length === 0 || values.length > maxBatch) return `A batch has 1 to ${maxBatch} messages`;
  const messages = values.map(sortMessage);
  const invalid = messages.find((each) => each.kind === 'invalid');
  if (invalid !== undefined) return `A message of the batch is invalid: ${invalid.why}`;
  if (messages.some((each) => each.kind !== 'invalid' && claimsEnvelope((each.message as { params?: unknown }).params)))
    return 'Messages of protocol version 2026-07-28 cannot be batched';
  const requests = messages.flatMap((each) => (each.kind === 'request' ? [each.message] : []));
  if (requests.some(({ method }) => method === 'initialize')) return 'initialize cannot be part of a batch';
  const ids = new Set(requests.map(({ id }) => id));
  if (ids.size < requests.length || requests.some(({ id }) => taken(id)))
    return 'A request of the batch has the id of another one that is under way';
  return { messages, requests };
}

/** The one array that answers a batch: written when no request of the batch is open any more, if any has an answer. */
export class BatchAnswer {
  readonly #write: (message: Buffer) => void;
  readonly #answers: Buffer[] = [];
  #open: number;

  /** `open`: number of its requests. */
  constructor(open: number, write: (message: Buffer) => void) {
    this.#open = open;
    this.#write = write;
  }

  /** One request is over: with its answer, or without one because it was cancelled. */
  settle(answer: Buffer | undefined): void {
    if (answer !== undefined) this.#answers.push(answer);
    this.#open -= 1;
    if (this.#open > 0 || this.#answers.length === 0) return;
    const parts = this.#answers.flatMap((each, index) => (index === 0 ? [each] : [Buffer.from(','), each]));
    this.#write(Buffer.concat([Buffer.from('['), ...parts, Buffer.from(']')]));
  }
}
