// Plugins in worker threads: the same contract across messages, limits that end a worker, restarts, and the error budget on both sides.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { configFrom, definePlugin, Host, PlugboardError } from '../src/index.ts';
import type { Grant, HostControl, JsonObject, Plugin } from '../src/index.ts';
import { loadPlugin } from '../src/loader.ts';
import { echoServer, keepLog, startHost, TestClient, until } from './support.ts';

const core = new URL('../src/index.js', import.meta.url).href;
const megabyte = 1024 * 1024;

/** A plugin file: `body` is what `apply` does with `api` and `options`. */
function source(id: string, body: string, { members = '', top = '' } = {}): string {
  return `import { CallFailure, Answer, Denied, definePlugin, localServer, localTool, RefusedRequest, Unauthorized, z } from '${core}';
${top}
export default definePlugin({ id: '${id}', apiVersion: 1, ${members} async apply(api, options) {
${body}
} });
`;
}

/** A server of a plugin file whose tools are given as functions. */
function server(name: string, tools: Readonly<Record<string, string>>, isolation = 'task'): string {
  const each = Object.entries(tools).map(
    ([tool, run]) =>
      `localTool({ name: '${tool}', description: '${tool}', input: z.looseObject({}), run: async (args, context) => ({ content: [{ type: 'text', text: String(await (${run})(args, context)) }] }) })`,
  );
  return `api.servers.register(localServer({ name: '${name}', version: '1.0.0', isolation: '${isolation}', open: () => ({ calls: 0 }), tools: [${each.join(', ')}] }));`;
}

interface Stand {
  readonly host: Host;
  readonly lines: string[];
  readonly folder: string;
  configure(config: JsonObject): Promise<void>;
}

/** A host with plugin files (all in workers unless the configuration says otherwise) and plugins of this process. */
async function stand(
  t: ExecutionContext,
  files: Readonly<Record<string, string>>,
  { config = {}, own = [] }: { config?: JsonObject; own?: readonly Plugin[] } = {},
): Promise<Stand> {
  t.timeout(120_000);
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-worker-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  const keys = Object.keys(files).map((name) => `./${name}`);
  const plugins = Object.fromEntries([...own.map(({ id }) => id), ...keys].map((key) => [key, {}]));
  const isolated = Object.fromEntries(keys.map((key) => [key, { isolation: 'worker', heartbeat: 3000 }]));
  const make = (given: JsonObject) => configFrom({ plugins, pluginIsolation: isolated, ...given }, folder);
  const { lines, ...logs } = keepLog();
  const load: typeof loadPlugin = async (key, ...rest) => {
    const plugin = own.find(({ id }) => id === key);
    return plugin === undefined ? await loadPlugin(key, ...rest) : { plugin, from: 'test', version: undefined };
  };
  const host = await Host.start(await make(config), logs, { load });
  t.teardown(() => host.stop());
  return { host, lines, folder, configure: async (next) => host.reload(await make(next)) };
}

async function textOf(client: TestClient, name: string, args: JsonObject = {}): Promise<string> {
  const { response } = await client.request('tools/call', { name, arguments: args });
  const content = response.result?.['content'] as { text: string }[] | undefined;
  return content?.[0]?.text ?? `error ${response.error?.code}: ${response.error?.message}`;
}

/** Reports of a plugin of this process on what became of calls and plugins. */
function watcher(): { plugin: Plugin; settled: string[]; off: string[] } {
  const settled: string[] = [];
  const off: string[] = [];
  const plugin = definePlugin({
    id: 'watcher',
    apiVersion: 1,
    apply({ hooks }) {
      hooks.on('onCallSettled', ({ call, outcome }) => void settled.push(`${call.name} ${outcome}`));
      hooks.on('onPluginSwitchedOff', ({ plugin: id, reason }) => void off.push(`${id}: ${reason}`));
    },
  });
  return { plugin, settled, off };
}

