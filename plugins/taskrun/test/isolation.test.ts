// Many tasks side by side: no call, list, notification, resource or line of the log of one reaches another. Random, with many calls under way at once.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { until } from '@plugboard/test-kit';
import test from 'ava';
import fc from 'fast-check';
import type { JsonObject } from 'plugboard';
import { connect, manifest, stand, tools } from './stand.ts';
import type { McpClient } from './stand.ts';

const taskCount = 50;
const callCount = 5000;
const width = 25;
const names = Array.from({ length: 12 }, (_, index) => `tool_${index}`);

interface Agent {
  readonly id: string;
  /** Stands in everything that this task writes, and must stand nowhere else. */
  readonly mark: string;
  readonly grant: string;
  readonly allowed: Set<string>;
  readonly clients: readonly McpClient[];
}

test(`${taskCount} tasks, ${callCount} calls: nothing crosses`, async (t) => {
  t.timeout(300_000);
  const proxy = await stand(t, {
    servers: { alpha: names, beta: names },
    plugins: { memory: {}, filesystem: { root: '.' } },
  });
  const picked = fc.sample(fc.record({ alpha: fc.subarray(names), beta: fc.subarray(names) }), taskCount);
  const agents: Agent[] = [];
  for (const [index, { alpha, beta }] of picked.entries()) {
    const id = `agent-${index}`;
    const mark = `mark-${index}-${Math.random().toString(36).slice(2, 10)}`;
    const own = [...alpha.map((tool) => `alpha:${tool}`), ...beta.map((tool) => `beta:${tool}`)];
    const allow = [
      ...own,
      'memory:create_entities',
      'memory:read_graph',
      'filesystem:write_file',
      'filesystem:list_directory',
      'filesystem:read_text_file',
    ];
    const context = [{ filename: 'task.md', content: `This is ${mark}.` }];
    const { token } = await proxy.task(manifest(id, tools(allow), { taskId: index + 1, markdownFiles: context }));
    const clients = await Promise.all([connect(t, 'old', proxy.url, token), connect(t, 'new', proxy.url, token)]);
    for (const client of clients) {
      await client.names();
      await client.watch(['task://context']);
    }
    agents.push({
      id,
      mark,
      grant: proxy.grant(id).id,
      allowed: new Set(allow.map((each) => each.replace(':', '_'))),
      clients,
    });
  }
  const others = (agent: Agent) => agents.filter((each) => each !== agent).map(({ mark }) => mark);
  const foreign = (agent: Agent, text: string) => others(agent).find((mark) => text.includes(mark));
  const workspaces = path.join(proxy.folder, '.plugboard', 'workspaces');
  const made = await readdir(workspaces);
  // `agent-1-` and a uid; not that of `agent-11-`.
  const folders = new Map(
    agents.map(({ id }) => [id, path.join(workspaces, made.find((name) => name.startsWith(`${id}-`)) ?? '')]),
  );

  let refused = 0;
  const work = async (agent: Agent, number: number): Promise<void> => {
    const client = agent.clients[number % 2];
    if (client === undefined) return;
    const dice = Math.random();
    if (dice < 0.55) {
      const name = `${Math.random() < 0.5 ? 'alpha' : 'beta'}_${names[Math.floor(Math.random() * names.length)]}`;
      const answer = await client.call(name, { mark: agent.mark, number }).catch((error: Error) => error.message);
      if (agent.allowed.has(name)) {
        const { grant, args } = JSON.parse(answer) as { grant: string; args: JsonObject };
        if (grant !== agent.grant || args['mark'] !== agent.mark || args['number'] !== number)
          throw new Error(`${agent.id}: ${answer}`);
      } else {
        refused += 1;
        if (!answer.includes('Unknown tool')) throw new Error(`${agent.id} called ${name}: ${answer}`);
      }
    } else if (dice < 0.7) {
      const entity = { name: `${agent.mark}-${number}`, entityType: 'x', observations: [] };
      await client.call('memory_create_entities', { entities: [entity] });
    } else if (dice < 0.85) {
      const graph = await client.call('memory_read_graph');
      if (foreign(agent, graph) !== undefined) throw new Error(`${agent.id} reads ${foreign(agent, graph)}`);
    } else if (dice < 0.9) {
      const root = folders.get(agent.id) ?? '';
      await client.call('filesystem_write_file', { path: path.join(root, `${number}.txt`), content: agent.mark });
      const elsewhere = folders.get(agents[(agents.indexOf(agent) + 1) % agents.length]?.id ?? '') ?? '';
      const stolen = await client.call('filesystem_list_directory', { path: elsewhere });
      if (/\[FILE\]/.test(stolen)) throw new Error(`${agent.id} lists ${elsewhere}: ${stolen}`);
    } else if (dice < 0.95) {
      const text = await client.read('task://context');
      if (!text.includes(agent.mark) || foreign(agent, text) !== undefined) throw new Error(`${agent.id}: ${text}`);
    } else {
      const listed = (await client.names()).filter((name) => !name.startsWith('task_'));
      if (listed.join() !== [...agent.allowed].sort().join()) throw new Error(`${agent.id} lists ${listed.join()}`);
    }
  };
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let number = next++; number < callCount; number = next++) {
      const agent = agents[Math.floor(Math.random() * agents.length)];
      if (agent !== undefined) await work(agent, number);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: width }, worker));
  t.log(`${callCount} calls in ${Math.round(performance.now() - started)} ms, ${refused} of tools of others`);
  t.true(refused > 500);

  // One task is changed: its agent is told on both connections, and nobody else.
  const [changed] = agents;
  if (changed === undefined) return;
  const before = agents.map(({ clients }) => clients.map(({ changed: c, updated }) => c.length + updated.length));
  t.true(before.flat().every((count) => count === 0));
  await proxy.ok('POST', `/tasks/${changed.id}/context`, {
    additional_context: `More of ${changed.mark}.`,
    enable_tools: ['filesystem:move_file'],
    disable_tools: ['filesystem:list_directory'],
  });
  for (const client of changed.clients)
    await until(`${client.era} is told`, () => client.changed.length > 0 && client.updated.length > 0);
  // What would come to others has come by the time that their next answers have.
  for (const agent of agents.slice(1)) for (const client of agent.clients) await client.read('task://context');
  for (const agent of agents.slice(1))
    for (const client of agent.clients)
      t.deepEqual([client.changed.length, client.updated.length], [0, 0], `${agent.id} ${client.era}`);

  for (const agent of agents) {
    const root = folders.get(agent.id) ?? '';
    for (const file of await readdir(root)) t.is(await readFile(path.join(root, file), 'utf8'), agent.mark);
    const journal = JSON.stringify(await proxy.ok('GET', `/tasks/${agent.id}/journal`));
    t.is(foreign(agent, journal), undefined);
    const status = (await proxy.ok('GET', `/tasks/${agent.id}`))['status'] as { calls: number };
    t.true(status.calls > 10);
  }
  for (const line of proxy.lines) {
    const marks = agents.filter(({ mark }) => line.includes(mark));
    t.deepEqual(marks, [], `nothing that an agent writes stands in the log: ${line}`);
  }
  const calls = (await proxy.ok('GET', '/tasks?limit=1000'))['items'] as { status: { calls: number } }[];
  t.log(`${calls.reduce((sum, { status }) => sum + status.calls, 0)} calls counted`);
});
