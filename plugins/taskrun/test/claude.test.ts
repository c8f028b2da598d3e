// Rendering a task for Claude Code: what stands in its files, its flags and its environment. That the agent obeys is shown end to end.
import test from 'ava';
import { renderClaude } from '../src/render/claude.ts';
import { checkInternalRule } from '../src/render/internal-tools.ts';
import type { InternalTools, RenderInput, Task } from '../src/task.ts';

interface Given {
  readonly rules?: InternalTools;
  readonly spec?: Partial<Task['spec']>;
  readonly task?: Partial<Task>;
  readonly input?: Partial<RenderInput>;
}

function render({ rules = { allow: ['*'], deny: [] }, spec, task, input }: Given = {}) {
  const whole = {
    enabled: [],
    disabled: [],
    context: [],
    ...task,
    spec: { taskId: 7, serviceName: 'payments', agentName: 'rex', markdownFiles: [], internalTools: rules, ...spec },
  } as unknown as Task;
  const rendered = renderClaude({
    task: whole,
    proxy: 'plugboard',
    url: 'http://127.0.0.1:8807/mcp',
    hookUrl: 'http://127.0.0.1:8807/hooks/pre-tool-use',
    tools: ['memory_read_graph'],
    ...input,
  });
  const json = (name: string) => JSON.parse(rendered.files[name] ?? '');
  return {
    ...rendered,
    mcp: json('.mcp.json'),
    settings: json('settings.json'),
    managed: json('managed-settings.json'),
  };
}

test('the files lead to the proxy and hold no token', (t) => {
  const { mcp, settings, flags, environment, warnings, files } = render();
  t.deepEqual(mcp, {
    mcpServers: {
      plugboard: {
        type: 'http',
        url: '${MCP_PROXY_URL:-http://127.0.0.1:8807/mcp}',
        headers: { Authorization: 'Bearer ${PLUGBOARD_TOKEN}' },
      },
    },
  });
  t.deepEqual(settings.env, { ENABLE_TOOL_SEARCH: 'false' });
  t.regex(
    settings.hooks.SessionStart[0].hooks[0].command,
    /^curl .* "\$\{MCP_PROXY_URL:-http:\/\/127\.0\.0\.1:8807\/mcp\}" \|\| true$/,
  );
  t.deepEqual(settings.hooks.PreToolUse, [
    {
      matcher: '^(?!mcp__plugboard__)',
      hooks: [
        {
          type: 'http',
          url: 'http://127.0.0.1:8807/hooks/pre-tool-use',
          headers: { Authorization: 'Bearer ${PLUGBOARD_TOKEN}' },
          allowedEnvVars: ['PLUGBOARD_TOKEN'],
          timeout: 60,
        },
      ],
    },
  ]);
  t.is(settings.permissions.allow[0], 'mcp__plugboard');
  t.deepEqual(environment, ['PLUGBOARD_TOKEN', 'MCP_PROXY_URL=http://127.0.0.1:8807/mcp']);
  t.false(flags.includes('--tools'));
  t.deepEqual(warnings, []);
  t.deepEqual(Object.keys(files).sort(), ['.mcp.json', 'CLAUDE.md', 'managed-settings.json', 'settings.json']);
});