test.serial('hooks, log, options and lists cross to a worker and back', async (t) => {
  const policy = source(
    'policy',
    `
    const seen = [];
    api.hooks.on('onSessionStart', (session) => { seen.push('start ' + session.grant.id + ' ' + session.clientInfo.name); });
    api.hooks.on('onListTools', (list, { grant, server }) => {
      seen.push('list ' + grant.id + ' ' + String(server));
      return list.filter((entry) => entry.tool !== options.hide).map((entry) => entry.tool === 'two' ? { ...entry, name: 'second' } : entry);
    });
    api.hooks.on('onCallTool', (call, { session, signal }) => {
      if (call.arguments.refuse) throw new Denied('not with ' + session.clientInfo.name);
      if (call.arguments.answer) return { content: [{ type: 'text', text: JSON.stringify({ seen, aborted: signal.aborted, directory: api.directory }) }] };
      if (call.arguments.mutate) call.arguments.mutate = 'changed';
      if (call.arguments.ask) session.ask('x');
      if (call.arguments.slow) { api.log.info('slow'); return new Promise((done) => setTimeout(done, 400)); }
    });
    api.hooks.on('onToolResult', (result) => result.content.some(({ text }) => text.includes('"redact"')) ? { content: [{ type: 'text', text: '[redacted]' }] } : result);
    api.hooks.on('onCallSettled', ({ call, outcome }) => api.log.info('settled ' + call.name + ' ' + outcome));
    console.log('printed');
    api.log.warn('hiding ' + options.hide + ' in ' + options.mode);
    return () => api.log.info('stopped');
    `,
    { members: `options: z.strictObject({ hide: z.string(), mode: z.enum(['soft', 'hard']).default('soft') }),` },
  );
  const plugins = { 'server-demo': {}, './policy.mjs': { hide: 'three' } };
  const own = [echoServer('demo', ['one', 'two', 'three'])];
  const { host, lines, configure, folder } = await stand(t, { 'policy.mjs': policy }, { own, config: { plugins } });
  const client = await TestClient.old(host.board);
  await until(async () => (await client.toolNames()).length > 0);
  t.deepEqual(await client.toolNames(), ['demo_one', 'second']);
  t.like(await client.echo('second', { n: 1 }), { tool: 'two', args: { n: 1 } });
  t.is(await textOf(client, 'demo_one', { refuse: true }), 'not with test');
  const answered = JSON.parse(await textOf(client, 'demo_one', { answer: true }));
  t.like(answered, { aborted: false, directory: folder });
  for (const seen of ['start default test', 'list default undefined']) t.true(answered.seen.includes(seen));
  t.is(await textOf(client, 'demo_one', { redact: true }), '[redacted]');
  const mutated = await textOf(client, 'demo_one', { mutate: true });
  t.regex(mutated, /plugin "policy" failed in onCallTool during the call of demo_one: Cannot assign to read only/);
  t.regex(
    await textOf(client, 'demo_one', { ask: true }),
    /session\.ask is not there for a plugin that runs in a worker/,
  );
  await until(() => lines.includes('info policy: settled demo_one ok'));
  t.true(lines.includes('info policy: settled demo_one refused'));
  t.true(lines.includes('warn policy: hiding three in soft'), 'defaults of options are filled in there');
  await until(() => lines.includes('info policy: printed'));
  t.like(host.service<HostControl>('host')?.plugins()[1], {
    id: 'policy',
    enabled: true,
    schema: { required: ['hide'] },
  });

  const wrong = { ...plugins, './policy.mjs': { hyde: 'one', mode: 'medium' } };
  const error = await t.throwsAsync(configure({ plugins: wrong }), { instanceOf: PlugboardError });
  t.is(error.code, 'PLUGIN_OPTIONS');
  t.regex(error.message, /plugins\["\.\/policy\.mjs"\]: unknown key "hyde" \(known: hide, mode; nearest: hide\)/);
  t.regex(error.message, /mode/);
  t.deepEqual(await client.toolNames(), ['demo_one', 'second'], 'the running one goes on');
  const slow = client.echo('second', { slow: true });
  await until(() => lines.includes('info policy: slow'));
  await configure({ plugins: { ...plugins, './policy.mjs': { hide: 'one' } } });
  t.like(await slow, { args: { slow: true } }, 'a hook under way ends in the worker where it began');
  t.deepEqual(await client.toolNames(), ['second', 'demo_three']);
  t.true(lines.includes('info policy: stopped'));
});

