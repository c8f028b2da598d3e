// The contract of transports: a transport in memory keeps it; with one fault at a time, the test of that fault, and of nothing else, fails.
import { fakeServer, pluginHost, transportContract, until } from '@plugboard/test-kit/contract';
import type { TransportChannel } from '@plugboard/test-kit/contract';
import test from 'ava';
import type { ExecutionContext, TestFn } from 'ava';
import { Answer, isNotification, isRequest, isResponse, metaKey, metaOf, newVersions, rpcCode } from 'plugboard';
import type { BoardApi, JsonObject, OpenRequestHandle, Reply, RequestId, RpcRequest, Session } from 'plugboard';

const faults = {
  ids: /requests at once/,
  progress: /progress comes before/,
  cancellation: /a cancelled request/,
  changes: /changes of the list/,
  limit: /a message that is too long/,
  leaving: /who goes away.*new era/,
  questions: /what a server asks/,
  garbage: /garbage ends no other/,
  stop: /a stop lets a call/,
} as const;
type Fault = keyof typeof faults;

const maxMessageBytes = 4096;
const transport = 'memory';

/** All connections of one proxy. */
class Connections {
  readonly board: BoardApi;
  readonly fault: Fault | undefined;
  readonly all = new Set<Connection>();

  constructor(board: BoardApi, fault: Fault | undefined) {
    this.board = board;
    this.fault = fault;
  }

  async stop(): Promise<void> {
    const all = [...this.all];
    if (this.fault !== 'stop')
      await until('calls are still under way', () => all.every(({ calls }) => calls.size === 0), 5000).catch(() => {});
    for (const each of all) each.close();
  }
}

/** One client, message by message, without bytes in between. */
class Connection implements TransportChannel {
  readonly calls = new Map<RequestId, OpenRequestHandle | undefined>();
  readonly #owner: Connections;
  readonly #receive: (message: unknown) => void;
  #session: Promise<Session> | undefined;

  constructor(owner: Connections, receive: (message: unknown) => void) {
    this.#owner = owner;
    this.#receive = (message) => setImmediate(receive, message);
    owner.all.add(this);
  }

  send(message: JsonObject): void {
    if (this.#owner.fault !== 'limit' && JSON.stringify(message).length > maxMessageBytes) {
      this.#answer(undefined, Answer.error(rpcCode.invalidRequest, `longer than ${maxMessageBytes} bytes`));
      return;
    }
    if (isRequest(message)) this.#request(message);
    else if (isResponse(message) && this.#owner.fault !== 'questions')
      void this.#session?.then((session) => this.#owner.board.deliver(session, message));
    else if (
      isNotification(message) &&
      message.method === 'notifications/cancelled' &&
      this.#owner.fault !== 'cancellation'
    )
      this.#cancel(message.params?.['requestId'] as RequestId);
  }

  sendRaw(): void {
    if (this.#owner.fault === 'garbage') for (const each of this.#owner.all) each.close();
    else this.#answer(undefined, Answer.error(rpcCode.parseError, 'no JSON'));
  }

  close(): void {
    this.#owner.all.delete(this);
    if (this.#owner.fault !== 'leaving') for (const id of this.calls.keys()) this.#cancel(id);
    void this.#session?.then((session) => this.#owner.board.close(session, 'gone'));
  }

  #request(request: RpcRequest): void {
    const { board, fault } = this.#owner;
    const { id, method, params = {} } = request;
    const grant = board.defaultGrant;
    if (method === 'initialize') {
      this.#session = board.open({ transport, grant, params }).then(({ session, result }) => {
        if (fault !== 'changes') session.outlet = this.#receive;
        this.#answer(id, Answer.result(result));
        return session;
      });
      return;
    }
    this.calls.set(id, undefined);
    const tell = (message: { method: string }) => {
      const isDropped =
        fault === 'progress'
          ? message.method.endsWith('progress')
          : fault === 'changes' && message.method.endsWith('list_changed');
      if (!isDropped && this.calls.has(id)) this.#receive(message);
    };
    const answer = (given: Answer) => {
      if (this.calls.delete(id)) this.#answer(fault === 'ids' ? String(id) : id, given);
    };
    const reply: Reply = { answer, notify: tell, ask: tell };
    const capabilities = metaOf(params)?.[metaKey.clientCapabilities] as Record<string, JsonObject> | undefined;
    const envelope = capabilities && {
      protocolVersion: newVersions[0],
      capabilities,
      clientInfo: undefined,
      logLevel: undefined,
    };
    const session = envelope === undefined ? this.#session : Promise.resolve(board.stateless(transport, grant));
    void session?.then((found) => {
      const handle = board.handle(found, request, reply, envelope);
      if (this.calls.has(id)) this.calls.set(id, handle);
    });
  }

  #cancel(id: RequestId): void {
    const handle = this.calls.get(id);
    this.calls.delete(id);
    handle?.cancel('no longer wanted');
  }

  #answer(id: RequestId | undefined, answer: Answer): void {
    this.#receive(JSON.parse(answer.encode(id).toString()));
  }
}

type Run = (t: ExecutionContext) => Promise<void>;

/** The tests of the contract for this transport, by title, not declared. */
function testsOf(fault: Fault | undefined): [title: string, run: Run][] {
  const tests: [string, Run][] = [];
  const collect = ((title: string, run: Run) => void tests.push([title, run])) as unknown as TestFn;
  transportContract(collect, {
    name: 'memory',
    maxMessageBytes,
    patience: fault === undefined ? 30_000 : 6000,
    async start({ plugins, config }) {
      const host = await pluginHost({ plugins, config });
      const connections = new Connections(host.board, fault);
      return {
        connect: (receive) => new Connection(connections, receive),
        stop: async () => {
          await connections.stop();
          await host.stop();
        },
      };
    },
  });
  return tests;
}

for (const [title, run] of testsOf(undefined)) test(`without a fault: ${title}`, run);

for (const [fault, broken] of Object.entries(faults)) {
  test(`the fault "${fault}" is found`, async (t) => {
    t.timeout(240_000);
    const failing: string[] = [];
    for (const [title, run] of testsOf(fault as Fault)) {
      const attempt = await t.try(title, run);
      if (!attempt.passed) failing.push(title);
      attempt.discard();
    }
    t.true(failing.length > 0 && failing.every((title) => broken.test(title)), failing.join('\n'));
  });
}

test('a fake server says what it is asked', async (t) => {
  const server = fakeServer('s', {
    tool: { definition: { title: 'A tool', annotations: { readOnlyHint: true } }, answer: () => 'x' },
  });
  const host = await pluginHost({ servers: [server] });
  t.teardown(() => host.stop());
  const [tool] = await (await host.client()).tools();
  t.like(tool, {
    name: 's_tool',
    title: 'A tool',
    annotations: { readOnlyHint: true },
    inputSchema: { type: 'object' },
  });
});
