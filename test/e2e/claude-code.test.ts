// The real agent, headless, with the files that a task is rendered to, through a real proxy; its model is played by a script.
import { execFile } from 'node:child_process';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { commandLine, startMessagesApi } from '@plugboard/test-kit';
import type { Block, MessagesApi, ProxyProcess, RecordedRequest, Script } from '@plugboard/test-kit';
import type { JsonObject } from 'plugboard';
import { claudeCode, deskFor } from './support/claude-code.ts';
import type { AgentRun, Desk, Rendered } from './support/claude-code.ts';
import { proxyFor } from './support/stand.ts';

/** Without the agent there is nothing to test here; the remedy stands in the title. One agent at a time: each takes a core. */
const withAgent = claudeCode === undefined ? test.serial.skip : test.serial;
const title = (text: string) => (claudeCode === undefined ? `${text} (run: node .ci/claude-code/install.mjs)` : text);

/** Rounds that the agent may take to see a change; each is a request with a call in between. */
const patience = 50;

function taskRun(permissions: JsonObject, mcpServers: readonly JsonObject[]): string {
  return JSON.stringify({
    apiVersion: 'orchestrator.io/v1',
    kind: 'TaskRun',
    metadata: { name: 'payments' },
    spec: {
      taskId: 7,
      serviceName: 'payments',
      agentName: 'rex',
      contextVersion: 1,
      markdownFiles: [
        { filename: 'task.md', content: 'Count the xylophones.', fileType: 'task' },
        { filename: 'prompt.md', content: 'Begin with the xylophones.', fileType: 'prompt' },
      ],
      toolConfig: { internalTools: { permissions }, mcpServers },
    },
  });
}

/** A proxy with one task, a place for its agent, and a model. */
interface Stand {
  readonly proxy: ProxyProcess;
  readonly desk: Desk;
  readonly api: MessagesApi;
  readonly rendered: Rendered;
  readonly environment: Readonly<Record<string, string>>;
  /** Runs `plugboard task …` and returns what it prints as JSON. */
  task(...args: string[]): Promise<JsonObject>;
  /** Starts the agent as rendered, with further flags. */
  start(...more: string[]): AgentRun;
}

async function standFor(t: ExecutionContext, manifest: string, script: (stand: () => Stand) => Script): Promise<Stand> {
  const config = {
    plugins: {
      http: {},
      filesystem: { root: '.' },
      memory: {},
      'store-lowdb': {},
      taskrun: { source: 'tasks' },
      admin: {},
    },
  };
  const proxy = await proxyFor(t, config, { files: { 'tasks/payments.json': manifest } });
  await proxy.ready();
  const task = async (...args: string[]) => await plugboard(proxy, 'task', ...args);
  const { token } = await task('token', 'payments');
  const rendered = (await task('render', 'payments', '--for', 'claude')) as unknown as Rendered;
  t.false(JSON.stringify(rendered).includes(String(token)), 'no file holds the token');
  const desk = await deskFor(t);
  await desk.write(rendered.files);
  const made: { stand?: Stand } = {};
  const api = await startMessagesApi({
    script: script(() => {
      if (made.stand === undefined) throw new Error('not yet');
      return made.stand;
    }),
  });
  t.teardown(() => api.close());
  // What the rendering asks for by name alone is the token.
  const given = rendered.environment.map((each) => (each.includes('=') ? each.split(/=(.*)/s) : [each, String(token)]));
  const environment = { ...Object.fromEntries(given), ANTHROPIC_BASE_URL: api.url } as Record<string, string>;
  const prompt = rendered.files['prompt.md'] ?? 'Begin.';
  const start = (...more: string[]) => desk.start({ flags: [...rendered.flags, ...more], prompt, env: environment });
  made.stand = { proxy, desk, api, rendered, environment, task, start };
  return made.stand;
}

function plugboard(proxy: ProxyProcess, ...args: string[]): Promise<JsonObject> {
  const line = commandLine(...args, '--json', '--config', proxy.configFile);
  const env = { PATH: process.env['PATH'] ?? '', HOME: proxy.folder };
  return new Promise((resolve, reject) => {
    execFile(line.command, line.args, { cwd: proxy.folder, env }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as JsonObject);
      else reject(new Error(`plugboard ${args.join(' ')}: ${stdout}${stderr}`));
    });
  });
}

const call = (name: string, input: JsonObject = {}): Block[] => [{ type: 'tool_use', name, input }];
const ofProxy = (name: string) => `mcp__plugboard__${name}`;
const shell = (command: string) => call('Bash', { command, description: 'as the test says' });
const sorted = (names: Iterable<string>) => [...names].sort();

/** Ends well, and has talked to nobody but the model and the proxy. */
async function endsWell(t: ExecutionContext, { api, desk }: Stand, agent: AgentRun): Promise<void> {
  const code = await agent.ended;
  t.is(code, 0, `${agent.errors}\n${JSON.stringify(agent.messages.at(-1))}`);
  t.deepEqual(api.failures, []);
  t.deepEqual(api.unknown, []);
  t.deepEqual(desk.strangers, []);
}

