// `plugboard doctor` from outside: what it finds before a start would fail by it.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { exitCodes } from '../src/cli/exit-codes.ts';

const main = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
const core = new URL('../src/index.js', import.meta.url).href;

async function folder(t: ExecutionContext, files: Record<string, string>): Promise<string> {
  t.timeout(120_000);
  const made = await mkdtemp(path.join(tmpdir(), 'plugboard-doctor-'));
  t.teardown(() => rm(made, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(made, name), text);
  return made;
}

async function doctor(cwd: string, args: readonly string[]): Promise<{ code: number; stdout: string }> {
  return await promisify(execFile)(process.execPath, [main, 'doctor', '--json', ...args], { cwd }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: { code: number; stdout: string }) => ({ code: error.code, stdout: error.stdout }),
  );
}

test('doctor finds what would make a start fail: a bind that is refused, a broken lock, plugins that end or hold their process', async (t) => {
  const plugin = (id: string, more: string) =>
    `import { definePlugin } from '${core}';\n${more}\nexport default definePlugin({ id: '${id}', apiVersion: 1, check, apply() {} });\n`;
  const cwd = await folder(t, {
    'plugboard.yaml': [
      'plugins:',
      '  http: { host: 0.0.0.0, port: 0 }',
      '  filesystem: { root: ./nowhere }',
      '  ./ends.mjs: {}',
      '  ./ends-late.mjs: {}',
      '  ./holds.mjs: {}',
      '  ./complains.mjs: {}',
    ].join('\n'),
    'plugboard.lock': '{',
    'ends.mjs': "console.log('{}');\nprocess.exit(0);\n",
    'ends-late.mjs': plugin('ends-late', 'const check = () => process.exit(3);'),
    'holds.mjs': plugin('holds', 'setInterval(() => {}, 1000);\nconst check = undefined;'),
    'complains.mjs': plugin(
      'complains',
      "const check = (options, { directory }) => [{ result: 'warning', text: directory, advice: 'none' }];",
    ),
  });
  const examine = async (...args: string[]) => {
    const { code, stdout } = await doctor(cwd, args);
    const { checks } = JSON.parse(stdout) as { checks: { subject: string; result: string; text: string }[] };
    return { code, of: (subject: string) => checks.filter((check) => check.subject === subject) };
  };
  const { code, of } = await examine();
  t.is(code, exitCodes.error);
  const one = (subject: string, result: string) => {
    const found = of(subject);
    t.deepEqual(
      found.map((each) => each.result),
      [result],
      subject,
    );
    return found[0]?.text ?? '';
  };
  t.regex(one('plugboard.lock', 'failure'), /plugboard\.lock: /);
  t.regex(one('plugin http', 'failure'), /refuses to listen on 0\.0\.0\.0/);
  t.regex(one('plugin filesystem', 'failure'), /nowhere is not there/);
  t.regex(one('plugin ./ends.mjs', 'failure'), /ends its process \(code 0\) while it is loaded/);
  t.regex(one('plugin ./ends-late.mjs', 'failure'), /ends its process \(code 3\) while it is checked/);
  one('plugin ./holds.mjs', 'ok');
  t.is(one('plugin ./complains.mjs', 'warning'), cwd);
  t.regex(one('port', 'ok'), /a free one/);

  await writeFile(path.join(cwd, 'plugboard.yaml'), 'plugins: { http: { port: 99999 } }');
  const wrong = await examine();
  t.regex(wrong.of('plugin http')[0]?.text ?? '', /plugins\.http\.port/);
  t.is(wrong.code, exitCodes.error);
});

test('doctor tells the proxy of its configuration from whatever else answers on the port', async (t) => {
  const cwd = await folder(t, {
    'plugboard.yaml': 'plugins: { http: { port: 8807 } }',
    'other.yaml': 'plugins: { http: { port: 8807 } }',
  });
  const up = spawn(process.execPath, [main, 'up', '--json', '--port', '0'], { cwd });
  t.teardown(() => up.kill('SIGKILL'));
  const [line] = (await once(up.stdout.setEncoding('utf8'), 'data')) as [string];
  const { port } = new URL((JSON.parse(line.split('\n')[0] ?? '') as { url: string }).url);
  const examine = async (...args: string[]) => {
    const { stdout } = await doctor(cwd, ['--port', port, ...args]);
    const { checks } = JSON.parse(stdout) as { checks: { subject: string; result: string; text: string }[] };
    return checks.find(({ subject }) => subject === `port ${port}`);
  };
  let own = await examine();
  // It says where it listens when it begins to follow its file, a moment after the start.
  for (let tries = 0; own?.result !== 'ok' && tries < 10; tries++) own = await examine();
  t.like(own, { result: 'ok' });
  t.regex(own?.text ?? '', /the proxy of this configuration runs at .*process \d+/);
  t.like(await examine('--config', 'other.yaml'), { result: 'failure' });
});
