// `plugboard task` from outside: what it prints can be typed where it is printed, and counts are words that fit.
import test from 'ava';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { exitCodes } from '../src/cli/exit-codes.ts';
import { folder, main, plugboard, Proxy } from './cli-support.ts';

const task = `apiVersion: orchestrator.io/v1
kind: TaskRun
metadata: { name: fix-shop }
spec:
  taskId: 7
  serviceName: shop
  agentName: rex
  contextVersion: 1
  toolConfig: { mcpServers: [{ name: memory }] }
`;

test('tasks: counted in words, rendered to what can be started, and named by commands where they are unknown', async (t) => {
  const cwd = await folder(t, {
    'plugboard.yaml':
      'plugins: { http: { port: 0 }, memory: {}, store-lowdb: {}, taskrun: {}, admin: {} }\nlog: { format: json }\n',
    'task.yaml': task,
    'other.yaml': 'plugins: {}\n',
    'broken.yaml': `${task}---\nkind: TaskRun\nkind: TaskRun\n`,
  });
  const proxy = new Proxy(t, [], { cwd });
  await proxy.event('ready');
  const run = (...args: string[]) => plugboard(['task', ...args], { cwd });
  t.is((await run('list')).stderr, '0 tasks\n');
  const applied = await run('apply', 'task.yaml');
  t.is(applied.code, exitCodes.ok, applied.stderr);
  t.is((await run('list')).stderr, '1 task\n');

  const shown = await run('render', 'fix-shop', '--for', 'claude');
  t.regex(
    shown.stderr,
    /^start the agent with: claude -p .*--mcp-config \.mcp\.json .*\nin a folder with these files$/m,
  );
  const written = await run('render', 'fix-shop', '--for', 'claude', '--out', 'my agent');
  t.true(
    written.stderr.includes(`start the agent with: cd '${path.join(cwd, 'my agent')}' && claude -p `),
    written.stderr,
  );
  t.true((await stat(path.join(cwd, 'my agent', '.mcp.json'))).isFile());
  const here = await run('render', 'fix-shop', '--for', 'claude', '--out', '');
  t.regex(here.stdout, /^\.mcp\.json$/m);
  t.true((await stat(path.join(cwd, '.mcp.json'))).isFile());

  const unknown = await run('show', 'nosuch');
  t.true(unknown.stderr.includes(`there is no task "nosuch"; \`node ${main} task list\` or GET /tasks lists them`));
  const request = await run('escalations', '--grant', 'nosuch');
  t.true(request.stderr.includes(`\`node ${main} task escalations\` or GET /escalations lists them`), request.stderr);
  const other = await run('apply', 'other.yaml');
  t.regex(
    other.stderr,
    /^error INPUT_INVALID: other\.yaml: .*\n→ correct the file, or name another one: .*task apply --help/,
  );
  t.regex(
    (await run('apply', 'broken.yaml')).stderr,
    /^error INPUT_INVALID: broken\.yaml:12:1: the key kind stands here a second time: keep one of the two\n→/,
  );
  const image = await run('render', 'fix-shop', '--for', 'kubernetes', '--layout', 'sidecar');
  t.regex(image.stderr, /\(option rendering\.image\)/);
  t.is(await proxy.stop(), exitCodes.ok);
});
