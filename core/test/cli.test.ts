// The command line from outside: real processes, a real proxy with the real HTTP transport, and what they print.
import test from 'ava';
import type { Command } from 'commander';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Console } from '../src/cli/console.ts';
import { exitCodes } from '../src/cli/exit-codes.ts';
import { buildProgram } from '../src/cli/program.ts';
import { isObject } from '../src/protocol/messages.ts';
import type { JsonObject } from '../src/protocol/messages.ts';
import { demo, finish, folder, listening, main, openConfig, plugboard, running, start } from './cli-support.ts';
import type { Result } from './cli-support.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

test('tools, call and servers find the running proxy and say what it has', async (t) => {
  const { proxy, run } = await running(t);

  const tools = await run(['tools']);
  t.is(tools.code, exitCodes.ok, tools.stderr);
  t.regex(tools.stdout, /^tool +what it does\n/);
  t.regex(tools.stdout, /^demo_echo +Says it again\.$/m);
  t.is(tools.stderr, '4 tools\n');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no colours into a pipe
  t.notRegex(tools.stdout, /\u001b/);
  const some = await run(['tools', 'demo:{echo,fail}', '--json']);
  t.deepEqual(
    (JSON.parse(some.stdout) as { tools: { name: string }[] }).tools.map(({ name }) => name),
    ['demo_echo', 'demo_fail'],
  );
  t.is((await run(['tools', 'demo'])).stderr, '4 tools\n');
  for (const [selector, nearest] of [
    ['dmeo:*', ' (nearest: demo)'],
    ['demo:ecoh', ' (nearest: demo:echo)'],
    ['something:else', ''],
  ] as const) {
    const none = await run(['tools', selector]);
    t.is(none.code, exitCodes.ok);
    t.is(none.stdout, '');
    t.is(none.stderr, `0 of 4 tools\nselector "${selector}" matches no tool${nearest}\n`);
  }

  const echo = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(['call', 'demo_echo', ...args]);
    t.is(code, exitCodes.ok, stderr);
    return JSON.parse(stdout) as unknown;
  };
  t.deepEqual(await echo(), {});
  t.deepEqual(await echo('{"text":"a","count":1}'), { text: 'a', count: 1 });
  t.deepEqual(await echo('text=5', 'count=5', 'tags=["x=y"]'), { text: '5', count: 5, tags: ['x=y'] });
  t.deepEqual(await echo('text:="quoted"'), { text: 'quoted' });
  t.is((await run(['call', 'demo:echo', '-'], { input: '{"text":"piped"}' })).stdout, '{"text":"piped"}\n');
  t.is((await run(['call', 'demo_mixed'])).stdout, '[image image/png, 3 bytes]\n[resource demo://a]\nembedded\n');

  const servers = await run(['servers']);
  t.is(servers.code, exitCodes.ok, servers.stderr);
  t.regex(servers.stdout, /^demo +ready +4$/m);
  const list = JSON.parse((await run(['servers', '--json'])).stdout) as JsonObject;
  t.is(list['ready'], true);

  t.is(await proxy.stop(), exitCodes.ok);
});