test.serial(
  'refusals keep their kind: Unauthorized, RefusedRequest, grants that are the same object as long as they are the same',
  async (t) => {
    const identity = source(
      'identity',
      `
    api.services.provide('authentication', true);
    api.hooks.on('onAuthenticate', (credential, { transport }) => {
      if (credential.token === 'wrong') throw new Unauthorized('no such token');
      if (credential.token === 'busy') throw new RefusedRequest(Answer.error(-32600, 'come back later', { after: 5 }, 429));
      if (credential.kind === 'bearer') return { id: 'task:' + credential.token, tools: { allow: ['*'], deny: [] }, data: { transport } };
    });
    api.hooks.on('onCallTool', (call, { grant }) => ({ content: [{ type: 'text', text: JSON.stringify(grant) }] }));
    `,
      { members: `provides: ['authentication'],` },
    );
    const { host } = await stand(t, { 'identity.mjs': identity }, { own: [echoServer('demo', ['one'])] });
    const enter = async (token: string): Promise<Grant> =>
      host.board.authenticate({ kind: 'bearer', token }, { transport: 'test' });
    const grant = await enter('7');
    t.is(grant.id, 'task:7');
    t.is(await enter('7'), grant);
    const refused = await t.throwsAsync(enter('wrong'));
    t.like(refused, { name: 'Unauthorized', message: 'no such token' });
    const busy = (await t.throwsAsync(enter('busy'))) as Error & { answer: { status: number; message: JsonObject } };
    t.is(busy.answer.status, 429);
    t.like(busy.answer.message['error'], { message: 'come back later', data: { after: 5 } });
    t.true(host.board.protected, 'who authenticates in a worker protects like anybody');
    const client = await TestClient.new(host.board, grant);
    await until(async () => (await client.toolNames()).length > 0);
    t.like(JSON.parse(await textOf(client, 'demo_one')), { id: 'task:7', data: { transport: 'test' } });
  },
);

