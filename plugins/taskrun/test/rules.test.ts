// Which tools a task may call: the law "callable ⇔ listed" under random objects, ceilings and live changes, and what escalation may add.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { until } from '@plugboard/test-kit';
import type { JsonObject } from 'plugboard';
import { connect, manifest, stand, tools } from './stand.ts';
import type { Stand } from './stand.ts';

const servers = {
  github: ['get_issue', 'get_pr', 'delete_repo'],
  docs: ['search', 'delete_page'],
  other_docs: ['get_page'],
};
const catalogue = Object.entries(servers).flatMap(([server, names]) => names.map((tool) => ({ server, tool })));
const patterns = [
  '*',
  'github',
  'github:*',
  'github:get_*',
  '*:delete_*',
  'docs:search',
  'github:get_pr',
  'docs_delete_page',
  'other_docs',
  '*docs:*',
  'github:{get_pr,delete_repo}',
  'task:*',
  'nobody:*',
];

type Rules = { allow: string[]; deny: string[] };
type Step = { enable: string[]; disable: string[] };

/** What a selector stands for, said independently of the code under test. */
function means(selector: string, { server, tool }: { server: string; tool: string }): boolean {
  const forms: Record<string, (s: string, t: string) => boolean> = {
    '*': () => true,
    github: (s) => s === 'github',
    'github:*': (s) => s === 'github',
    'github:get_*': (s, t) => s === 'github' && t.startsWith('get_'),
    '*:delete_*': (_s, t) => t.startsWith('delete_'),
    'docs:search': (s, t) => s === 'docs' && t === 'search',
    'github:get_pr': (s, t) => s === 'github' && t === 'get_pr',
    docs_delete_page: (s, t) => s === 'docs' && t === 'delete_page',
    other_docs: (s) => s === 'other_docs',
    '*docs:*': (s) => s.endsWith('docs'),
    'github:{get_pr,delete_repo}': (s, t) => s === 'github' && t !== 'get_issue',
    'task:*': () => false,
    'nobody:*': () => false,
  };
  return forms[selector]?.(server, tool) ?? false;
}

const meant = (selector: string) => catalogue.filter((each) => means(selector, each));

/** The later word wins; within one call the narrower; under a ceiling only what it lets through. */
class Model {
  readonly #object: Rules;
  readonly #ceilings: Rules[];
  #words: { selector: string; on: boolean }[] = [];

  constructor(object: Rules, ceilings: Rules[]) {
    this.#object = object;
    this.#ceilings = ceilings;
  }

  change({ enable, disable }: Step): 'changed' | 'refused' {
    if (enable.some((each) => disable.includes(each)) || enable.length + disable.length === 0) return 'refused';
    const inside = (each: { server: string; tool: string }) =>
      this.#ceilings.every((ceiling) => through(ceiling, each));
    if (enable.some((each) => meant(each).length > 0 && !meant(each).some(inside))) return 'refused';
    const narrow = (each: string) =>
      disable.some(
        (wide) =>
          meant(each).length > 0 &&
          meant(wide).length > meant(each).length &&
          meant(each).every((one) => means(wide, one)),
      );
    const words = [
      ...enable.filter((each) => !narrow(each)).map((selector) => ({ selector, on: true })),
      ...disable.map((selector) => ({ selector, on: false })),
      ...enable.filter(narrow).map((selector) => ({ selector, on: true })),
    ];
    this.#words = [
      ...this.#words.filter(({ selector }) => !words.some((word) => word.selector === selector)),
      ...words,
    ];
    return 'changed';
  }

  callable(): string[] {
    return catalogue
      .filter((each) => {
        const word = this.#words.findLast(({ selector }) => means(selector, each));
        return (
          (word === undefined ? through(this.#object, each) : word.on) &&
          this.#ceilings.every((ceiling) => through(ceiling, each))
        );
      })
      .map(({ server, tool }) => `${server}_${tool}`)
      .sort();
  }
}

const through = ({ allow, deny }: Rules, each: { server: string; tool: string }) =>
  allow.some((selector) => means(selector, each)) && !deny.some((selector) => means(selector, each));

/** Calls every tool there is, by name, without looking at any list. */
async function answering(proxy: Stand, token: string): Promise<string[]> {
  const call = async (name: string) => {
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
    };
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {}, _meta: meta } };
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': name,
    };
    const text = await (await fetch(proxy.url, { method: 'POST', headers, body: JSON.stringify(body) })).text();
    if (text.includes('\\"tool\\"')) return [name];
    if (text.includes('Unknown tool')) return [];
    throw new Error(`${name}: ${text}`);
  };
  return (await Promise.all(catalogue.map(({ server, tool }) => call(`${server}_${tool}`)))).flat().sort();
}

