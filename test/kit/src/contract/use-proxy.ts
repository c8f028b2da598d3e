// Everything that clients do with a proxy, once in each era, so that every hook is entered. What comes of it is of no interest here.
import type { BoardApi, JsonObject } from 'plugboard';
import { TestClient } from './test-client.ts';

/** ms for a request to be answered; whoever hangs is found out otherwise. */
const limit = 30_000;

const requests: readonly (readonly [method: string, params: JsonObject])[] = [
  ['tools/list', {}],
  ['tools/call', { name: 'contract_echo', arguments: { text: 'a text', list: [1, { deep: true }] } }],
  ['tools/call', { name: 'contract_fail', arguments: {} }],
  ['tools/call', { name: 'contract_none', arguments: {} }],
  ['resources/list', {}],
  ['resources/templates/list', {}],
  ['resources/read', { uri: 'contract://text' }],
  ['prompts/list', {}],
  ['prompts/get', { name: 'contract_greeting', arguments: {} }],
];

/** Uses a proxy as clients of both eras do, and tries a token that nobody knows. */
export async function useProxy(board: BoardApi): Promise<void> {
  for (const era of ['old', 'new'] as const) {
    const client = await within(TestClient.connect(board, { era }).catch(() => undefined));
    if (client === undefined) continue;
    for (const [method, params] of requests) await within(client.request(method, params));
    await within(client.close());
  }
  await within(TestClient.connect(board, { token: 'a-token-that-nobody-knows' }).catch(() => undefined));
}

/** Waits for something, but not for ever; undefined when it takes too long. */
export async function within<Value>(work: Promise<Value>): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), limit);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