test.serial(
  'a server in a worker: state by lease, errors, cancellation, progress, questions, notices, tools that come and go',
  async (t) => {
    const far = source(
      'far',
      `
    ${server('far', {
      count: '(_, { state }) => (state.calls += 1)',
      fail: `() => { throw new Error('out of order'); }`,
      hang: `(_, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => { api.log.info('given up'); reject(signal.reason); }))`,
    })}
    let open = 0;
    const info = { protocolVersion: '2025-11-25', capabilities: { tools: { listChanged: true }, completions: {} }, serverInfo: { name: 'raw', version: '1' } };
    const tool = (name) => ({ name, inputSchema: { type: 'object' } });
    const names = ['ask', 'withdraw', 'progress', 'more', 'drop'];
    const text = (value) => Answer.result({ content: [{ type: 'text', text: value }] });
    const serve = async (call, events) => {
      if (call.method === 'tools/list') return Answer.result({ tools: names.map(tool) });
      if (call.params.name === 'ask') {
        const { result, error } = await call.ask({ jsonrpc: '2.0', id: 1, method: 'elicitation/create', params: { message: 'which?' } });
        return text(error?.message ?? result.content.word);
      }
      if (call.params.name === 'withdraw') {
        const withdrawn = new AbortController();
        const asked = call.ask({ jsonrpc: '2.0', id: 1, method: 'elicitation/create', params: { message: 'which?' } }, withdrawn.signal);
        withdrawn.abort('found it');
        await asked;
        return text('went on');
      }
      if (call.params.name === 'progress') {
        const progressToken = call.params._meta.progressToken;
        for (const progress of [1, 2]) call.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress } });
        return text('done');
      }
      if (call.params.name === 'more') {
        names.push('new');
        events.notification({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
        return text('more');
      }
      if (call.params.name === 'drop') { events.closed(new Error('it fell off')); throw new CallFailure('gone', 'it fell off'); }
      return text('called ' + call.params.name);
    };
    api.servers.register({ name: 'raw', kind: 'in-process', isolation: 'session', open: async (key, events) => {
      open += 1;
      return { era: 'old', info, send: (call) => serve(call, events).then((answer) => call.resolve(answer), (error) => call.fail(error)), notify() {}, listen() {}, close: async () => { open -= 1; } };
    } });
    let take;
    api.hooks.on('onCallTool', (call) => {
      if (call.tool !== 'count' || call.arguments.later === undefined) return;
      if (call.arguments.later) take = ${server('later', { hello: `() => 'late'` }).slice(0, -1)};
      else take();
      return { content: [{ type: 'text', text: String(open) }] };
    });
    `,
    );
    const { host, lines } = await stand(t, { 'far.mjs': far });
    const clients = [
      await TestClient.old(host.board, undefined, { elicitation: {} }),
      await TestClient.new(host.board),
    ] as const;
    const [asked, other] = clients;
    await until(async () => (await asked.toolNames()).length === 8);
    t.is(await textOf(asked, 'far_count'), '1');
    t.is(await textOf(asked, 'far_count'), '2');
    t.is(await textOf(other, 'far_fail'), 'out of order');
    asked.onAsked = () => ({ action: 'accept', content: { word: 'this one' } });
    t.is(await textOf(asked, 'raw_ask'), 'this one');
    asked.onAsked = () => undefined;
    const withdrawn = await asked.request('tools/call', { name: 'raw_withdraw', arguments: {} });
    t.like(withdrawn.response.result, { content: [{ text: 'went on' }] });
    const [question, taken] = withdrawn.stream;
    const requestId = question !== undefined && 'id' in question && question.id;
    t.like(taken, { method: 'notifications/cancelled', params: { requestId, reason: 'found it' } });
    const { stream, response } = await asked.request('tools/call', {
      name: 'raw_progress',
      arguments: {},
      _meta: { progressToken: 'mine' },
    });
    t.deepEqual(
      stream.map((message) => 'params' in message && message.params),
      [1, 2].map((progress) => ({ progressToken: 'mine', progress })),
    );
    t.like(response.result, { content: [{ text: 'done' }] });

    const hanging = asked.request('tools/call', { name: 'far_hang', arguments: {} }, 'hanging');
    await textOf(asked, 'far_count');
    host.board.notify(asked.session, {
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 'hanging', reason: 'enough' },
    });
    await until(() => lines.includes('info far: given up'));
    void hanging;

    t.is(await textOf(asked, 'raw_more'), 'more');
    await until(async () => (await other.toolNames()).includes('raw_new'));
    t.regex(await textOf(asked, 'raw_drop'), /it fell off/);
    t.is(await textOf(asked, 'raw_new'), 'called new', 'the next call opens another connection');

    await textOf(asked, 'far_count', { later: true });
    await until(async () => (await asked.toolNames()).includes('later_hello'));
    t.is(await textOf(other, 'later_hello'), 'late');
    await textOf(asked, 'far_count', { later: false });
    await until(async () => !(await asked.toolNames()).includes('later_hello'));
    const before = Number(await textOf(asked, 'far_count', { later: true }));
    await host.board.close(asked.session, 'over');
    await until(async () => Number(await textOf(other, 'far_count', { later: false })) < before);
  },
);

