// The custom resource definitions: are they what the schemas say, would Kubernetes take them, and do they refuse what the reader refuses?
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  customResourceProblems,
  kubectl,
  kubectlMinor,
  startKubernetes,
  structuralProblems,
} from '@plugboard/test-kit';
import test from 'ava';
import { parse } from 'yaml';
import { crdFiles } from '../src/schema/crd-files.ts';
import { crds } from '../src/schema/crd.ts';
import { isUnreadable, readObject } from '../src/schema/read.ts';

const folder = fileURLToPath(new URL('../../crds/', import.meta.url));

const [taskRuns, codeRuns] = crds() as [object, object];
const [taskRunsWithText] = crds({ presetAsText: true }) as [object];

const presets = {
  default: { allow: [], deny: [] },
  minimal: { allow: [], deny: [] },
  advanced: { allow: [], deny: [] },
};

interface Spec {
  [member: string]: unknown;
}

const taskRun = (spec: Spec = {}) => ({
  apiVersion: 'orchestrator.io/v1',
  kind: 'TaskRun',
  metadata: { name: 'a' },
  spec: { taskId: 7, serviceName: 'billing', agentName: 'rex', contextVersion: 2, ...spec },
});

const withServers = (...mcpServers: readonly object[]) => taskRun({ toolConfig: { mcpServers } });

const codeRun = (spec: Spec = {}) => ({
  apiVersion: 'agents.platform/v1',
  kind: 'CodeRun',
  metadata: { name: 'a' },
  spec: { taskId: 7, service: 'billing', ...spec },
});

test('the files are those that the schemas make', async (t) => {
  const files = crdFiles();
  t.deepEqual(
    [...files.keys()],
    ['taskruns.orchestrator.io.yaml', 'coderuns.agents.platform.yaml', 'preset-as-text/taskruns.orchestrator.io.yaml'],
  );
  for (const [name, text] of files) {
    t.is(
      await readFile(path.join(folder, name), 'utf8'),
      text,
      `${name} is not current: node plugins/taskrun/dist/src/schema/write-crds.js`,
    );
  }
  t.deepEqual(parse(files.get('taskruns.orchestrator.io.yaml') ?? ''), taskRuns as never);
});

test('the schemas are structural, and the checker of that finds what is not', (t) => {
  for (const crd of [taskRuns, codeRuns, taskRunsWithText]) t.deepEqual(structuralProblems(schemaOf(crd)), []);
  const wrong: [object, RegExp][] = [
    [{ properties: {} }, /type: must be object at the root|type: must not be empty/],
    [{ type: 'object', properties: { a: {} } }, /properties\[a\]\.type: must not be empty/],
    [
      {
        type: 'object',
        properties: { a: { type: 'object', properties: {}, additionalProperties: { type: 'string' } } },
      },
      /mutually exclusive/,
    ],
    [{ type: 'object', properties: { a: { $ref: '#/x', type: 'string' } } }, /\$ref: is not supported/],
    [{ type: 'object', properties: { a: { type: 'array' } } }, /items: must be specified/],
    [
      { type: 'object', properties: { a: { type: 'string', anyOf: [{ type: 'string' }] } } },
      /must be empty to be structural/,
    ],
    [{ type: 'object', additionalProperties: false }, /additionalProperties: must be a schema/],
  ];
  for (const [schema, expected] of wrong) t.regex(structuralProblems(schema).join('\n'), expected);
});

/** For each rule of the definitions: an object that fulfils it and one that does not; for rules about changes, the object before. */
const ruleCases: Readonly<Record<string, { crd: object; good: object; bad: object; old?: object }>> = {
  'taskId cannot change': { crd: taskRuns, old: taskRun(), good: taskRun(), bad: taskRun({ taskId: 8 }) },
  'contextVersion never decreases': {
    crd: taskRuns,
    old: taskRun(),
    good: taskRun({ contextVersion: 3 }),
    bad: taskRun({ contextVersion: 1 }),
  },
  'allow and deny hold more than': {
    crd: taskRuns,
    good: taskRun({ toolConfig: { tools: { allow: many(5000), deny: many(5000) } } }),
    bad: taskRun({ toolConfig: { tools: { allow: many(5001), deny: many(5000) } } }),
  },
  'give url (a server to reach) or command': {
    crd: taskRuns,
    good: withServers({ name: 'a', url: 'https://x' }, { name: 'b', command: 'x' }),
    bad: withServers({ name: 'a', url: 'https://x', command: 'x' }),
  },
  'type stdio needs command': {
    crd: taskRuns,
    good: withServers({ name: 'a', type: 'http', url: 'https://x' }, { name: 'b', type: 'stdio', command: 'x' }),
    bad: withServers({ name: 'a', type: 'stdio', url: 'https://x' }),
  },
  'args, env and cwd belong': {
    crd: taskRuns,
    good: withServers({ name: 'a', command: 'x', args: ['y'], env: { A: 'b' }, cwd: '/' }),
    bad: withServers({ name: 'a', url: 'https://x', args: ['y'] }),
  },
  'headers and oauth belong': {
    crd: taskRuns,
    good: withServers({ name: 'a', url: 'https://x', headers: { A: 'b' }, oauth: { any: 1 } }),
    bad: withServers({ name: 'a', command: 'x', headers: { A: 'b' } }),
  },
  'isolation, timeout, maxTimeout, era and title belong': {
    crd: taskRuns,
    good: withServers({ name: 'a', url: 'https://x', timeout: 1, isolation: 'task' }),
    bad: withServers({ name: 'a', timeout: 1 }),
  },
  'each server may stand here once': {
    crd: taskRuns,
    good: withServers({ name: 'a-b' }, { name: 'a-c' }),
    bad: withServers({ name: 'a-b' }, { name: 'a_b' }),
  },
  'escalationPolicy stands in spec and in spec.toolConfig': {
    crd: codeRuns,
    good: codeRun({ escalationPolicy: { mode: 'auto' }, toolConfig: {} }),
    bad: codeRun({ escalationPolicy: { mode: 'auto' }, toolConfig: { escalationPolicy: {} } }),
  },
};