test('callable ⇔ listed ⇔ what was said last, within the ceilings, under random objects and live changes', async (t) => {
  const all = { allow: ['*'], deny: ['docs:search'] };
  const proxy = await stand(t, { servers, options: { ceiling: all } });
  const rules = fc.record({ allow: fc.subarray(patterns), deny: fc.subarray(patterns, { maxLength: 3 }) });
  const step = fc.record({
    enable: fc.subarray(patterns, { maxLength: 3 }),
    disable: fc.subarray(patterns, { maxLength: 2 }),
  });
  const ceiling = fc.oneof(fc.constant<Rules>({ allow: ['*'], deny: [] }), rules);
  let runs = 0;
  let changes = 0;
  await fc.assert(
    fc.asyncProperty(rules, ceiling, fc.array(step, { minLength: 1, maxLength: 5 }), async (object, bound, steps) => {
      runs += 1;
      const id = `random-${runs}`;
      const { token } = await proxy.task(manifest(id, tools(object.allow, object.deny, { ceiling: bound })));
      const model = new Model(object, [bound, all]);
      const client = await connect(t, runs % 2 === 0 ? 'old' : 'new', proxy.url, token);
      const check = async (after: string) => {
        const expected = model.callable();
        const listed = await client.names();
        t.deepEqual(
          listed.filter((name) => !name.startsWith('task_')),
          expected,
          after,
        );
        t.true(listed.includes('task_request_tools') || steps.some(({ disable }) => disable.includes('task:*')), after);
        t.deepEqual(await answering(proxy, token), expected, after);
        const reports = ((await proxy.ok('GET', `/tasks/${id}`))['status'] as { tools: { tools: string[] }[] }).tools;
        const ready = new Set(reports.flatMap((report) => report.tools.map((name) => name.replace(':', '_'))));
        t.deepEqual([...ready].filter((name) => !name.startsWith('task_')).sort(), expected, `the status ${after}`);
      };
      await check('at first');
      for (const [index, { enable, disable }] of steps.entries()) {
        const { status } = await proxy.api('POST', `/tasks/${id}/context`, {
          enable_tools: enable,
          disable_tools: disable,
        });
        const verdict = model.change({ enable, disable });
        t.is(status, verdict === 'changed' ? 200 : 422, JSON.stringify({ enable, disable, bound }));
        if (verdict === 'changed') changes += 1;
        await check(`after step ${index + 1}`);
      }
      await client.close();
      await proxy.ok('DELETE', `/tasks/${id}`);
    }),
    { numRuns: 60 },
  );
  t.log(`${runs} tasks, ${changes} live changes`);
});

test('a ceiling cuts globs exactly, says so, and holds for servers and tools that come later', async (t) => {
  const proxy = await stand(t, {
    servers,
    options: { ceiling: { allow: ['github:get_*', 'docs'], deny: ['*:delete_*'] } },
  });
  const { token } = await proxy.task(manifest('cut', tools(['docs:search'])));
  const client = await connect(t, 'new', proxy.url, token);
  const change = await proxy.ok('POST', '/tasks/cut/tools/enable', { tools: ['github:*', 'githup:get_pr'] });
  t.regex(
    JSON.stringify(change['warnings']),
    /github:\* stands for 3 tools; beyond the ceiling and not enabled: github:delete_repo/,
  );
  t.regex(JSON.stringify(change['warnings']), /githup:get_pr stands for no tool \(nearest: github:get_pr\)/);
  t.deepEqual(await client.names(), ['docs_search', 'github_get_issue', 'github_get_pr', 'task_request_tools']);
  const beyond = await proxy.api('POST', '/tasks/cut/context', {
    enable_tools: ['docs:delete_page'],
    additional_context: 'not kept',
  });
  t.is(beyond.status, 422);
  t.like(beyond.body, { selector: 'docs:delete_page' });
  t.regex(String(beyond.body['detail']), /beyond the ceiling/);
  t.like(await proxy.ok('GET', '/tasks/cut'), { contextVersion: 2, enabled: ['github:*', 'githup:get_pr'] });
  const contradiction = await proxy.api('POST', '/tasks/cut/context', {
    enable_tools: ['docs'],
    disable_tools: ['docs'],
  });
  t.is(contradiction.status, 422);
});

const ask = async (proxy: Stand, t: ExecutionContext, id: string, policy: JsonObject, more: JsonObject = {}) => {
  const { token } = await proxy.task(
    manifest(id, tools(['docs:search'], ['github:delete_repo'], { escalationPolicy: policy, ...more })),
  );
  const client = await connect(t, 'new', proxy.url, token);
  const request = (wanted: string[], reason = 'needed') => client.call('task_request_tools', { tools: wanted, reason });
  return { client, request, token };
};

