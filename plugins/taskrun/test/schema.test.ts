// Objects as people and clusters write them: what is read of them, what is refused and in which words. The definitions are tested in crds.test.ts.
import test from 'ava';
import fc from 'fast-check';
import { parse } from 'yaml';
import { isUnreadable, readObject } from '../src/schema/read.ts';
import type { ReadTask } from '../src/schema/read.ts';

const presets = {
  default: { allow: ['memory:*'], deny: [] },
  minimal: { allow: ['filesystem:read_*'], deny: ['filesystem:read_media_file'] },
};

const read = (object: unknown) => readObject(typeof object === 'string' ? parse(object) : object, { presets });

function readGood(object: unknown): ReadTask {
  const result = read(object);
  if (isUnreadable(result)) throw new Error(result.problems.join('\n'));
  return result;
}

function problems(object: unknown): readonly string[] {
  const result = read(object);
  return isUnreadable(result) ? result.problems : [];
}

const taskRun = (spec: object, metadata: object = {}) => ({
  apiVersion: 'orchestrator.io/v1',
  kind: 'TaskRun',
  metadata: { name: 'billing-7', ...metadata },
  spec: { taskId: 7, serviceName: 'billing', agentName: 'rex', contextVersion: 1, ...spec },
});

const codeRun = (spec: object) => ({
  apiVersion: 'agents.platform/v1',
  kind: 'CodeRun',
  metadata: { name: 'code-7', namespace: 'agents' },
  spec: { taskId: 7, service: 'billing', ...spec },
});

/** As the design document of the orchestrator has it. */
const design = `
apiVersion: orchestrator.io/v1
kind: TaskRun
metadata: { name: billing-7, namespace: orchestrator, uid: 5122481c-7ada-4e26-8af0-59c210f56f11, labels: { task-id: "7" } }
spec:
  taskId: 7
  serviceName: billing
  agentName: rex
  model: opus
  contextVersion: 3
  markdownFiles: [{ filename: task.md, content: "# Task", fileType: task }]
  workingDirectory: _projects/billing
  toolConfig:
    internalTools: { permissions: { allow: ["*"], deny: ["WebFetch", "Bash(rm:*)"] } }
    mcpServers:
      - { name: github,     enabled: true, tools: { allow: [create_issue, list_issues], deny: [] } }
      - { name: filesystem, enabled: true, tools: { allow: ["*"], deny: [write_file] } }
      - { name: jira, type: http, url: "https://jira.example/mcp", headers: {Authorization: "\${env:JIRA}"}, tools: { allow: ["get_*"] } }
status: { phase: Running, jobName: j }
`;

test('the design document’s example reads as written', (t) => {
  const { spec, ...rest } = readGood(design);
  t.deepEqual(rest, {
    name: 'billing-7',
    namespace: 'orchestrator',
    uid: '5122481c-7ada-4e26-8af0-59c210f56f11',
    labels: { 'task-id': '7' },
    phase: 'Running',
    warnings: [],
  });
  t.deepEqual(spec, {
    kind: 'TaskRun',
    taskId: 7,
    serviceName: 'billing',
    agentName: 'rex',
    model: 'opus',
    contextVersion: 3,
    markdownFiles: [{ filename: 'task.md', content: '# Task', fileType: 'task' }],
    workingDirectory: '_projects/billing',
    internalTools: { allow: ['*'], deny: ['WebFetch', 'Bash(rm:*)'] },
    servers: [
      {
        name: 'github',
        enabled: true,
        tools: { allow: ['create_issue', 'list_issues'], deny: [] },
        definition: undefined,
      },
      { name: 'filesystem', enabled: true, tools: { allow: ['*'], deny: ['write_file'] }, definition: undefined },
      {
        name: 'jira',
        enabled: true,
        tools: { allow: ['get_*'], deny: [] },
        definition: { type: 'http', url: 'https://jira.example/mcp', headers: { Authorization: '${env:JIRA}' } },
      },
    ],
    tools: {
      allow: ['github:create_issue', 'github:list_issues', 'filesystem:*', 'jira:get_*'],
      deny: ['filesystem:write_file'],
    },
    ceiling: { allow: ['*'], deny: [] },
    escalation: { mode: 'review', allow: [], deny: [] },
    workspace: undefined,
  });
});

test('a server that is listed alone has all its tools, a disabled one none, whatever else allows them', (t) => {
  const { tools, servers } = readGood(
    taskRun({
      toolConfig: {
        mcpServers: [{ name: 'github' }, { name: 'memory', enabled: false }],
        tools: { allow: ['memory:*', 'x:y'] },
      },
    }),
  ).spec;
  t.deepEqual(tools, { allow: ['memory:*', 'x:y', 'github:*'], deny: ['memory:*'] });
  t.deepEqual(
    servers.map(({ name, enabled }) => [name, enabled]),
    [
      ['github', true],
      ['memory', false],
    ],
  );
});