test('what goes wrong has its exit code, its words and its hint', async (t) => {
  const { proxy, cwd, run } = await running(t);

  const failed = await run(['call', 'demo_fail']);
  t.is(failed.code, exitCodes.toolError);
  t.is(failed.stdout, 'it went wrong\n');
  t.is(failed.stderr, 'error TOOL_FAILED: demo_fail failed\n→ the tool answered with an error; its text is above\n');
  const failedJson = await run(['call', 'demo_fail', '--json']);
  t.is(failedJson.code, exitCodes.toolError);
  t.is((JSON.parse(failedJson.stdout) as JsonObject)['isError'], true);

  const unknown = await run(['call', 'demo_ecko', '--json']);
  t.is(unknown.code, exitCodes.error);
  t.deepEqual(JSON.parse(unknown.stdout), {
    error: {
      code: 'TOOL_UNKNOWN',
      message: 'this caller sees no tool "demo_ecko" (nearest: demo_echo)',
      hint: `see \`node ${main} tools\` for the tools of this caller`,
    },
  });
  const isUsage = ({ code, stdout, stderr }: Result, words: RegExp) => {
    t.is(code, exitCodes.usage, stderr);
    t.is(stdout, '');
    t.regex(stderr, words);
    t.regex(stderr, /error USAGE: [^]*\n→ see `node \S+ [\w ]+ --help`/);
  };
  isUsage(
    await run(['call', 'demo_echo', 'txt=1']),
    /tool "demo_echo" has no argument "txt" \(known: text, count, tags; nearest: text\)/,
  );
  isUsage(await run(['call', 'demo_echo', 'nonsense']), /argument "nonsense": write key=value/);
  isUsage(await run(['call', 'demo_echo', '{"a"']), /the arguments: /);
  isUsage(await run(['call', 'demo_echo', 'count:=x']), /argument count: /);
  isUsage(await plugboard(['call'], { cwd }), /missing required argument 'tool'/);
  const meant = await plugboard(['tols'], { cwd });
  isUsage(meant, /unknown command 'tols' \(Did you mean tools\?\)/);
  t.true(meant.stderr.includes(`node ${main} tools --help`), meant.stderr);
  isUsage(await plugboard(['tools', '--prt', '1'], { cwd }), /unknown option '--prt'/);
  isUsage(await plugboard(['up', '--port', '99999'], { cwd }), /must be a number from 0 to 65535/);
  isUsage(await plugboard(['tools', '--grant', 'bob'], { cwd }), /there is no grant "bob" \(the file has none\)/);
  isUsage(await plugboard([], { cwd }), /Usage: plugboard \[options\]/);
  isUsage(await plugboard(['task'], { cwd }), /Usage: plugboard task \[options\]/);
  const help = await plugboard(['help', 'task', 'list'], { cwd });
  t.is(help.code, exitCodes.ok, help.stderr);
  t.regex(help.stdout, /Usage: plugboard task/);

  t.is(await proxy.stop(), exitCodes.ok);
  const gone = await run(['tools']);
  t.is(gone.code, exitCodes.notRunning);
  t.regex(
    gone.stderr,
    /error NOT_RUNNING: nothing answers at http:\/\/127\.0\.0\.1:\d+\/mcp \(ECONNREFUSED\)\n→ start the proxy/,
  );
});

test('something else that listens there is told from a proxy', async (t) => {
  const cwd = await folder(t, { 'plugboard.yaml': 'plugins: { http: {} }' });
  const port = await listening(t, (_, response) => response.writeHead(404).end('nothing here'));
  for (const command of [['tools'], ['servers']]) {
    const { code, stderr } = await plugboard([...command, '--port', port], { cwd });
    t.is(code, exitCodes.notRunning);
    t.regex(stderr, /no Plugboard/);
  }
  const { code, stdout } = await plugboard(['doctor', '--port', port, '--json'], { cwd });
  t.is(code, exitCodes.error);
  const { checks } = JSON.parse(stdout) as { checks: JsonObject[] };
  t.deepEqual(
    checks.filter(({ result }) => result === 'failure').map(({ text }) => text),
    ['another program listens on it'],
  );
});

test('callers speak as a grant, by file or environment; tokens stand nowhere', async (t) => {
  const tokens = { ALICE: 'alice-token-0123456789', BOB: 'bob-token-0123456789' };
  const rules = (selector: string) => `tools: { allow: ["${selector}"] }`;
  const config = `${openConfig}grants:\n  alice: { token: "\${env:ALICE}", ${rules('demo:echo')} }\n  bob: { token: "\${env:BOB}", ${rules('demo:*')} }\n`;
  const { proxy, cwd, run } = await running(t, config, tokens);
  await writeFile(path.join(cwd, 'token'), `${tokens.BOB}\n`);

  const count = async (args: readonly string[], env: Record<string, string> = {}) => {
    const { code, stderr } = await run(['tools', ...args], { env });
    t.is(code, exitCodes.ok, stderr);
    return stderr;
  };
  t.is(await count(['--grant', 'alice'], { ALICE: tokens.ALICE }), '1 tool\n');
  t.is(await count(['--token-file', 'token']), '4 tools\n');
  t.is(await count([], { PLUGBOARD_TOKEN: tokens.ALICE }), '1 tool\n');

  const wrong = await run(['tools'], { env: { PLUGBOARD_TOKEN: 'wrong-token-0123456789' } });
  t.is(wrong.code, exitCodes.error);
  t.regex(wrong.stderr, /error UNAUTHORIZED/);
  const unset = await run(['tools', '--grant', 'bob']);
  t.regex(unset.stderr, /error CONFIG_REFERENCE: plugboard\.yaml:5:10: grants\.bob\.token: \$\{env:BOB\}/);
  const hidden = await run(['servers']);
  t.is(hidden.code, exitCodes.error);
  t.regex(hidden.stderr, /error UNAUTHORIZED/);
  t.is((await run(['servers', '--token-file', 'token'])).code, exitCodes.ok);

  t.is(await proxy.stop(), exitCodes.ok);
  const all = [proxy.stderr, JSON.stringify(proxy.events), wrong.stderr, unset.stderr, hidden.stderr].join();
  for (const token of [...Object.values(tokens), 'wrong-token-0123456789']) t.false(all.includes(token));
});