const permissions = { allow: ['Bash(echo:*)', 'Read'], deny: ['WebFetch', 'Bash(echo secret:*)'] };
const servers = [
  { name: 'memory', tools: { allow: ['read_graph', 'create_entities'] } },
  { name: 'filesystem', tools: { allow: ['read_*'], deny: ['read_m*'] } },
];
const exposed = [
  'memory_read_graph',
  'memory_create_entities',
  'filesystem_read_file',
  'filesystem_read_text_file',
  'task_request_tools',
];
const firstSet = sorted(['Bash', 'Read', ...exposed.map(ofProxy)]);
const secondSet = sorted([
  ...firstSet.filter((name) => !name.endsWith('create_entities')),
  ofProxy('memory_search_nodes'),
]);

const alpha = { name: 'alpha', entityType: 'xylophone', observations: ['has eight bars'] };

/** What the agent is made to do, step by step; what it was told in return is kept for the assertions. */
class Story {
  readonly told = new Map<string, RecordedRequest>();
  /** Resolves when the agent waits for an answer that never comes. */
  readonly hung: Promise<void>;
  #hang: () => void = () => {};
  readonly #stand: () => Stand;
  #rounds = 0;
  #step = 0;

  constructor(stand: () => Stand) {
    this.#stand = stand;
    this.hung = new Promise((resolve) => (this.#hang = resolve));
  }

  readonly script: Script = async (request) => {
    const { task } = this.#stand();
    const steps: [string, () => string | Block[] | Promise<string | Block[]>][] = [
      ['start', () => call(ofProxy('memory_create_entities'), { entities: [alpha] })],
      ['created', () => call(ofProxy('filesystem_write_file'), { path: 'x', content: 'x' })],
      ['unlisted', () => shell('echo hello')],
      ['allowed', () => shell('echo secret plans')],
      ['denied', () => shell('echo hello; ls')],
      [
        'compound',
        async () => {
          await task('context', 'payments', '--disable', 'Bash(echo:*)', '--reason', 'enough');
          return shell('echo hello');
        },
      ],
      [
        'refused',
        async () => {
          await task(
            'context',
            'payments',
            '--enable',
            'memory:search_nodes',
            '--disable',
            'memory:create_entities',
            '--message',
            'Use euros.',
          );
          return call(ofProxy('memory_read_graph'));
        },
      ],
      ['changed', () => call(ofProxy('memory_search_nodes'), { query: 'alpha' })],
    ];
    const [name, answer] = steps[this.#step] ?? ['hanging', undefined];
    const isLate = name === 'changed' && !request.toolNames.includes(ofProxy('memory_search_nodes'));
    if (isLate && this.#rounds++ < patience) return call(ofProxy('memory_read_graph'));
    this.told.set(name, request);
    this.#step += 1;
    if (answer !== undefined) return await answer();
    this.#hang();
    return await new Promise(() => {});
  };

  /** Names of tools that the agent offered its model at a step. */
  offered(name: string): string[] {
    return sorted(this.told.get(name)?.toolNames ?? []);
  }

  result(name: string): { text: string; isError: boolean } {
    return this.told.get(name)?.toolResults[0] ?? { text: 'nothing', isError: false };
  }
}

withAgent(
  title('the agent has exactly its task’s tools, sees live changes, and finds them and its memory after it was killed'),
  async (t) => {
    let story: Story | undefined;
    const stand = await standFor(t, taskRun(permissions, servers), (get) => {
      story = new Story(get);
      let second = 0;
      const played = story.script;
      return (request, index) => {
        if (!JSON.stringify(request.body).includes('Go on.')) return played(request, index);
        second += 1;
        return second === 1 ? call(ofProxy('memory_read_graph')) : 'Done.';
      };
    });
    const { api } = stand;
    if (story === undefined) throw new Error('no script');
    const first = stand.start();
    const outcome = await Promise.race([
      story.hung,
      first.ended.then((code) => `it ended with ${code}: ${first.errors}`),
    ]);
    t.is(outcome, undefined);

    t.deepEqual(story.offered('start'), firstSet, 'from the first request on');
    t.true(JSON.stringify(story.told.get('start')?.body).includes('Count the xylophones.'), 'it reads the task');
    t.regex(story.result('created').text, /alpha/);
    t.false(story.result('created').isError);
    t.true(story.result('unlisted').isError, 'a tool that is not listed cannot be called');
    t.deepEqual(story.result('allowed'), { ...story.result('allowed'), text: 'hello', isError: false });
    t.true(story.result('denied').isError, 'a rule that denies holds');
    t.true(story.result('compound').isError, 'each command of a line must be allowed');
    t.true(story.result('refused').isError, 'what was allowed a moment before');
    t.regex(story.result('refused').text, /Bash\(echo:\*\)/, 'the hook says why');
    t.deepEqual(story.offered('refused'), firstSet);
    t.deepEqual(story.offered('changed'), secondSet, 'add-context changed the list of the running agent');
    t.regex(story.result('hanging').text, /alpha/, 'the tool that was enabled works');

    await first.kill();
    const before = api.requests.length;
    const again = stand.desk.start({
      flags: [...stand.rendered.flags, '--continue'],
      prompt: 'Go on.',
      env: stand.environment,
    });
    await endsWell(t, stand, again);
    const [resumed, last] = api.requests.slice(before);
    t.deepEqual(sorted(resumed?.toolNames ?? []), secondSet, 'the same set');
    t.true(JSON.stringify(resumed?.body.messages).includes('Begin with the xylophones.'), 'the same conversation');
    t.regex(last?.toolResults[0]?.text ?? '', /has eight bars/, 'the same memory');
    const shown = await stand.task('show', 'payments');
    t.is(shown['contextVersion'], 3);
  },
);

withAgent(title('a task with all internal tools but some, and one with none'), async (t) => {
  const all = await standFor(
    t,
    taskRun({ allow: ['*'], deny: ['WebFetch', 'Bash(rm:*)', 'Cron*'] }, servers),
    () => (_request, index) => {
      const turns = [shell('echo one; rm x'), shell('echo one | cat'), call('TodoWrite', {}), 'Done.'];
      return turns[index] ?? 'Done.';
    },
  );
  await endsWell(t, all, all.start());
  const names = all.api.requests[0]?.toolNames ?? [];
  t.true(
    ['Bash', 'Read', 'Write', 'Edit', 'WebSearch'].every((name) => names.includes(name)),
    names.join(),
  );
  t.deepEqual(
    names.filter((name) => /^(?:WebFetch|Cron)/.test(name)),
    [],
  );
  t.true(all.api.requests[1]?.toolResults[0]?.isError, 'a denied command in a line');
  t.regex(all.api.requests[2]?.toolResults[0]?.text ?? '', /^one/);

  // Without the flag that names the tools, only the rules of the settings hide them: this agent has none that they do not know.
  const none = await standFor(t, taskRun({ allow: [], deny: [] }, servers), () => () => 'Done.');
  const at = none.rendered.flags.indexOf('--tools');
  const flags = none.rendered.flags.toSpliced(at, 2);
  const agent = none.desk.start({ flags, prompt: 'Begin.', env: none.environment });
  await endsWell(t, none, agent);
  t.deepEqual(sorted(none.api.requests[0]?.toolNames ?? []), sorted(exposed.map(ofProxy)));
  t.notRegex(agent.errors, /invalid|ignored/i);

  const { environment, desk, rendered } = none;
  const { PLUGBOARD_TOKEN: _, ...without } = environment;
  const before = none.api.requests.length;
  const stranger = desk.start({ flags: rendered.flags, prompt: 'Begin.', env: without });
  await stranger.ended;
  t.deepEqual(
    none.api.requests.slice(before).flatMap(({ toolNames }) => toolNames),
    [],
    'without the token it has no tools',
  );
});

withAgent(title('a token that is revoked ends it: the next call is refused, and so is the next command'), async (t) => {
  const stand = await standFor(
    t,
    taskRun({ allow: ['Bash(echo:*)'], deny: [] }, servers),
    (get) => async (_request, index) => {
      if (index === 1) await get().task('token', 'payments', '--revoke');
      return [call(ofProxy('memory_read_graph')), call(ofProxy('memory_read_graph')), 'Done.'][index] ?? 'Done.';
    },
  );
  await endsWell(t, stand, stand.start());
  const results = stand.api.requests.map(({ toolResults }) => toolResults[0]);
  t.false(results[1]?.isError ?? true);
  t.true(results[2]?.isError ?? false);
  const headers = {
    authorization: `Bearer ${stand.environment['PLUGBOARD_TOKEN']}`,
    'content-type': 'application/json',
  };
  const response = await fetch(stand.proxy.url, {
    method: 'POST',
    headers,
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  });
  t.is(response.status, 401, await response.text());
});

/** A way to the proxy that lets nothing through for a while. */
async function slowWayTo(t: ExecutionContext, url: string, ms: number): Promise<string> {
  const open = new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
  const server = createServer((incoming, outgoing) => {
    const pass = () => {
      const { hostname, port } = new URL(url);
      const headers = { ...incoming.headers, host: `${hostname}:${port}` };
      const onward = request({ hostname, port, path: incoming.url, method: incoming.method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.on('error', () => outgoing.destroy()).pipe(outgoing);
      });
      onward.on('error', () => outgoing.destroy());
      incoming.pipe(onward);
    };
    open.then(pass, () => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${new URL(url).pathname}`;
}

withAgent(title('the agent waits for a proxy that is slow, and has its tools from its first request on'), async (t) => {
  const stand = await standFor(t, taskRun(permissions, servers), () => () => 'Done.');
  // Left to itself, the agent goes on without its tools after five seconds.
  const way = await slowWayTo(t, stand.proxy.url, 8000);
  const env = { ...stand.environment, MCP_PROXY_URL: way };
  await endsWell(t, stand, stand.desk.start({ flags: stand.rendered.flags, prompt: 'Begin.', env }));
  t.deepEqual(sorted(stand.api.requests[0]?.toolNames ?? []), firstSet);
});