test.serial(
  'an endless loop in a hook ends its worker, which is started again; other plugins and sessions go on',
  async (t) => {
    const loop = source(
      'loop',
      `
    let calls = 0;
    api.hooks.on('onCallTool', (call) => { calls += 1; if (call.arguments.loop) for (;;); if (call.arguments.count) return { content: [{ type: 'text', text: String(calls) }] }; });
    ${server('own', { spin: '() => { for (;;); }', pid: '(_, { state }) => (state.calls += 1)' })}
    `,
    );
    const { plugin, settled } = watcher();
    const files = { 'loop.mjs': loop };
    const { host, lines } = await stand(t, files, { own: [echoServer('demo', ['one']), plugin] });
    const [caller, other] = [await TestClient.old(host.board), await TestClient.new(host.board)] as const;
    await until(async () => (await caller.toolNames()).length === 3);
    const looping = textOf(caller, 'demo_one', { loop: true });
    t.deepEqual((await other.toolNames()).length, 3, 'lists are not kept from anybody');
    t.regex(
      await looping,
      /plugin "loop" failed in onCallTool during the call of demo_one: its worker has ended: it gave no sign of life for 3000 ms/,
    );
    t.is(await textOf(other, 'demo_one', { count: true }), '1', 'a new worker answers');
    t.regex(
      lines.find((line) => line.startsWith('error core: plugin "loop" failed')) ?? '',
      /failed in onCallTool during the call of demo_one: it gave no sign of life/,
    );

    // A server that spins takes its own calls with it, and is opened again.
    t.is(await textOf(other, 'own_pid'), '1');
    const bystander = textOf(other, 'own_pid');
    t.is(await bystander, '2');
    t.regex(
      await textOf(caller, 'own_spin'),
      /error -32000: server "own" stopped while it was answering \(.*no sign of life/,
    );
    t.true(
      lines.some((line) => /plugin "loop" failed in .*tools\/call spin at server "own"/.test(line)),
      lines.join('\n'),
    );
    await until(async () => (await textOf(other, 'own_pid')) === '1');
    await until(() => settled.includes('demo_one ok'));
    t.true(settled.includes('demo_one failed'));
  },
);

test.serial(
  'memory, process.exit, errors that nobody catches, polluted prototypes: the worker’s own affair, and told whose',
  async (t) => {
    const wild = source(
      'wild',
      `
    const wild = {
      objects: () => { const kept = []; for (;;) kept.push(new Array(100_000).fill(0.5)); },
      buffers: async () => { globalThis.kept = []; for (;;) { if (kept.length < 20) kept.push(Buffer.alloc(10 * ${megabyte}, 1)); await new Promise((done) => setTimeout(done, 5)); } },
      exit: () => process.exit(3),
      uncaught: () => new Promise(() => setTimeout(() => { throw new Error('thrown in a timer'); })),
      rejected: () => { setTimeout(async () => { throw new Error('rejected later'); }); },
      polluted: () => { Object.prototype.polluted = 'yes'; Array.prototype.map = () => ['mapped']; String.prototype.includes = () => true; },
    };
    api.hooks.on('onCallTool', (call) => wild[call.arguments.what]?.());
    `,
    );
    const isolation = { './wild.mjs': { isolation: 'worker', memory: 64, restarts: 100, heartbeat: 3000 } };
    const { host, lines } = await stand(
      t,
      { 'wild.mjs': wild },
      { own: [echoServer('demo', ['one'])], config: { pluginIsolation: isolation } },
    );
    const client = await TestClient.old(host.board);
    await until(async () => (await client.toolNames()).length === 1);
    const goesWrong = async (what: string, pattern: RegExp) => {
      t.regex(await textOf(client, 'demo_one', { what }), pattern);
      t.like(await client.echo('demo_one', { after: what }), { args: { after: what } });
      t.true(
        lines.some(
          (line) => /plugin "wild" failed in onCallTool during the call of demo_one/.test(line) && pattern.test(line),
        ),
        `${what} is attributed: ${lines.join('\n')}`,
      );
    };
    await goesWrong('objects', /it used more than 64 MB of memory/);
    await goesWrong('buffers', /it uses \d+ MB of memory, and 64 are allowed/);
    await goesWrong('exit', /it ended itself with process\.exit\(3\)/);
    await goesWrong('uncaught', /nobody caught an error: thrown in a timer/);
    await client.echo('demo_one', { what: 'rejected' });
    await until(() =>
      lines.includes('error core: plugin "wild" failed in onCallTool during the call of demo_one: rejected later'),
    );
    t.like(await client.echo('demo_one', { what: 'polluted' }), { args: { what: 'polluted' } });
    t.is(({} as JsonObject)['polluted'], undefined);
    t.deepEqual(
      [1].map((n) => n + 1),
      [2],
    );
    t.false('abc'.includes('x'));
  },
);

test.serial(
  'a worker that keeps ending is given up: its hooks refuse, or let pass if it says so, and that is told once',
  async (t) => {
    const frail = (id: string, members = '') =>
      source(
        id,
        `
      api.hooks.on('onCallTool', (call) => { if (call.arguments.what === 'die') process.exit(1); });
      ${server(id, { hello: `() => 'hello'` })}
      `,
        { members },
      );
    const { plugin, off } = watcher();
    const files = { 'strict.mjs': frail('strict') };
    const isolation = { './strict.mjs': { isolation: 'worker', restarts: 2 } };
    const { host, lines, configure, folder } = await stand(t, files, {
      own: [echoServer('demo', ['one']), plugin],
      config: { pluginIsolation: isolation },
    });
    const client = await TestClient.old(host.board);
    await until(async () => (await client.toolNames()).length === 2);
    for (let times = 0; times < 3; times += 1)
      t.regex(await textOf(client, 'demo_one', { what: 'die' }), /process\.exit\(1\)/);
    await until(() => off.length === 1);
    t.regex(off[0] ?? '', /^strict: its worker has ended 3 times within a minute, and 2 restarts are allowed/);
    t.regex(
      await textOf(client, 'demo_one'),
      /plugin "strict" failed in onCallTool: it has failed too often and is switched off/,
    );
    t.regex(await textOf(client, 'strict_hello'), /switched off/);
    t.true((await client.toolNames()).includes('demo_one'), 'what it does not tap goes on');
    t.is(lines.filter((line) => /plugin "strict" is switched off/.test(line)).length, 1);

    await writeFile(path.join(folder, 'lax.mjs'), frail('lax', `whenSwitchedOff: 'open',`));
    const plugins = { 'server-demo': {}, watcher: {}, './lax.mjs': {} };
    await configure({ plugins, pluginIsolation: { './lax.mjs': { isolation: 'worker', restarts: 0 } } });
    t.regex(await textOf(client, 'demo_one', { what: 'die' }), /process\.exit\(1\)/);
    await until(() => off.length === 2);
    t.like(await client.echo('demo_one', { what: 'die' }), { args: { what: 'die' } }, 'it is left out');
  },
);

test.serial(
  'a hook that never settles ends its worker; rejections without end use up the budget, and the worker ends with it',
  async (t) => {
    const stuck = source(
      'stuck',
      `api.hooks.on('onCallTool', (call) => call.arguments.stuck && new Promise(() => {}));`,
    );
    const noisy = source(
      'noisy',
      `setInterval(async () => { throw new Error('again'); }, 20); setInterval(() => api.log.info('alive'), 100);`,
    );
    const { plugin, off } = watcher();
    const { host, lines } = await stand(
      t,
      { 'stuck.mjs': stuck, 'noisy.mjs': noisy },
      { own: [echoServer('demo', ['one']), plugin], config: { limits: { hookTimeout: 1000, faultBudget: 5 } } },
    );
    const client = await TestClient.old(host.board);
    await until(async () => (await client.toolNames()).length === 1);
    t.regex(
      await textOf(client, 'demo_one', { stuck: true }),
      /plugin "stuck" failed in onCallTool during the call of demo_one: .*did not finish within 1000 ms/,
    );
    await until(() => lines.includes('warn stuck: its worker was started again'));
    t.like(await client.echo('demo_one', { free: true }), { args: { free: true } });
    await until(() => off.some((each) => /^noisy: .*failed in apply: again/.test(each)));
    t.is(
      lines.filter((line) => /plugin "noisy" failed in apply: again/.test(line)).length,
      6,
      'five faults, and that it is off',
    );
    const count = () => lines.filter((line) => line === 'info noisy: alive').length;
    await until(async () => {
      const before = count();
      await new Promise((resolve) => setTimeout(resolve, 500));
      return count() === before;
    });
  },
);

test.serial('what a worker listens on ends with it: on a change, at the end, with no handle left', async (t) => {
  const socket = source(
    'socket',
    `const { createServer } = await import('node:net'); const listening = createServer(() => {}).listen(0, '127.0.0.1', () => api.log.info('port ' + listening.address().port + ' ' + options.n)); setInterval(() => {}, 1000);`,
    { members: 'options: z.strictObject({ n: z.int() }),' },
  );
  const before = workers();
  const plugins = (n: number) => ({ './socket.mjs': { n } });
  const { host, lines, configure } = await stand(t, { 'socket.mjs': socket }, { config: { plugins: plugins(1) } });
  const portOf = async (n: number) => {
    const found = () => lines.map((line) => new RegExp(`port (\\d+) ${n}$`).exec(line)?.[1]).find(Boolean);
    await until(() => found() !== undefined);
    return Number(found());
  };
  const first = await portOf(1);
  t.true(await listens(first));
  await configure({ plugins: plugins(1), log: { level: 'debug' } });
  t.true(await listens(first), 'what did not change stays');
  await configure({ plugins: plugins(2) });
  const second = await portOf(2);
  t.false(await listens(first));
  t.true(await listens(second));
  await host.stop();
  t.false(await listens(second));
  await until(() => workers() === before);
});

/** Ports to workers that this process has open. */
function workers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'MessagePort' || name === 'Worker').length;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

