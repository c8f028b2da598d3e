// What every transport must do, as tests: messages of both eras through a real proxy. What is particular to one (headers, ports, streams)
// is its own tests.
import type { ExecutionContext, TestFn } from 'ava';
import { metaKey } from 'plugboard';
import type { Era, JsonObject, RequestId } from 'plugboard';
import { until } from '../until.ts';
import { fakeServer } from './fake-server.ts';
import type { FakeCall, FakeServer } from './fake-server.ts';
import type { PluginChoice } from './plugin-host.ts';
import { textOf, TransportClient } from './transport-client.ts';

/** A client's end of a connection. */
export interface TransportChannel {
  /** Sends one message, framed as the transport frames messages. */
  send(message: JsonObject): void;
  /** Sends bytes that are no message, as far as the transport's frame lets them be sent. */
  sendRaw(text: string): void;
  /** Ends the connection as a client does that goes away. */
  close(): void;
  /** Gives a request up. Default: `notifications/cancelled`. */
  cancel?(id: RequestId, era: Era): void;
}

/** A proxy that is reached by the transport. */
export interface TransportStand {
  /**
   * Opens a connection; `receive` takes every message that comes, parsed. Where the transport refuses in its own frame (a status, the
   * reason of a close), `receive` is handed that as an error without an id.
   */
  connect(receive: (message: unknown) => void): TransportChannel;
  /** Stops the proxy, as a person does. */
  stop(): Promise<void>;
}

/** What the contract wants a proxy to be started with, beside the transport. */
export interface TransportSetup {
  readonly plugins: readonly PluginChoice[];
  readonly config: JsonObject;
}

export interface TransportSubject {
  /** For the titles of the tests. */
  readonly name: string;
  /** Bytes of the longest message that the started transport takes; at least 2048, at most a few megabytes. */
  readonly maxMessageBytes: number;
  /** ms to wait for a message before it counts as lost; default: 30 s. */
  readonly patience?: number;
  start(setup: TransportSetup): Promise<TransportStand>;
}

/** What a test works with. */
class Stage {
  readonly t: ExecutionContext;
  readonly subject: TransportSubject;
  readonly server: FakeServer;
  readonly stand: TransportStand;

  constructor(t: ExecutionContext, subject: TransportSubject, server: FakeServer, stand: TransportStand) {
    this.t = t;
    this.subject = subject;
    this.server = server;
    this.stand = stand;
  }

  /** Waits until something is found; says `what` has not come about. */
  until<Found>(
    what: string,
    look: () => Found | undefined | false | Promise<Found | undefined | false>,
  ): Promise<Found> {
    return until(what, look, this.subject.patience);
  }

  /** A client whose connection ends with the test. */
  async client(era: Era, capabilities: Record<string, JsonObject> = {}): Promise<TransportClient> {
    const client = await TransportClient.open(era, (receive) => this.stand.connect(receive), {
      capabilities,
      patience: this.subject.patience,
    });
    this.t.teardown(() => client.channel.close());
    return client;
  }
}

/** Declares the tests of the contract for one transport. */
export function transportContract(test: TestFn, subject: TransportSubject): void {
  const declare = (title: string, run: (stage: Stage) => Promise<void>): void => {
    test(`${subject.name}: ${title}`, async (t) => {
      t.timeout(120_000);
      const server = contractServer();
      const stand = await subject.start({ plugins: [server.plugin], config: { tools: { allow: ['*'] } } });
      t.teardown(() => stand.stop());
      const stage = new Stage(t, subject, server, stand);
      await listed(stage);
      await run(stage);
    });
  };
  for (const [title, run] of Object.entries(ofBothEras))
    for (const era of ['old', 'new'] as const) declare(`${title} (${era} era)`, (stage) => run(stage, era));
  for (const [title, run] of Object.entries(general)) declare(title, run);
}

/** Waits until the server's tools are there. */
async function listed(stage: Stage): Promise<void> {
  const client = await stage.client('new');
  await stage.until('the tools of the server are not listed', async () =>
    (await client.toolNames()).includes('contract_echo'),
  );
  client.channel.close();
}

/** A server that says what it was told, waits where it is told to, and asks. */
function contractServer(): FakeServer {
  return fakeServer(
    'contract',
    {
      echo: (args) => JSON.stringify(args),
      wait: (_args, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('cancelled')));
        }),
      count: (_args, call) => {
        for (const step of [1, 2, 3]) call.progress(step, 3);
        return 'counted';
      },
      ask: async (_args, call) => {
        const { result } = await call.ask('elicitation/create', {
          message: 'Which one?',
          requestedSchema: { type: 'object', properties: {} },
        });
        return JSON.stringify(result);
      },
    },
    { asks: true },
  );
}

