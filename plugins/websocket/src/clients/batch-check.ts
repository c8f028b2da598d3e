// Whether an array of messages is a batch that may be carried out. All of it is checked before any of it is handed over.
import { claimsEnvelope, sortMessage } from 'plugboard';
import type { RequestId, RpcRequest, Session, SortedMessage } from 'plugboard';

/** The one revision that has batches, and how long one may be. */
const batchVersion = '2025-03-26';
const maxBatch = 100;

export interface CheckedBatch {
  readonly messages: readonly SortedMessage[];
  readonly requests: readonly RpcRequest[];
}

/** The messages of a batch, or why it is refused. `taken` tells whether a request with an id is under way. */
export function checkBatch(
  values: readonly unknown[],
  session: Session,
  taken: (id: RequestId) => boolean,
): CheckedBatch | string {
  if (session.protocolVersion !== batchVersion) return `Only a session of protocol version ${batchVersion} has batches`;
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