test('everything of toolConfig arrives: preset, ceiling, escalation, workspace', (t) => {
  const { spec } = readGood(
    taskRun({
      toolConfig: {
        preset: 'minimal',
        tools: { allow: ['github:get_*'], deny: ['github:get_secret'] },
        ceiling: { allow: ['github:*'] },
        escalationPolicy: { mode: 'allowlist', allow: ['github:merge_pr'] },
        workspace: '/srv/work/7',
      },
    }),
  );
  t.deepEqual(spec.tools, {
    allow: ['filesystem:read_*', 'github:get_*'],
    deny: ['filesystem:read_media_file', 'github:get_secret'],
  });
  t.deepEqual(spec.ceiling, { allow: ['github:*'], deny: [] });
  t.deepEqual(spec.escalation, { mode: 'allowlist', allow: ['github:merge_pr'], deny: [] });
  t.is(spec.workspace, '/srv/work/7');
  t.deepEqual(readGood(taskRun({ toolConfig: 'minimal' })).spec.tools, presets.minimal);
  t.deepEqual(problems(taskRun({ toolConfig: 'advanced' })), [
    'spec.toolConfig.preset: the proxy has no preset "advanced" (configured: default, minimal)',
  ]);
  t.regex(problems(taskRun({ toolConfig: 'everything' })).join(), /toolConfig\.preset.*"minimal"/);
});

test('the field’s own lists of tools become rules, and what cannot is said', (t) => {
  const { spec, warnings } = readGood(
    taskRun({
      agentTools: [
        { name: 'bash', enabled: true, restrictions: ['rm:*', 'git push:*', 'no :* inside'] },
        { name: 'web_fetch', enabled: false, config: { any: [1] } },
        { name: 'teleport', enabled: true },
        { name: 'edit', restrictions: ['./secrets/**'] },
      ],
      localTools: ['read', 'Bash(npm test:*)', 'TodoWrite'],
      remoteTools: ['github_create_issue', 'rustdocs_query'],
    }),
  );
  t.deepEqual(spec.internalTools, {
    allow: ['Bash', 'Edit', 'Read', 'Bash(npm test:*)', 'TodoWrite'],
    deny: ['Bash(rm:*)', 'Bash(git push:*)', 'WebFetch', 'Edit(./secrets/**)'],
  });
  t.deepEqual(spec.tools, { allow: ['github_create_issue', 'rustdocs_query'], deny: [] });
  t.is(warnings.length, 2);
  t.regex(warnings.join('\n'), /agentTools\[0\]\.restrictions: "no :\* inside"[^]*agentTools\[2\]\.name: "teleport"/);
  t.deepEqual(readGood(taskRun({ remoteTools: ['a_b'] })).spec.internalTools, { allow: ['*'], deny: [] });
  t.regex(readGood(taskRun({})).warnings.join(), /names no tools/);
});

test('CodeRun is read too', (t) => {
  const { spec, namespace } = readGood(
    codeRun({
      model: 'claude-sonnet-4',
      localTools: 'bash, read,,Edit ',
      remoteTools: 'github_create_issue,memory_read_graph',
      escalationPolicy: { mode: 'auto', deny: ['github:delete_*'] },
      githubApp: 'Rex',
      repositoryUrl: 'https://git.example/x',
      workingDirectory: '',
      env: { A: 'b' },
      envFromSecrets: [{ name: 'T', secretName: 's', secretKey: 'k' }],
    }),
  );
  t.is(namespace, 'agents');
  t.like(spec, {
    kind: 'CodeRun',
    serviceName: 'billing',
    agentName: 'Rex',
    model: 'claude-sonnet-4',
    contextVersion: 1,
  });
  t.deepEqual(spec.internalTools, { allow: ['Bash', 'Read', 'Edit'], deny: [] });
  t.deepEqual(spec.tools, { allow: ['github_create_issue', 'memory_read_graph'], deny: [] });
  t.deepEqual(spec.escalation, { mode: 'auto', allow: [], deny: ['github:delete_*'] });
  t.is(spec.workingDirectory, undefined);
  t.regex(
    problems(codeRun({ escalationPolicy: {}, toolConfig: { escalationPolicy: {} } })).join(),
    /spec: escalationPolicy stands in spec and in spec\.toolConfig; keep one/,
  );
});

