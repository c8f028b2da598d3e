// A thousand tasks with toolsets of their own over 500 tools: the first list and the next, a live change, and a start that finds them all.
import { readFile } from 'node:fs/promises';
import { localCredentialFile } from 'plugboard';
import { startProxy, until } from '@plugboard/test-kit';
import type { ProxyProcess } from '@plugboard/test-kit';
import type { Bench } from '../bench.ts';
import { median, paired } from '../statistics.ts';
import { startTarget } from '../targets/proxy.ts';
import * as common from './common.ts';

const entry = 'tasks';
const tools = 500;
const count = 1000;
/** Limits on a machine at rest, ms. */
const goals = { first: 5, start: 2000 };

/** A credential of one task, and what it may see. */
interface Agent {
  readonly id: string;
  readonly authorization: string;
}

/** A task that sees its own choice of 60 tools of the 500. */
function taskRun(number: number): object {
  const allow = Array.from({ length: 60 }, (_, index) => `tool_${2 + ((number * 7 + index * 8) % (tools - 2))}`);
  return {
    apiVersion: 'orchestrator.io/v1',
    kind: 'TaskRun',
    metadata: { name: `task-${number}` },
    spec: {
      taskId: number + 1,
      serviceName: 'bench',
      agentName: 'rex',
      contextVersion: 1,
      toolConfig: { mcpServers: [{ name: 'bench', tools: { allow } }] },
    },
  };
}

export async function measureTasks(bench: Bench): Promise<void> {
  const upstream = await startTarget('upstream-http', ['--tools', String(tools)]);
  const echo = await startTarget('echo');
  const samples = await bench.measure([common.directCase('echo', echo, 'old', common.fullLoad(bench))]);
  const slower = common.slowness(samples.median('echo old', 'allCpu'));
  const files = Object.fromEntries(
    Array.from({ length: count }, (_, number) => [`tasks/${number}.json`, JSON.stringify(taskRun(number))]),
  );
  const config = {
    plugins: { http: {}, 'store-lowdb': {}, admin: {}, taskrun: { source: 'tasks' } },
    mcpServers: { bench: { type: 'http', url: `${upstream.url}/mcp` } },
    log: { level: 'error' },
  };
  const proxy = await startProxy(config, { files });
  try {
    await proxy.ready();
    const agents = await agentsOf(proxy, bench.options.quick ? 100 : 400);
    await measureLists(bench, proxy, agents, slower);
    await measureChange(bench, proxy, agents);
    await measureRestart(bench, proxy, agents[0] as Agent, slower);
  } finally {
    await proxy.close();
  }
}

/** Tokens of so many tasks. */
async function agentsOf(proxy: ProxyProcess, wanted: number): Promise<Agent[]> {
  await until('all tasks are there', async () => (await taskCount(proxy)) === count, 120_000);
  const agents: Agent[] = [];
  for (let number = 0; number < wanted; number++) {
    const id = `task-${number}`;
    const { token } = (await api(proxy, 'POST', `/tasks/${id}/token`, {})) as { token: string };
    agents.push({ id, authorization: `Bearer ${token}` });
  }
  return agents;
}

async function taskCount(proxy: ProxyProcess): Promise<number> {
  let found = 0;
  let after: string | undefined;
  do {
    const query = new URLSearchParams({ limit: '500', ...(after === undefined ? {} : { after }) });
    const page = (await api(proxy, 'GET', `/tasks?${query.toString()}`)) as { items: unknown[]; next?: string };
    found += page.items.length;
    after = page.next;
  } while (after !== undefined);
  return found;
}

async function api(proxy: ProxyProcess, method: string, route: string, body?: object): Promise<unknown> {
  const { url, token } = JSON.parse(await readFile(localCredentialFile(proxy.folder, proxy.configFile), 'utf8')) as {
    url: string;
    token: string;
  };
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const response = await fetch(`${url}${route}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${route}: HTTP ${response.status} ${await response.text()}`);
  return await response.json();
}

/** ms of one list; its names. */
async function list(proxy: ProxyProcess, { authorization }: Agent): Promise<{ ms: number; names: string[] }> {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
    'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
  };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: meta } });
  const headers = {
    authorization,
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/list',
  };
  const started = performance.now();
  const response = await fetch(proxy.url, { method: 'POST', headers, body });
  const text = await response.text();
  const ms = performance.now() - started;
  const { result } = JSON.parse(text.startsWith('{') ? text : (/^data: (.*)$/m.exec(text)?.[1] ?? '{}')) as {
    result?: { tools: { name: string }[] };
  };
  if (result === undefined) throw new Error(`tools/list: HTTP ${response.status} ${text.slice(0, 300)}`);
  return { ms, names: result.tools.map(({ name }) => name).filter((name) => name.startsWith('bench_')) };
}