test('up follows its file: a change is applied, a broken one is refused, and a stray error ends nothing', async (t) => {
  const config = `${openConfig}grants: { a: { token: "\${env:SECRET}", tools: { allow: ["*"] } } }\n`;
  const secret = 'secret-of-the-server';
  const { proxy, cwd, run } = await running(t, config, { SECRET: secret });
  const env = { PLUGBOARD_TOKEN: secret };
  await proxy.until(() => proxy.stderr.includes('stray with ***'));
  t.is((await run(['tools'], { env })).stderr, '4 tools\n');

  await writeFile(path.join(cwd, 'plugboard.yaml'), config.replace('["*"]', '["demo:echo"]'));
  await proxy.until(() => proxy.stderr.includes('the changed configuration is applied'));
  t.is((await run(['tools'], { env })).stderr, '1 tool\n');

  await writeFile(path.join(cwd, 'plugboard.yaml'), 'plugins: { http: { prot: 1 } }\n');
  await proxy.until(() => proxy.stderr.includes('is refused, the running one stays'));
  // The file is broken, so the client reads another one.
  await writeFile(path.join(cwd, 'good.yaml'), 'plugins: { http: {} }');
  t.is((await run(['tools', '--config', 'good.yaml'], { env })).stderr, '1 tool\n');
  t.is(await proxy.stop(), exitCodes.ok);
  t.false(proxy.stderr.includes(secret));
  t.regex(proxy.stderr, /plugboard\.yaml:1:20: plugins\.http: unknown key \\"prot\\"/);
});

test('up --stdio serves the client that started it, and ends with it; stdout is the protocol’s alone', async (t) => {
  const cwd = await folder(t, { 'plugboard.yaml': openConfig, 'demo.js': demo });
  const messages = [
    {
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
    },
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'demo_echo', arguments: { text: 'over stdio' } } },
  ];
  for (const extra of [[], ['--port', '0']]) {
    const child = start(['up', '--stdio', ...extra], { cwd });
    t.teardown(() => child.kill('SIGKILL'));
    const lines: JsonObject[] = [];
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    const answered = new Promise<void>((resolve) => {
      let rest = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        const parts = (rest + text).split('\n');
        rest = parts.pop() ?? '';
        lines.push(...parts.map((line) => JSON.parse(line) as JsonObject));
        if (lines.some(({ id }) => id === 2)) resolve();
      });
      child.on('close', () => resolve());
    });
    for (const message of messages) child.stdin.write(`${JSON.stringify(message)}\n`);
    await answered;
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    child.stdin.end();
    t.is(await ended, exitCodes.ok, stderr);
    t.true(lines.every((line) => line['jsonrpc'] === '2.0'));
    const result = lines.find(({ id }) => id === 2)?.['result'];
    t.deepEqual(isObject(result) ? result['content'] : undefined, [{ type: 'text', text: '{"text":"over stdio"}' }]);
    t.is(/listening on http/.test(stderr), extra.length > 0, stderr);
  }
});

test('what is piped into up --stdio is answered, though its end comes with it', async (t) => {
  const cwd = await folder(t, { 'plugboard.yaml': openConfig, 'demo.js': demo });
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
  const input = [
    { jsonrpc: '2.0', id: 1, method: 'initialize', params },
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { jsonrpc: '2.0', id: 2, method: 'tools/list' },
    { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'demo_echo', arguments: { text: 'piped' } } },
  ];
  const lines = input.map((message) => `${JSON.stringify(message)}\n`).join('');
  const { code, stdout, stderr } = await plugboard(['up', '--stdio'], { cwd, input: lines });
  t.is(code, exitCodes.ok, stderr);
  const answers = stdout.trim().split('\n');
  t.deepEqual(
    answers.map((line) => (JSON.parse(line) as JsonObject)['id']),
    [1, 2, 3],
  );
  t.regex(answers[2] ?? '', /piped/);
});