const ids: readonly RequestId[] = [
  0,
  1,
  '1',
  -7,
  1.5,
  Number.MAX_SAFE_INTEGER,
  '',
  'null',
  ' "quoted" \\ \n ',
  '\u00e9\u2028\u{1F600}',
  'x'.repeat(200),
];

const ofBothEras: Readonly<Record<string, (stage: Stage, era: Era) => Promise<void>>> = {
  async 'a client connects, lists and calls'(stage, era) {
    const { t } = stage;
    const client = await stage.client(era);
    t.true((await client.toolNames()).includes('contract_echo'));
    t.is(await client.call('contract_echo', { text: 'é\u2028\u0000' }), JSON.stringify({ text: 'é\u2028\u0000' }));
    await t.throwsAsync(client.call('contract_none'));
    await t.throwsAsync(client.result('no/such/method'));
    t.true((await client.toolNames()).includes('contract_echo'), 'an error ends nothing');
  },

  async 'requests at once are answered each under its own id, of any type'(stage, era) {
    const { t, server } = stage;
    const client = await stage.client(era);
    // All are there before the first is answered, and they are answered in reverse.
    const waiting: (() => void)[] = [];
    server.setTool('echo', async (args) => {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        if (waiting.length === ids.length) for (const answer of waiting.toReversed()) answer();
      });
      return JSON.stringify(args);
    });
    for (const [index, id] of ids.entries())
      client.send(id, 'tools/call', { name: 'contract_echo', arguments: { index } });
    for (const [index, id] of ids.entries())
      t.is(textOf((await client.answer(id)).result), JSON.stringify({ index }), JSON.stringify(id));
    t.is(server.calls.length, ids.length);
  },

  async 'progress comes before the answer, under the token of the client'(stage, era) {
    const { t } = stage;
    const client = await stage.client(era);
    for (const token of ['a-token', 7]) {
      const id = `progress-${token}`;
      client.send(id, 'tools/call', { name: 'contract_count', arguments: {}, _meta: { progressToken: token } });
      t.is(textOf((await client.answer(id)).result), 'counted');
      const own = client.received.filter(({ params }) => params?.['progressToken'] === token);
      t.deepEqual(
        own.map(({ method, params }) => [method, params?.['progress'], params?.['total']]),
        [1, 2, 3].map((step) => ['notifications/progress', step, 3]),
      );
      const answered = client.received.findIndex((each) => each.id === id);
      t.true(client.received.indexOf(own[2] ?? {}) < answered, 'the answer comes last');
    }
  },

  async 'a cancelled request reaches its server and is not answered'(stage, era) {
    const { t, server } = stage;
    const client = await stage.client(era);
    client.send('cancelled', 'tools/call', { name: 'contract_wait', arguments: {} });
    const call = await stage.until('the call has not reached the server', () => callOf(server, 'wait'));
    client.cancel('cancelled');
    await stage.until('the server does not hear of it', () => call.signal.aborted);
    t.is(await client.call('contract_echo', { after: true }), '{"after":true}');
    t.false(client.received.some(({ id }) => id === 'cancelled'));
  },

  async 'changes of the list are told'(stage, era) {
    const { t, server } = stage;
    const client = await stage.client(era);
    await client.toolNames();
    if (era === 'new') {
      client.send('listening', 'subscriptions/listen', { notifications: { toolsListChanged: true } });
      await client.next('an acknowledgement', ({ method }) => method === 'notifications/subscriptions/acknowledged');
    }
    server.setTool('later', () => 'later');
    const told = await client.next('the notice', ({ method }) => method === 'notifications/tools/list_changed');
    if (era === 'new') t.is((told.params?.['_meta'] as JsonObject | undefined)?.[metaKey.subscriptionId], 'listening');
    t.true((await client.toolNames()).includes('contract_later'));
    t.is(await client.call('contract_later'), 'later');
  },

  async 'a message that is too long is refused with the reason, and nothing of it is done'(stage, era) {
    const { t, server, subject } = stage;
    const client = await stage.client(era);
    const text = 'x'.repeat(subject.maxMessageBytes);
    client.send('long', 'tools/call', { name: 'contract_echo', arguments: { text } });
    const refused = await client.next('the refusal', ({ error }) => error !== undefined);
    t.regex(refused.error?.message ?? '', /larger|longer|long|large|size|bytes|limit/i);
    t.regex(refused.error?.message ?? '', new RegExp(String(subject.maxMessageBytes)), 'it says what the limit is');
    t.is(server.calls.length, 0);
    const after = await stage.client(era);
    t.is(await after.call('contract_echo', { ok: 1 }), '{"ok":1}');
  },

  async 'a stop lets a call under way end, and comes to an end itself'(stage, era) {
    const { t, server, stand } = stage;
    let answer = (_text: string): void => {};
    server.setTool('echo', () => new Promise((resolve) => (answer = resolve)));
    const client = await stage.client(era);
    client.send('slow', 'tools/call', { name: 'contract_echo', arguments: {} });
    await stage.until('the call has not reached the server', () => callOf(server, 'echo'));
    const stopped = stand.stop();
    // Not at once: what stops the proxy has begun to.
    setImmediate(() => answer('done in time'));
    const { result, error } = await client.answer('slow');
    t.is(error, undefined, error?.message ?? '');
    t.is(textOf(result), 'done in time');
    await stopped;
  },

  async 'who goes away takes nobody along'(stage, era) {
    const { t, server } = stage;
    const [gone, stays] = [await stage.client(era), await stage.client(era)];
    for (const [client, id] of [
      [gone, 'gone'],
      [stays, 'stays'],
    ] as const)
      client.send(id, 'tools/call', { name: 'contract_wait', arguments: { id } });
    const both = await stage.until(
      'both calls have not reached the server',
      () => server.calls.length === 2 && server.calls,
    );
    gone.channel.close();
    const [left, other] = ['gone', 'stays'].map((id) => both.find((call) => call.arguments['id'] === id));
    if (era === 'new') await stage.until('the call of who has gone goes on', () => left?.signal.aborted === true);
    t.is(await stays.call('contract_echo', {}), '{}');
    t.false(other?.signal.aborted);
  },
};