/** CPU of the proxy for one list of each task, and again; wall-clock times stand beside, for they hold what else the machine does. */
async function measureLists(
  bench: Bench,
  proxy: ProxyProcess,
  agents: readonly Agent[],
  slower: number,
): Promise<void> {
  const [warm, ...rest] = agents;
  if (warm !== undefined) await list(proxy, warm);
  for (const [name, limit] of [
    ['first list of a task', goals.first],
    ['next list, from the cache', goals.first / 2],
  ] as const) {
    const before = await cpuOf(proxy.pid);
    const times: number[] = [];
    for (const agent of rest) {
      const { ms, names } = await list(proxy, agent);
      if (names.length !== 60) throw new Error(`${agent.id} sees ${names.length} tools, not 60`);
      times.push(ms);
    }
    const value = ((await cpuOf(proxy.pid)) - before) / rest.length;
    bench.record({ name, times, cpu: value });
    const detail = `${count} tasks, ${tools} tools; wall clock p50 ${median(times).toFixed(1)} ms; ${common.scaled(`${limit} ms`, slower)}`;
    bench.find({ entry, name, value, unit: 'ms CPU', limit: { most: Number((limit * slower).toFixed(1)) }, detail });
  }
}

/** CPU ms of a process, all threads. */
async function cpuOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The same changes of one task, while few and while many sessions of other tasks are open: the others must cost nothing. */
async function measureChange(bench: Bench, proxy: ProxyProcess, agents: readonly Agent[]): Promise<void> {
  const [agent] = agents as readonly [Agent];
  const changes = 120;
  const cost = async (): Promise<number> => {
    const before = await cpuOf(proxy.pid);
    for (let change = 0; change < changes; change++) {
      const [enable, disable] = change % 2 === 0 ? ['bench:tool_3', 'bench:tool_2'] : ['bench:tool_2', 'bench:tool_3'];
      await api(proxy, 'POST', `/tasks/${agent.id}/context`, { enable_tools: [enable], disable_tools: [disable] });
    }
    return ((await cpuOf(proxy.pid)) - before) / changes;
  };
  await cost();
  const few: number[] = [];
  const many: number[] = [];
  // In turns: what others do on the machine meanwhile is then not laid to one of the two.
  for (let round = 0; round < (bench.options.quick ? 3 : 5); round++) {
    few.push(await cost());
    const open = await Promise.all(agents.map((each) => openSession(proxy, each)));
    many.push(await cost());
    await Promise.all(open.map((end) => end()));
  }
  bench.record({ few, many, sessions: agents.length });
  const detail = `${median(few).toFixed(1)} ms CPU without, ${median(many).toFixed(1)} ms with ${agents.length} open sessions of other tasks`;
  bench.find({
    entry,
    name: 'a live change, with the sessions of other tasks open',
    value: paired(many, few, (x, y) => x / y),
    unit: '× without',
    limit: { most: 1.5 },
    detail,
  });
}

/** An old-era session with its stream, as an agent keeps it. Returns the way to end both. */
async function openSession(proxy: ProxyProcess, { authorization }: Agent): Promise<() => Promise<void>> {
  const headers = { authorization, accept: 'application/json, text/event-stream', 'content-type': 'application/json' };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1' } };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
  const opened = await fetch(proxy.url, { method: 'POST', headers, body });
  await opened.text();
  const session = opened.headers.get('mcp-session-id') ?? '';
  const abort = new AbortController();
  const stream = await fetch(proxy.url, {
    headers: { authorization, accept: 'text/event-stream', 'mcp-session-id': session },
    signal: abort.signal,
  });
  if (!stream.ok) throw new Error(`GET: HTTP ${stream.status}`);
  return async () => {
    abort.abort();
    const ended = await fetch(proxy.url, { method: 'DELETE', headers: { authorization, 'mcp-session-id': session } });
    if (!ended.ok) throw new Error(`DELETE: HTTP ${ended.status}`);
  };
}

/** From the start of the process to the first list of a task, with all tasks in the store. */
async function measureRestart(bench: Bench, proxy: ProxyProcess, agent: Agent, slower: number): Promise<void> {
  const times: number[] = [];
  const cpu: number[] = [];
  const rounds = bench.options.quick ? 3 : 7;
  for (let round = 0; round < rounds; round++) {
    await proxy.stop();
    const started = performance.now();
    await proxy.start();
    const { names } = await list(proxy, agent);
    times.push(performance.now() - started);
    cpu.push(await cpuOf(proxy.pid));
    if (names.length === 0) throw new Error('the restarted proxy lists nothing');
  }
  bench.record({ restart: times, cpu });
  const limit = { most: Math.round(goals.start * slower) };
  const detail = `wall clock ${median(times).toFixed(0)} ms; ${common.scaled(`${goals.start} ms`, slower)}`;
  const name = `start with ${count} tasks to the first list`;
  bench.find({ entry, name, value: median(cpu), unit: 'ms CPU', limit, detail });
}