test('init, doctor, up: what is printed works as it is printed', async (t) => {
  const cwd = await folder(t);
  const init = await plugboard(['init'], { cwd });
  t.is(init.code, exitCodes.ok, init.stderr);
  t.true(init.stdout.endsWith(`next: node ${main} doctor, then node ${main} up\n`), init.stdout);
  t.true((await stat(path.join(cwd, 'workspace'))).isDirectory());
  const again = await plugboard(['init', '--json'], { cwd });
  t.is(again.code, exitCodes.error);
  t.is((JSON.parse(again.stdout) as { error: { code: string } }).error.code, 'CONFIG_EXISTS');

  const doctor = await plugboard(['doctor', '--port', '0', '--json'], { cwd });
  t.is(doctor.code, exitCodes.ok, doctor.stdout);

  const up = start(['up', '--port', '0'], { cwd });
  t.teardown(() => up.kill('SIGKILL'));
  const ended = finish(up);
  let printed = '';
  await new Promise<void>((resolve) => {
    up.stdout.on('data', (text: string) => {
      printed += text;
      if (printed.includes('Ctrl-C stops')) resolve();
    });
    up.on('close', () => resolve());
  });
  t.regex(
    printed,
    /^plugboard \d+\.\d+\.\d+, configured by .*plugboard\.yaml\nlistening on http:\/\/127\.0\.0\.1:\d+\/mcp\n/,
  );
  t.regex(printed, /✔ filesystem: 14 tools/);
  t.regex(printed, /✔ memory: 9 tools/);

  const section = (from: string, to: string) =>
    printed.slice(printed.indexOf(from) + from.length, printed.indexOf(to)).trim();
  const curl = await finish(start(['-c', section('List the tools', 'Give them')], { cwd }, 'sh'));
  t.is(curl.code, 0, curl.stderr);
  t.is((JSON.parse(curl.stdout) as { result: { tools: unknown[] } }).result.tools.length, 23);

  const block = JSON.parse(section('(.mcp.json)', 'Call one')) as { mcpServers: { plugboard: JsonObject } };
  t.is(block.mcpServers.plugboard['type'], 'http');
  t.regex(String(block.mcpServers.plugboard['url']), /^http:\/\/127\.0\.0\.1:\d+\/mcp$/);

  t.regex(printed, /Also here\n(?:.*\n)*github +GitHub through its API/);
  const command = section('Call one', 'Also here');
  t.true(command.startsWith(`node ${main} call `), command);
  const call = await finish(start(['-c', command], { cwd }, 'sh'));
  t.is(call.code, exitCodes.ok, call.stderr);
  up.kill('SIGINT');
  t.is((await ended).code, exitCodes.ok);
});

test('doctor names everything that is missing, and what to do', async (t) => {
  const cwd = await folder(t, {
    'plugboard.yaml': [
      'plugins: { http: { port: 1, prot: 2 }, nosuch: {}, upstream: {} }',
      'mcpServers:',
      '  found: { command: node }',
      '  missing: { command: no-such-program-anywhere }',
      '  homeless: { command: node, cwd: ./nowhere }',
      '  remote: { url: "http://127.0.0.1:1/", headers: { Authorization: "Bearer ${env:NOT_SET}" } }',
      'grants: { a: { token: literal-token-0123456789, tools: { allow: ["*"] } } }',
    ].join('\n'),
  });
  const { code, stdout } = await plugboard(['doctor', '--json'], { cwd });
  t.is(code, exitCodes.error);
  const { ok, checks } = JSON.parse(stdout) as {
    ok: boolean;
    checks: { subject: string; result: string; text: string; advice?: string }[];
  };
  t.false(ok);
  const of = (subject: string, result: string) =>
    checks.find((check) => check.subject === subject && check.result === result)?.text ?? '';
  t.regex(of('node', 'ok'), /^v\d+/);
  t.regex(of('configuration', 'warning'), /grants\.a\.token: is written into the file/);
  t.regex(of('reference', 'failure'), /:6:\d+: mcpServers\.remote\.headers\.Authorization: \$\{env:NOT_SET\}/);
  t.regex(of('plugin http', 'failure'), /unknown key "prot"/);
  t.regex(of('plugin nosuch', 'failure'), /@plugboard\/nosuch is not installed/);
  t.regex(of('server found', 'ok'), /\/node$/);
  t.regex(of('server missing', 'failure'), /"no-such-program-anywhere" is not found/);
  t.regex(of('server homeless', 'failure'), /nowhere does not exist/);
  t.true(checks.every((check) => check.result !== 'failure' || (check.advice ?? '') !== ''));
  t.false(stdout.includes('literal-token'));

  const broken = await plugboard(['doctor'], { cwd: await folder(t, { 'plugboard.yaml': 'tool: 1' }) });
  t.is(broken.code, exitCodes.error);
  t.regex(broken.stdout, /✘ +configuration +plugboard\.yaml:1:1: unknown key "tool"/);
  const none = await plugboard(['doctor'], { cwd: await folder(t) });
  t.regex(none.stdout, /✘ +configuration +none of plugboard\.yaml, plugboard\.yml, plugboard\.json is in/);
});