const garbage = [
  '{"jsonrpc":"2.0","id":1,"meth',
  '\u0001\u0002\u007f',
  'null',
  '"text"',
  '42',
  '{}',
  '[[[[',
  '{"jsonrpc":"2.0"}',
];

const general: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  async 'clients of both eras at once'(stage) {
    const { t } = stage;
    const clients = [await stage.client('old'), await stage.client('new'), await stage.client('old')];
    const said = await Promise.all(clients.map((client, index) => client.call('contract_echo', { index })));
    t.deepEqual(said, ['{"index":0}', '{"index":1}', '{"index":2}']);
  },

  async 'what a server asks reaches the client that called, and its answer the server'(stage) {
    const { t } = stage;
    const client = await stage.client('old', { elicitation: {} });
    client.send('asking', 'tools/call', { name: 'contract_ask', arguments: {} });
    const question = await client.next('the question', ({ method }) => method === 'elicitation/create');
    t.is(question.params?.['message'], 'Which one?');
    client.channel.send({ jsonrpc: '2.0', id: question.id, result: { action: 'accept', content: { which: 'this' } } });
    t.deepEqual(JSON.parse(textOf((await client.answer('asking')).result)), {
      action: 'accept',
      content: { which: 'this' },
    });
  },

  async 'a question that its server takes back is taken back at the client, and a late answer goes nowhere'(stage) {
    const { t, server } = stage;
    const withdrawal = new AbortController();
    let finish = (_text: string): void => {};
    server.setTool('ask', async (_args, call) => {
      const params = { message: 'Which one?', requestedSchema: { type: 'object', properties: {} } };
      await call.ask('elicitation/create', params, withdrawal.signal);
      return await new Promise<string>((resolve) => (finish = resolve));
    });
    const client = await stage.client('old', { elicitation: {} });
    client.send('asking', 'tools/call', { name: 'contract_ask', arguments: {} });
    const question = await client.next('the question', ({ method }) => method === 'elicitation/create');
    withdrawal.abort('found it');
    const told = await client.next('the notice', ({ method }) => method === 'notifications/cancelled');
    t.deepEqual(told.params, { requestId: question.id, reason: 'found it' });
    client.channel.send({ jsonrpc: '2.0', id: question.id, result: { action: 'accept', content: {} } });
    t.is(await client.call('contract_echo', { after: true }), '{"after":true}');
    finish('went on');
    t.is(textOf((await client.answer('asking')).result), 'went on');
  },

  async 'garbage ends no other session, and no call of one'(stage) {
    const { t, server } = stage;
    const clients = [await stage.client('old'), await stage.client('new')];
    for (const client of clients) client.send('under way', 'tools/call', { name: 'contract_wait', arguments: {} });
    await stage.until('the calls have not reached the server', () => server.calls.length === clients.length);
    for (const text of garbage) (await stage.client('new')).channel.sendRaw(text);
    const bad = await stage.client('old');
    for (const text of garbage) bad.channel.sendRaw(text);
    for (const client of clients) t.is(await client.call('contract_echo', { still: 'here' }), '{"still":"here"}');
    t.deepEqual(
      server.calls.slice(0, clients.length).map(({ signal }) => signal.aborted),
      [false, false],
    );
    t.is(await (await stage.client('old')).call('contract_echo'), '{}', 'others are let in');
  },
};

function callOf(server: FakeServer, tool: string): FakeCall | undefined {
  return server.calls.find((call) => call.tool === tool);
}