test('escalation: the policy answers at once, a person decides what waits, and nothing exceeds the ceiling', async (t) => {
  const proxy = await stand(t, {
    servers,
    options: { limits: { pendingEscalations: 2 }, escalation: { mode: 'auto', deny: ['docs:*'] } },
  });
  const ceiling = { allow: ['github', 'docs:search'], deny: [] };

  const auto = await ask(proxy, t, 'auto', { mode: 'auto', deny: ['github:get_pr'] }, { ceiling });
  t.regex(
    await auto.request(['github_get_issue', 'mcp__plugboard__docs_search']),
    /Granted: github:get_issue\.[^]*already: mcp__plugboard__docs_search/,
  );
  t.true((await auto.client.names()).includes('github_get_issue'));
  t.regex(
    await auto.request(['github:get_pr', 'other_docs:get_page', 'github:get_isue']),
    /get_pr: it is beyond[^]*get_page: it is beyond[^]*no such tool; nearest: github:get_issue/,
  );
  t.regex(await auto.request(['github:delete_repo']), /a person can enable it/);
  await proxy.ok('POST', '/tasks/auto/tools/disable', { tools: ['github:get_issue'] });
  t.regex(await auto.request(['github:*']), /Refused: github:\*/);
  t.deepEqual(
    await auto.client.names(),
    ['docs_search', 'task_request_tools'],
    'what a person took away does not come back',
  );

  const listed = await ask(
    proxy,
    t,
    'listed',
    { mode: 'allowlist', allow: ['github:get_*', 'other_docs:get_page'] },
    { ceiling },
  );
  t.regex(
    await listed.request(['github:*', 'other_docs:get_page']),
    /Granted: github:get_issue, github:get_pr\.[^]*the rest of it is not among[^]*get_page: it is beyond/,
  );
  t.deepEqual(await listed.client.names(), ['docs_search', 'github_get_issue', 'github_get_pr', 'task_request_tools']);

  const review = await ask(proxy, t, 'reviewed', { mode: 'review' });
  await review.client.watch([]);
  t.regex(
    await review.request(['github:get_pr'], 'to look'),
    /A person must decide about github:get_pr \(request esc-[0-9a-f]+\)/,
  );
  t.regex(await review.request(['github:delete_repo'], 'to clean'), /A person must decide/);
  t.regex(await review.request(['docs:delete_page']), /2 requests wait for a decision already/);
  const { items } = await proxy.ok('GET', '/escalations?state=pending');
  const [first, second] = items as { id: string; task: string; tools: string[]; reason: string }[];
  t.like(first, { task: 'reviewed', tools: ['github:get_pr'], reason: 'to look' });
  t.like(await proxy.ok('GET', '/tasks/reviewed'), { status: { pendingEscalations: 2 } });
  const told = review.client.changed.length;
  t.like(await proxy.ok('POST', `/escalations/${first?.id}`, { decision: 'grant', comment: 'fine' }), {
    state: 'granted',
    decidedBy: 'api:local',
  });
  await until('the agent is told', () => review.client.changed.length > told);
  t.like(await proxy.ok('POST', `/escalations/${second?.id}`, { decision: 'refuse' }), { state: 'refused' });
  t.deepEqual(await review.client.names(), ['docs_search', 'github_get_pr', 'task_request_tools']);
  t.is((await proxy.api('POST', `/escalations/${first?.id}`, { decision: 'refuse' })).status, 409);
  t.is((await proxy.api('POST', '/escalations/esc-unknown', { decision: 'grant' })).status, 404);

  // The object says nothing: the policy of the options holds.
  const { token } = await proxy.task(manifest('plain', tools(['github:get_pr'])));
  const plain = await connect(t, 'old', proxy.url, token);
  t.regex(
    await plain.call('task_request_tools', { tools: ['github:get_issue', 'docs:search'], reason: 'x' }),
    /Granted: github:get_issue[^]*docs:search: it is beyond/,
  );
  const journal = (await proxy.ok('GET', '/tasks/plain/journal'))['items'] as { action: string; by: string }[];
  t.deepEqual(
    journal.map(({ action }) => action),
    ['created', 'token-created', 'escalation-requested', 'escalation-granted', 'escalation-refused'],
  );
  t.is(journal[2]?.by, 'agent');
  await proxy.ok('POST', '/tasks/plain/tools/disable', { tools: ['task:request_tools'] });
  await t.throwsAsync(plain.call('task_request_tools', { tools: ['github'], reason: 'x' }), {
    message: /Unknown tool/,
  });
});