test.serial('what cannot run in a worker is refused before anything of it runs, with its own message', async (t) => {
  const refuse = async (text: string, config: JsonObject = {}) =>
    await t.throwsAsync(stand(t, { 'plugin.mjs': text }, { config }), { instanceOf: PlugboardError });
  const needy = await refuse(source('needy', '', { members: `needs: ['host'],` }));
  t.regex(
    needy.message,
    /plugin "needy" needs the service "host", and services do not cross to a worker: take ".\/plugin.mjs" out of pluginIsolation/,
  );
  const giving = await refuse(source('giving', '', { members: `provides: ['store'],` }));
  t.regex(giving.message, /provides the service "store"/);
  t.regex(
    (await refuse(source('boarding', 'api.board.servers();'))).message,
    /plugin "boarding" failed in apply: api\.board does not cross to a worker/,
  );
  const visible = `api.servers.register({ ...localServer({ name: 'x', version: '1', isolation: 'task', tools: [], open: () => ({}) }), visible: () => true });`;
  t.regex((await refuse(source('visible', visible))).message, /server "x": "visible" is asked at every list/);
  t.regex(
    (await refuse(source('broken', '', { top: `throw new Error('not today');` }))).message,
    /cannot be imported from .*: not today/,
  );
  t.regex((await refuse('export default {};')).message, /has no plugin as its default export/);
  const limits = { applyTimeout: 1500 };
  t.regex(
    (await refuse(source('stalled', '', { top: 'for (;;);' }), { limits })).message,
    /it was not loaded within 1500 ms/,
  );
  t.regex(
    (await refuse(source('slow', 'await new Promise(() => {});'), { limits })).message,
    /plugin "slow" failed in apply: .*within 1500 ms/,
  );
  t.regex((await refuse(source('leaving', '', { top: 'process.exit(0);' }))).message, /process\.exit\(0\)/);
  const misspelt = await refuse(source('fine', ''), { pluginIsolation: { './plugn.mjs': { isolation: 'worker' } } });
  t.is(misspelt.code, 'CONFIG_INVALID');
  t.regex(misspelt.message, /pluginIsolation.*is no key of `plugins` \(there are: \.\/plugin\.mjs\)/);
});

