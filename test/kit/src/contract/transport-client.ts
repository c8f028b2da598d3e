// A client on a channel of a transport: numbers its requests, waits for what it is told. What is right is said in `transport-contract.ts`.
import { metaKey, newVersions, oldVersions } from 'plugboard';
import type { Capabilities, Era, JsonObject, RequestId } from 'plugboard';
import { until } from '../until.ts';
import type { TransportChannel } from './transport-contract.ts';

/** A message as it came. */
export interface Message extends JsonObject {
  id?: unknown;
  method?: string;
  params?: JsonObject;
  result?: JsonObject;
  error?: { code: number; message: string };
}

type Connect = (receive: (message: unknown) => void) => TransportChannel;

export interface TransportClientOptions {
  readonly capabilities?: Capabilities;
  /** ms to wait for a message. */
  readonly patience?: number | undefined;
}

const clientInfo = { name: 'contract', version: '1.0.0' };

/** One client of one era. */
export class TransportClient {
  readonly era: Era;
  /** All messages that came, in order. */
  readonly received: Message[] = [];
  readonly channel: TransportChannel;
  readonly #capabilities: Capabilities;
  readonly #patience: number | undefined;
  #lastId = 0;

  private constructor(era: Era, connect: Connect, { capabilities = {}, patience }: TransportClientOptions) {
    this.era = era;
    this.#capabilities = capabilities;
    this.#patience = patience;
    this.channel = connect((message) => void this.received.push(message as Message));
  }

  /** Connects; in the old era, opens a session. */
  static async open(era: Era, connect: Connect, options: TransportClientOptions = {}): Promise<TransportClient> {
    const client = new TransportClient(era, connect, options);
    if (era === 'new') return client;
    const { capabilities = {} } = options;
    await client.result('initialize', { protocolVersion: oldVersions[0], capabilities, clientInfo });
    client.channel.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    return client;
  }

  /** Sends a request with this id. */
  send(id: RequestId, method: string, params: JsonObject = {}): void {
    this.channel.send({ jsonrpc: '2.0', id, method, params: this.#enveloped(params) });
  }

  /** The answer to a request; waits for it. */
  answer(id: RequestId): Promise<Message> {
    return this.next(`an answer to ${JSON.stringify(id)}`, (each) => each.id === id && each.method === undefined);
  }

  /** The first message that fits, among those that came and those that come. */
  async next(what: string, fits: (message: Message) => boolean): Promise<Message> {
    return await until(
      () => `${what} has not come; these have: ${JSON.stringify(this.received).slice(0, 2000)}`,
      () => this.received.find(fits),
      this.#patience,
    );
  }

  /** Sends a request and waits for its result. Throws the message of its error. */
  async result(method: string, params?: JsonObject): Promise<JsonObject> {
    this.#lastId += 1;
    const id = `request-${this.#lastId}`;
    this.send(id, method, params);
    const { result, error } = await this.answer(id);
    if (result === undefined) throw new Error(error?.message ?? 'neither a result nor an error');
    return result;
  }

  async toolNames(): Promise<string[]> {
    return ((await this.result('tools/list'))['tools'] as { name: string }[]).map(({ name }) => name);
  }

  /** The text of a tool's result. */
  async call(name: string, args: JsonObject = {}): Promise<string> {
    return textOf(await this.result('tools/call', { name, arguments: args }));
  }

  /** Gives a request up, in the transport's own way where it has one. */
  cancel(id: RequestId): void {
    if (this.channel.cancel !== undefined) this.channel.cancel(id, this.era);
    else {
      const params = this.#enveloped({ requestId: id, reason: 'no longer wanted' });
      this.channel.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
    }
  }

  #enveloped(params: JsonObject): JsonObject {
    if (this.era === 'old') return params;
    const envelope = {
      [metaKey.protocolVersion]: newVersions[0],
      [metaKey.clientCapabilities]: this.#capabilities,
      [metaKey.clientInfo]: clientInfo,
    };
    return { ...params, _meta: { ...envelope, ...(params['_meta'] as JsonObject | undefined) } };
  }
}

/** The text of a tool's result. */
export function textOf(result: JsonObject | undefined): string {
  return ((result?.['content'] ?? []) as { text?: string }[]).map(({ text }) => text ?? '').join('\n');
}