test('up says why it cannot start, and leaves nothing behind', async (t) => {
  for (const [config, code, words] of [
    ['plugins: { nosuch: {} }', 'PLUGIN_NOT_FOUND', /@plugboard\/nosuch is not installed/],
    ['plugins: { http: { prot: 1 } }', 'PLUGIN_OPTIONS', /plugboard\.yaml:1:20: plugins\.http: unknown key "prot"/],
    ['plugin: {}', 'CONFIG_INVALID', /nearest: plugins/],
  ] as const) {
    const cwd = await folder(t, { 'plugboard.yaml': config });
    const { code: exit, stdout, stderr } = await plugboard(['up'], { cwd });
    t.is(exit, exitCodes.error);
    t.is(stdout, '');
    t.true(stderr.includes(`error ${code}: `), stderr);
    t.regex(stderr, words);
    t.regex(stderr, /\n→ \w/);
  }
});

const isShown = (command: Command) => !(command as Command & { _hidden?: boolean })._hidden;

/** Commands that do something, by their full name. */
function leavesOf(command: Command, before = ''): [name: string, command: Command][] {
  const name = `${before}${command.name()}`;
  return command.commands.length === 0
    ? [[name, command]]
    : command.commands.filter(isShown).flatMap((each) => leavesOf(each, `${name} `));
}

test('docs/cli.md says what the program says', async (t) => {
  const page = await readFile(path.join(root, 'docs', 'cli.md'), 'utf8');
  const sections = new Map(
    page
      .split(/^## /m)
      .slice(1)
      .map((text) => [text.slice(0, text.indexOf('\n')), text]),
  );
  const rowsOf = (text: string) =>
    [...text.matchAll(/^\| `(.+?)` \| (.+) \|$/gm)].map(([, name, meaning]) => [name, meaning]);
  const program = buildProgram(new Console(false), () => {});
  const commands = leavesOf(program);
  t.deepEqual([...sections.keys()], ['Exit codes', ...commands.map(([name]) => `\`${name}\``)]);
  for (const [name, command] of commands) {
    const text = sections.get(`\`${name}\``) ?? '';
    t.is(text.split('\n')[2], command.description());
    const bracket = (name: string, required: boolean, variadic: boolean) =>
      required ? `<${name}${variadic ? '...' : ''}>` : `[${name}${variadic ? '...' : ''}]`;
    t.deepEqual(rowsOf(text), [
      ...command.registeredArguments.map((argument) => [
        bracket(argument.name(), argument.required, argument.variadic),
        argument.description,
      ]),
      ...command.options.map((option) => [option.flags, option.description]),
    ]);
    t.true(
      ['--config', '--json'].every((flag) => command.options.some(({ long }) => long === flag)),
      command.name(),
    );
  }
  const codes = [...(sections.get('Exit codes') ?? '').matchAll(/^\| (\d+) \| `(\w+)` \|/gm)].map(([, code, name]) => [
    name,
    Number(code),
  ]);
  t.deepEqual(codes, Object.entries(exitCodes));
});

test('the version is that of the package', async (t) => {
  const manifest: unknown = JSON.parse(await readFile(path.join(root, 'core', 'package.json'), 'utf8'));
  const { code, stdout } = await plugboard(['--version'], { cwd: await folder(t) });
  t.is(code, exitCodes.ok);
  t.is(stdout, `${String(isObject(manifest) ? manifest['version'] : '')}\n`);
});