test.serial(
  'the error budget in process: a policy that keeps failing is switched off and refuses, one that says so is left out; told once',
  async (t) => {
    let entered = 0;
    const failing = (id: string, whenSwitchedOff?: 'open' | 'closed'): Plugin =>
      definePlugin({
        id,
        apiVersion: 1,
        ...(whenSwitchedOff !== undefined && { whenSwitchedOff }),
        apply: ({ hooks }) =>
          hooks.on('onCallTool', () => {
            entered += 1;
            throw new Error('the policy is broken');
          }),
      });
    for (const [id, when, refusing] of [
      ['strict', undefined, true],
      ['lax', 'open', false],
    ] as const) {
      const { plugin, off } = watcher();
      const { host, lines } = await startHost([echoServer('demo', ['one']), plugin, failing(id, when)], {
        limits: { faultBudget: 3 },
      });
      t.teardown(() => host.stop());
      const client = await TestClient.old(host.board);
      await until(async () => (await client.toolNames()).length === 1);
      for (let times = 0; times < 3; times += 1)
        t.regex(
          await textOf(client, 'demo_one'),
          /failed in onCallTool during the call of demo_one: the policy is broken/,
        );
      await until(() => off.length > 0);
      const before = entered;
      for (let times = 0; times < 3; times += 1) {
        const text = await textOf(client, 'demo_one', { times });
        if (refusing) t.regex(text, /it has failed too often and is switched off: what it decides is refused/);
        else t.regex(text, /"tool":"one"/);
      }
      t.is(entered, before, 'its hooks are not entered any more');
      t.deepEqual(off, [
        `${id}: plugin "${id}" failed in onCallTool during the call of demo_one: the policy is broken`,
      ]);
      t.is(lines.filter((line) => line.includes('is switched off, it has failed too often')).length, 1);
      t.deepEqual(await client.toolNames(), ['demo_one'], 'what it does not tap goes on');
    }
  },
);