test('unknown fields are refused at every level, with the field and the known ones', (t) => {
  const cases: [object, RegExp][] = [
    [{ ...taskRun({}), extra: 1 }, /unknown field "extra" \(known: apiVersion, kind, metadata, spec, status\)/],
    [taskRun({}, { lables: {} }), /unknown field "metadata\.lables" \(known: name, namespace, uid, labels/],
    [taskRun({ modle: 'opus' }), /unknown field "spec\.modle" \(known: taskId, .*model/],
    [
      taskRun({ toolConfig: { mcpServer: [] } }),
      /unknown field "spec\.toolConfig\.mcpServer" \(known: preset, .*mcpServers/,
    ],
    [
      taskRun({ toolConfig: { mcpServers: [{ name: 'a' }, { name: 'b', tools: { alow: [] } }] } }),
      /unknown field "spec\.toolConfig\.mcpServers\[1\]\.tools\.alow" \(known: allow, deny\)/,
    ],
    [
      taskRun({ toolConfig: { internalTools: { permissions: { ask: [] } } } }),
      /unknown field "spec\.toolConfig\.internalTools\.permissions\.ask" \(known: allow, deny\)/,
    ],
    [codeRun({ remoteTool: 'x' }), /unknown field "spec\.remoteTool" \(known: .*remoteTools/],
  ];
  for (const [object, expected] of cases) t.regex(problems(object).join('\n'), expected);
});

test('wrong values are refused with their place', (t) => {
  const server = (entry: object) => taskRun({ toolConfig: { mcpServers: [entry] } });
  const cases: [unknown, RegExp][] = [
    [taskRun({ taskId: '7' }), /^spec\.taskId: expected number, received string$/],
    [taskRun({ taskId: 0 }), /^spec\.taskId: .*>=1/],
    [taskRun({ contextVersion: 0 }), /^spec\.contextVersion/],
    [taskRun({ serviceName: '' }), /^spec\.serviceName/],
    [taskRun({ model: 'gpt' }), /^spec\.model: .*"sonnet"/],
    [taskRun({ markdownFiles: [{ filename: '../x.md', content: '' }] }), /^spec\.markdownFiles\[0\]\.filename/],
    [taskRun({ toolConfig: { workspace: 'relative' } }), /^spec\.toolConfig\.workspace/],
    [taskRun({}, { name: 'Upper' }), /^metadata\.name: must be lower-case/],
    [taskRun({}, { name: '../etc' }), /^metadata\.name/],
    [taskRun({}, { namespace: 'a/b' }), /^metadata\.namespace/],
    [server({ name: 'a:b' }), /^spec\.toolConfig\.mcpServers\[0\]\.name/],
    [server({ name: 'a', tools: { allow: [''] } }), /tools\.allow\[0\]/],
    [server({ name: 'a', tools: { allow: ['x'.repeat(513)] } }), /tools\.allow\[0\]/],
    [
      server({ name: 'a', tools: { allow: ['x'.repeat(512)] } }),
      /^spec: selector "a:xxx.* is longer than 512 characters$/,
    ],
    [server({ name: 'a', env: { A: 1 } }), /env\.A: expected string/],
    [null, /not a mapping/],
    [[], /not a mapping/],
    [
      'kind: Pod\napiVersion: v1',
      /apiVersion "v1", kind "Pod": not an object of a task \(known: orchestrator\.io\/v1 TaskRun, agents\.platform\/v1 CodeRun\)/,
    ],
    [{ ...taskRun({}), apiVersion: 'agents.platform/v1' }, /not an object of a task/],
  ];
  for (const [object, expected] of cases) t.regex(problems(object).join('\n'), expected, JSON.stringify(object));
});

test('objects without end are refused soon', (t) => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => `github:tool_${index}`);
  t.is(readGood(taskRun({ toolConfig: { tools: { allow: many(10_000) } } })).spec.tools.allow.length, 10_000);
  t.regex(problems(taskRun({ toolConfig: { tools: { allow: many(10_001) } } })).join(), /tools\.allow: /);
  t.regex(
    problems(taskRun({ toolConfig: { tools: { allow: many(6000), deny: many(6000) } } })).join(),
    /allow and deny hold more than 10000/,
  );
  t.regex(
    problems(
      taskRun({ toolConfig: { tools: { allow: many(9000) } }, remoteTools: many(9000).map((name) => `${name}x`) }),
    ).join(),
    /18000 selectors/,
  );
  t.regex(problems(taskRun({ promptModification: 'x'.repeat(10_000_000) })).join(), /larger than 1024 KiB/);

  let bomb: unknown = ['lol'];
  for (let level = 0; level < 30; level++) bomb = [bomb, bomb, bomb, bomb, bomb, bomb, bomb, bomb, bomb];
  t.regex(problems(taskRun({ markdownFiles: bomb })).join(), /larger than 1024 KiB|deeper than 50/);
  const ring: Record<string, unknown> = {};
  ring['ring'] = ring;
  t.regex(problems(ring).join(), /deeper than 50/);
  const wrong = Array.from({ length: 5000 }, () => 1);
  const listed = problems(taskRun({ localTools: wrong }));
  t.is(listed.length, 21);
  t.is(listed.at(-1), 'and 4980 more');
});

test('nothing makes it throw', (t) => {
  const spec = fc.dictionary(
    fc.constantFrom('taskId', 'toolConfig', 'mcpServers', 'agentTools', 'remoteTools', '__proto__', 'x'),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), spec), fc.jsonValue(), (value, metadata) => {
      for (const object of [
        value,
        { ...taskRun({}), spec: value },
        { ...codeRun({}), metadata },
        taskRun({ toolConfig: value }),
      ]) {
        const result = readObject(object, { presets });
        t.true('problems' in result ? result.problems.length > 0 : result.spec.taskId === 7);
      }
    }),
    { numRuns: 300 },
  );
});