test('each CEL rule lets its good object through and refuses its bad one, as the reader does', async (t) => {
  const messages = new Set([taskRuns, codeRuns].flatMap((crd) => rulesOf(schemaOf(crd)).map(({ message }) => message)));
  for (const message of messages)
    t.is(Object.keys(ruleCases).filter((start) => message.startsWith(start)).length, 1, message);
  for (const [start, { crd, good, bad, old }] of Object.entries(ruleCases)) {
    t.deepEqual(await customResourceProblems(crd, good, old), [], start);
    const problems = await customResourceProblems(crd, bad, old);
    t.is(problems.length, 1, problems.join());
    t.true(problems[0]?.includes(start), problems.join());
    t.false(isUnreadable(readObject(good, { presets })), start);
    const refused = readObject(bad, { presets });
    if (old === undefined)
      t.true(isUnreadable(refused) && refused.problems.join().includes(start), JSON.stringify(refused));
    else t.deepEqual(await customResourceProblems(crd, bad), [], 'a rule about changes holds for what is new');
  }
});

test('rules name fields that their schema has: Kubernetes compiles them against it', (t) => {
  for (const crd of [taskRuns, codeRuns]) {
    for (const { rule, schema } of rulesOf(schemaOf(crd))) {
      const properties = { ...schema.properties, ...schema.items?.properties };
      const named = [...rule.matchAll(/\b(?:self|oldSelf|a|b)\.(\w+)/g)].map(([, name = '']) => name);
      for (const name of named) t.true(name in properties || ['all', 'exists_one'].includes(name), `${rule}: ${name}`);
      // The cost of a rule is reckoned from the bounds of what it looks at.
      if (rule.includes('.all(')) t.true((schema.maxItems ?? Infinity) <= 100, rule);
    }
  }
});

test('the definition and the reader refuse the same objects', async (t) => {
  const cases: [object, boolean][] = [
    [taskRun(), true],
    [taskRun({ contextVersion: undefined }), true],
    [taskRun({ model: 'opus', remoteTools: ['a_b'], localTools: ['bash'], promptMode: 'append' }), true],
    [taskRun({ repository: { url: 'https://x' }, agentTools: [{ name: 'bash', config: { deep: { er: 1 } } }] }), true],
    [withServers({ name: 'a', command: 'x', args: ['1'] }), true],
    [taskRun({ taskId: 0 }), false],
    [taskRun({ taskId: 1.5 }), false],
    [taskRun({ taskId: '7' }), false],
    [taskRun({ agentName: undefined }), false],
    [taskRun({ modle: 'opus' }), false],
    [taskRun({ model: 'gpt' }), false],
    [taskRun({ markdownFiles: [{ filename: 'a/b.md', content: '' }] }), false],
    [taskRun({ markdownFiles: [{ filename: 'b.md' }] }), false],
    [taskRun({ toolConfig: { preset: 'most' } }), false],
    [taskRun({ toolConfig: { workspace: 'here' } }), false],
    [taskRun({ toolConfig: { tools: { allow: [''] } } }), false],
    [taskRun({ toolConfig: { tools: { allow: ['x'.repeat(513)] } } }), false],
    [withServers({ name: 'a', env: { A: 1 }, command: 'x' }), false],
    [withServers({ name: 'a b' }), false],
    [withServers({ name: 'a' }, { name: 'a' }), false],
    [codeRun({ localTools: 'a,b', escalationPolicy: { mode: 'review' } }), true],
    [codeRun({ localTools: ['a'] }), false],
    [codeRun({ escalationPolicy: { mode: 'ask' } }), false],
  ];
  for (const [object, good] of cases) {
    const crd = 'kind' in object && object.kind === 'TaskRun' ? taskRuns : codeRuns;
    const plain = JSON.parse(JSON.stringify(object)) as object;
    t.is((await customResourceProblems(crd, plain)).length === 0, good, JSON.stringify(plain));
    t.is(isUnreadable(readObject(plain, { presets })), !good, JSON.stringify(plain));
  }
});