test.serial('capabilities: a package gets what it declares, in the proxy and in a worker', async (t) => {
  const declared = { hooks: ['onListTools'], services: [] };
  const bodies: readonly (readonly [string, string, RegExp, boolean])[] = [
    [
      'hook',
      `api.hooks.on('onCallTool', () => {});`,
      /hook "onCallTool" is not declared: add it to plugboard\.capabilities\.hooks/,
      true,
    ],
    [
      'service',
      `api.services.get('host');`,
      /service "host" is not declared: add it to plugboard\.capabilities\.services/,
      false,
    ],
    [
      'board',
      `api.board.servers();`,
      /api\.board is not declared: add "board": true to plugboard\.capabilities/,
      false,
    ],
  ];
  for (const [id, body, expected, crosses] of bodies) {
    const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-capabilities-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const manifest = { type: 'module', exports: './index.js', plugboard: { id, capabilities: declared } };
    await writeFile(path.join(folder, 'package.json'), JSON.stringify(manifest));
    const members = id === 'service' ? `needs: ['host'],` : '';
    await writeFile(path.join(folder, 'index.js'), source(id, body, { members }));
    const key = `${folder}/`;
    const start = async (config: JsonObject) => Host.start(await configFrom(config, folder), keepLog());
    const error = await t.throwsAsync(start({ plugins: { [key]: {} } }));
    t.regex(error.message, new RegExp(`plugin "${id}" failed in apply`));
    t.regex(error.message, expected);
    if (!crosses) continue;
    const isolated = start({ plugins: { [key]: {} }, pluginIsolation: { [key]: { isolation: 'worker' } } });
    t.regex((await t.throwsAsync(isolated)).message, expected);
  }
});

test.serial('many calls at once cross without being mixed up', async (t) => {
  const busy = source(
    'busy',
    `
    ${server('busy', { echo: 'async ({ n }) => { await new Promise((done) => setTimeout(done, n % 7)); return n; }' })}
    api.hooks.on('onToolResult', async (result, call) => ({ ...result, structuredContent: { n: call.arguments.n } }));
    `,
  );
  const { host } = await stand(t, { 'busy.mjs': busy });
  const client = await TestClient.old(host.board);
  await until(async () => (await client.toolNames()).length === 1);
  const calls = Array.from({ length: 300 }, async (_, n) => {
    const { response } = await client.request('tools/call', { name: 'busy_echo', arguments: { n } });
    const { content, structuredContent } = response.result as {
      content: { text: string }[];
      structuredContent: { n: number };
    };
    return content[0]?.text === String(n) && structuredContent.n === n;
  });
  t.true((await Promise.all(calls)).every(Boolean));
});