test('permissions hold valid rules only, with live changes, and hide what is not allowed', (t) => {
  const rules = { allow: ['Bash(npm run test:*)', 'Read', 'nonsense(('], deny: ['WebFetch', 'Bash(rm:*)'] };
  const live = { enabled: ['internal:Edit', 'memory:read_graph'], disabled: ['internal:Read'] };
  const { settings, managed, flags, warnings } = render({ rules, task: live });
  t.deepEqual(settings.permissions.allow, ['mcp__plugboard', 'Bash(npm run test:*)', 'Edit']);
  t.true(['WebFetch', 'Bash(rm:*)', 'Read', 'Agent'].every((rule) => settings.permissions.deny.includes(rule)));
  for (const rule of [...settings.permissions.allow, ...settings.permissions.deny])
    t.is(checkInternalRule(rule), undefined);
  t.deepEqual(flags.slice(flags.indexOf('--tools')), ['--tools', 'Bash,Edit']);
  t.regex(warnings.join('\n'), /nonsense\(\(/);

  t.deepEqual(managed.permissions, settings.permissions);
  t.deepEqual(managed.hooks, settings.hooks);
  t.true(
    managed.allowManagedPermissionRulesOnly && managed.allowManagedHooksOnly && managed.allowManagedMcpServersOnly,
  );
  t.deepEqual(
    [managed.allowedMcpServers, managed.allowedHttpHookUrls],
    [[{ serverName: 'plugboard' }], ['http://127.0.0.1:8807/hooks/pre-tool-use']],
  );
  t.is(managed.permissions.disableBypassPermissionsMode, 'disable');
});

test('a proxy at a private address is asked by a command that refuses when it fails', (t) => {
  const hookOf = (hookUrl: string) => {
    const { settings, managed, warnings } = render({ input: { hookUrl } });
    return { hook: settings.hooks.PreToolUse[0].hooks[0], urls: managed.allowedHttpHookUrls, warnings };
  };
  for (const url of [
    'http://localhost:1/h',
    'http://[::1]:1/h',
    'http://127.1.2.3/h',
    'https://plugboard.example.com/h',
    'https://172.32.0.1/h',
  ])
    t.is(hookOf(url).hook.type, 'http', url);
  for (const url of [
    'http://plugboard.tools.svc:8807/h',
    'https://plugboard/h',
    'http://10.0.0.1/h',
    'https://172.16.0.1/h',
    'https://100.64.1.1/h',
    'http://plugboard.example.com/h',
    'https://[fd00::1]/h',
    'https://127.0.0.1.nip.internal/h',
  ]) {
    const { hook, urls, warnings } = hookOf(url);
    t.is(hook.type, 'command', url);
    t.true(hook.command.includes(`"${url}"`) && hook.command.endsWith('exit 2; }'), hook.command);
    t.deepEqual(urls, []);
    t.regex(warnings.join(), /curl/);
  }
  t.true(hookOf('http://a.svc/h";$(x)`y`').hook.command.includes('"http://a.svc/h%22;%24(x)%60y%60"'));
});

test('documents, prompt, model, and names that need care', (t) => {
  const markdownFiles = [
    { filename: 'CLAUDE.md', content: 'Be brief.\n', fileType: undefined },
    { filename: 'task.md', content: 'Build it.', fileType: 'task' },
    { filename: 'prompt.md', content: 'Begin.', fileType: 'prompt' },
  ];
  const context = [{ at: '2026-01-01T00:00:00Z', by: 'api:alice', version: 2, text: 'Use euros.' }];
  const { files, flags } = render({ spec: { markdownFiles, model: 'opus' }, task: { context } });
  t.regex(
    files['CLAUDE.md'] ?? '',
    /^Be brief\.\n\n# Task 7 of payments[^]*task:\/\/context[^]*## task\.md \(Task\)\n\nBuild it\.\n\n## Added in version 2\n\nUse euros\.\n$/,
  );
  t.false(files['CLAUDE.md']?.includes('Begin.'));
  t.is(files['prompt.md'], 'Begin.\n');
  t.deepEqual(flags.slice(-2), ['--model', 'opus']);
  t.notRegex(render({ rules: { allow: ['Read'], deny: [] } }).files['CLAUDE.md'] ?? '', /task:\/\/context/);

  t.is(render({ input: { proxy: 'my__proxy' } }).settings.permissions.allow[0], 'mcp__my__proxy__*');
  t.regex(render({ input: { tools: [] } }).warnings.join(), /no tools of servers/);
  t.deepEqual(render({ rules: { allow: [], deny: [] } }).flags.slice(-2), ['--tools', '']);
});
