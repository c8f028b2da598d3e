// A client of either era that speaks to the proxy's board as a transport would: no sockets, no bytes. For bytes: `transport-contract.ts`.
import { newVersions, oldVersions } from 'plugboard';
import type {
  Answer,
  BoardApi,
  Capabilities,
  Credential,
  Era,
  JsonObject,
  Reply,
  RpcMessage,
  RpcResponse,
  Session,
  Tool,
  ToolResult,
} from 'plugboard';

export interface ClientOptions {
  /** `old`: a session, as until 2025-11-25 (default); `new`: every request by itself, as of 2026-07-28. */
  readonly era?: Era;
  /** The credential that it presents; without one it is the caller without a credential. */
  readonly token?: string;
  /** Only this server, by its own tool names. */
  readonly server?: string;
  /** What it can do, e.g. `{ elicitation: {} }`. */
  readonly capabilities?: Capabilities;
}

/** One request: its response, and what came on its own stream before. */
export interface Exchanged {
  readonly response: RpcResponse;
  readonly stream: readonly RpcMessage[];
}

/** A request under way. */
export interface Sent {
  readonly done: Promise<Exchanged>;
  /** Gives it up; `done` never settles then. */
  cancel(): void;
}

const transport = 'test';
const clientInfo = { name: 'test', version: '1.0.0' };

/** A client for tests; made by `PluginHost.client`. */
export class TestClient {
  readonly board: BoardApi;
  readonly session: Session;
  /** Messages that came outside of any request. */
  readonly heard: RpcMessage[] = [];
  /** How it answers what it is asked. */
  onAsked: (method: string, params: JsonObject) => JsonObject = () => ({});
  readonly #era: Era;
  readonly #capabilities: Capabilities;
  #lastId = 0;

  private constructor(board: BoardApi, session: Session, { era = 'old', capabilities = {} }: ClientOptions) {
    this.board = board;
    this.session = session;
    this.#era = era;
    this.#capabilities = capabilities;
    if (era === 'old') session.outlet = (message) => this.#hear(message);
  }

  /** Connects. Throws `Unauthorized` when the token is refused. */
  static async connect(board: BoardApi, options: ClientOptions = {}): Promise<TestClient> {
    const { era = 'old', token, server, capabilities = {} } = options;
    const credential: Credential = token === undefined ? { kind: 'none' } : { kind: 'bearer', token };
    const grant = await board.authenticate(credential, { transport });
    if (era === 'new') return new TestClient(board, await board.stateless(transport, grant, server), options);
    const params = { protocolVersion: oldVersions[0], capabilities, clientInfo };
    const { session } = await board.open({ transport, grant, server, params });
    return new TestClient(board, session, options);
  }

  /** Sends a request. */
  send(method: string, params: JsonObject = {}): Sent {
    this.#lastId += 1;
    const id = this.#lastId;
    const stream: RpcMessage[] = [];
    let cancel = (): void => {};
    const done = new Promise<Exchanged>((resolve) => {
      const reply: Reply = {
        answer: (answer: Answer) =>
          resolve({ response: JSON.parse(answer.encode(id).toString()) as RpcResponse, stream }),
        notify: (message) => void stream.push(message),
        ask: (message) => {
          stream.push(message);
          this.#hear(message);
        },
      };
      const envelope = {
        protocolVersion: newVersions[0],
        capabilities: this.#capabilities,
        clientInfo,
        logLevel: undefined,
      };
      const request = { jsonrpc: '2.0', id, method, params } as const;
      const handle = this.board.handle(this.session, request, reply, this.#era === 'new' ? envelope : undefined);
      cancel = () => handle.cancel('the client has cancelled');
    });
    return { done, cancel };
  }

  /** Sends a request and waits for its response, whatever it is. */
  request(method: string, params?: JsonObject): Promise<Exchanged> {
    return this.send(method, params).done;
  }

  /** The result of a request. Throws its error's message. */
  async result(method: string, params?: JsonObject): Promise<JsonObject> {
    const { response } = await this.request(method, params);
    if (response.result !== undefined) return response.result;
    throw new Error(response.error?.message ?? `${method} was answered with neither a result nor an error`);
  }

  /** The tools that it sees. */
  async tools(): Promise<readonly Tool[]> {
    return (await this.result('tools/list'))['tools'] as Tool[];
  }

  async toolNames(): Promise<string[]> {
    return (await this.tools()).map(({ name }) => name);
  }

  /** Calls a tool. Throws when the call is answered with an error; a result with `isError` is returned. */
  async call(name: string, args: JsonObject = {}): Promise<ToolResult> {
    return (await this.result('tools/call', { name, arguments: args })) as ToolResult;
  }

  /** Calls a tool and returns the text of its result. Throws that text when the tool has failed. */
  async text(name: string, args: JsonObject = {}): Promise<string> {
    const { content, isError } = await this.call(name, args);
    const text = content.map((part) => (typeof part['text'] === 'string' ? part['text'] : `(${String(part['type'])})`));
    if (isError === true) throw new Error(text.join('\n'));
    return text.join('\n');
  }

  /** Ends its session. */
  close(): Promise<void> {
    return this.board.close(this.session, 'the client has gone');
  }

  #hear(message: RpcMessage): void {
    this.heard.push(message);
    if (!('method' in message) || !('id' in message)) return;
    const result = this.onAsked(message.method, message.params ?? {});
    this.board.deliver(this.session, { jsonrpc: '2.0', id: message.id, result });
  }
}