test('a preset as text is taken by its own definition only', async (t) => {
  const text = taskRun({ toolConfig: 'minimal' });
  t.regex((await customResourceProblems(taskRuns, text)).join(), /spec\.toolConfig: Invalid value: must be object/);
  t.deepEqual(await customResourceProblems(taskRunsWithText, text), []);
  t.regex((await customResourceProblems(taskRunsWithText, taskRun({ toolConfig: 'most' }))).join(), /spec\.toolConfig/);
  t.deepEqual(await customResourceProblems(taskRunsWithText, withServers({ name: 'a' })), []);
  t.regex((await customResourceProblems(taskRunsWithText, withServers({ name: 7 }))).join(), /mcpServers\[0\]\.name/);
});

test('kubectl works with the definitions: apply, columns, defaults, refusals, status, explain', async (t) => {
  const kubernetes = await startKubernetes();
  t.teardown(() => kubernetes.stop());
  const run = (args: string[], input = '') => kubectl(kubernetes.kubeconfig, args, { input });
  const ok = async (args: string[], input = '') => {
    const { code, stdout, stderr } = await run(args, input);
    t.is(code, 0, stderr);
    return stdout;
  };
  const apply = (object: object, ...more: string[]) => run(['apply', ...more, '-f', '-'], JSON.stringify(object));

  t.regex(await ok(['apply', '-f', folder]), /taskruns\.orchestrator\.io created/);
  await ok([
    'wait',
    '--for=condition=established',
    '--timeout=30s',
    'crd/taskruns.orchestrator.io',
    'crd/coderuns.agents.platform',
  ]);
  t.regex((await apply(withServers({ name: 'github' }))).stdout, /taskrun\.orchestrator\.io\/a created/);
  const [header = '', row = ''] = (await ok(['get', 'tr'])).split('\n');
  t.deepEqual(header.split(/\s+/), ['NAME', 'TASK', 'SERVICE', 'VERSION', 'PHASE', 'AGE']);
  t.regex(row, /^a +7 +billing +2 +\d+s/);
  t.is(await ok(['get', 'tr', 'a', '-o', 'jsonpath={.spec.toolConfig.mcpServers[0].tools.allow}']), '["*"]');

  const minor = await kubectlMinor();
  const unknown =
    minor >= 27 ? /strict decoding error: unknown field "spec\.modle"/ : /Warning: unknown field "spec\.modle"/;
  t.regex((await apply(taskRun({ modle: 'opus' }))).stderr, unknown);
  t.regex((await apply(taskRun({ contextVersion: 1 }))).stderr, /contextVersion never decreases/);
  t.regex((await apply(taskRun({ model: 'gpt' }))).stderr, /is invalid:? .*spec\.model/);
  if (minor >= 27) t.regex((await apply(taskRun({ model: 'opus' }), '--dry-run=server')).stdout, /server dry run/);
  t.is(await ok(['get', 'tr', 'a', '-o', 'jsonpath={.spec.model}']), '');

  const status = {
    phase: 'Running',
    conditions: [{ type: 'ToolsReady', status: 'True' }],
    calls: 3,
    somebodyElses: 'field',
  };
  const current = JSON.parse(await ok(['get', 'tr', 'a', '-o', 'json'])) as { spec: object };
  const written = JSON.stringify({ ...current, status, spec: { ...current.spec, taskId: 9 } });
  await ok(['replace', '--raw', '/apis/orchestrator.io/v1/namespaces/default/taskruns/a/status', '-f', '-'], written);
  t.is(
    await ok([
      'get',
      'tr',
      'a',
      '-o',
      'jsonpath={.status.phase}/{.status.calls}/{.status.somebodyElses}/{.spec.taskId}',
    ]),
    'Running/3/field/7',
  );
  await ok(['wait', '--for=condition=ToolsReady', '--timeout=30s', 'tr/a']);
  if (minor >= 27)
    t.regex(await ok(['explain', 'taskrun.spec.toolConfig.mcpServers.url']), /FIELD: url <string>[^]*its address/);
  t.regex((await apply(codeRun({ localTools: 'bash' }))).stdout, /coderun\.agents\.platform\/a created/);
  t.regex(
    await ok(['get', 'plugboard']),
    /coderun\.agents\.platform\/a[^]*taskrun\.orchestrator\.io\/a|taskrun\.orchestrator\.io\/a[^]*coderun\.agents\.platform\/a/,
  );
});

function many(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `a:${index}`);
}

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly maxItems?: number;
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[];
}

function schemaOf(crd: object): Node {
  return (crd as { spec: { versions: [{ schema: { openAPIV3Schema: Node } }] } }).spec.versions[0].schema
    .openAPIV3Schema;
}

function rulesOf(schema: Node): { rule: string; message: string; schema: Node }[] {
  const own = (schema['x-kubernetes-validations'] ?? []).map((each) => ({ ...each, schema }));
  const below = [...Object.values(schema.properties ?? {}), ...(schema.items === undefined ? [] : [schema.items])];
  return [...own, ...below.flatMap(rulesOf)];
}
