// An answer of the Messages API in its two forms: one object, and the stream of events that amounts to it.
import { randomUUID } from 'node:crypto';
import type { JsonObject } from 'plugboard';
import type { Block } from './types.ts';

/** A whole answer, as `POST /v1/messages` gives it without `stream`. */
export function messageOf(
  model: string,
  answer: string | readonly Block[],
): JsonObject & { readonly content: readonly JsonObject[] } {
  const blocks = typeof answer === 'string' ? [{ type: 'text' as const, text: answer }] : answer;
  const content = blocks.map((block) =>
    block.type === 'tool_use' ? { ...block, id: block.id ?? `toolu_${randomUUID()}` } : { ...block },
  );
  const stop = blocks.some(({ type }) => type === 'tool_use') ? 'tool_use' : 'end_turn';
  return {
    id: `msg_${randomUUID()}`,
    type: 'message',
    role: 'assistant',
    model,
    content,
    stop_reason: stop,
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 1, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
  };
}

/** The same as server-sent events, `message_start` to `message_stop`. */
export function eventsOf(message: ReturnType<typeof messageOf>): string {
  const { content, stop_reason: stop, ...rest } = message;
  const start = event('message_start', { message: { ...rest, content: [], stop_reason: null } });
  const end = event('message_delta', {
    delta: { stop_reason: stop, stop_sequence: null },
    usage: { output_tokens: 1 },
  });
  return [start, ...content.flatMap(blockEvents), end, event('message_stop', {})].join('');
}

/** A block begins empty and grows; the input of a tool comes as pieces of JSON. */
function blockEvents(block: JsonObject, index: number): string[] {
  const isTool = block['type'] === 'tool_use';
  const start = isTool ? { ...block, input: {} } : { ...block, text: '' };
  const delta = isTool
    ? { type: 'input_json_delta', partial_json: JSON.stringify(block['input']) }
    : { type: 'text_delta', text: block['text'] };
  return [
    event('content_block_start', { index, content_block: start }),
    event('content_block_delta', { index, delta }),
    event('content_block_stop', { index }),
  ];
}

function event(type: string, data: JsonObject): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
}
