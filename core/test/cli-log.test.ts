// The log: one line per message, nothing lost, and no secret in any of them.
import test from 'ava';
import fc from 'fast-check';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createLog } from '../src/log.ts';
import type { LogInit, Logs } from '../src/log.ts';
import { Masker } from '../src/masking.ts';

const run = promisify(execFile);

function keep(init: Partial<LogInit> = {}): { logs: Logs; lines: () => Promise<string[]> } {
  const written: string[] = [];
  const logs = createLog({
    level: 'debug',
    format: 'json',
    destination: { write: (text) => written.push(text) },
    ...init,
  });
  const lines = async () => {
    await logs.flush();
    return written.join('').split('\n').slice(0, -1);
  };
  return { logs, lines };
}

test('JSON lines keep their order from before the writer was loaded, with scope, level, time and fields', async (t) => {
  const { logs, lines } = keep();
  const log = logs.scope('http');
  for (let index = 0; index < 50; index++) log.info(`line ${index}`, { index });
  await logs.flush();
  log.warn('later', { level: 'mine', time: 'mine', scope: 'mine', message: 'mine', deep: { a: [1] } });
  const records = (await lines()).map((line) => JSON.parse(line) as Record<string, unknown>);
  t.deepEqual(
    records.slice(0, 50).map(({ message }) => message),
    Array.from({ length: 50 }, (_, index) => `line ${index}`),
  );
  const last = records[50] ?? {};
  t.is(last['level'], 40);
  t.is(last['scope'], 'http');
  t.is(last['message'], 'later');
  t.is(last['message_'], 'mine');
  t.deepEqual(last['deep'], { a: [1] });
  t.true(Math.abs(Number(last['time']) - Date.now()) < 60_000);
});

test('levels', async (t) => {
  const { logs, lines } = keep({ level: 'warn', format: 'pretty' });
  const log = logs.scope('a');
  log.debug('1');
  log.info('2');
  log.warn('3');
  log.error('4');
  logs.setLevel('silent');
  log.error('5');
  logs.setLevel('debug');
  log.debug('6');
  t.deepEqual(
    (await lines()).map((line) => line.at(-1)),
    ['3', '4', '6'],
  );
});

test('pretty lines stay one line each and carry no control characters', async (t) => {
  const { logs, lines } = keep({ format: 'pretty' });
  logs
    .scope('http')
    .warn('first\nsecond\u001b[31m\u0007', { path: '/mcp', note: 'two words', error: new Error('broken\nbadly') });
  const [line = '', ...more] = await lines();
  t.deepEqual(more, []);
  t.regex(
    line,
    /^\d\d:\d\d:\d\d\.\d{3} warn {2}http first ⏎ second.* path=\/mcp note="two words" error="broken\\nbadly"$/,
  );
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  t.notRegex(line, /[\u0000-\u001f\u007f-\u009f]/);
});

test('known secrets are masked everywhere: text, keys, values, errors with their causes and stacks, JSON and URLs', async (t) => {
  const secret = 'p"ss w\\rd/ä+1';
  const { logs, lines } = keep({
    secrets: [secret, 'shorter-secret', 'short', 'begins-alike', 'begins-alike-and-goes-on'],
  });
  const error = new Error(`failed with ${secret}`, { cause: new Error(`because of ${secret}`) });
  const circle: Record<string, unknown> = { secret };
  circle['self'] = circle;
  logs.scope('a').error(`text ${secret} text`, {
    [`key ${secret}`]: 1,
    list: [{ deep: { deeper: `x${secret}x` } }],
    error,
    map: new Map([[secret, secret]]),
    url: new URL(`http://x/?a=${encodeURIComponent(secret)}`),
    json: JSON.stringify({ a: secret }),
    form: new URLSearchParams({ a: secret }).toString(),
    circle,
    short: 'a short word',
  });
  logs.setSecrets(['added-later']);
  logs.scope('a').info('shorter-secret and added-later');
  logs.scope('a').info('<begins-alike-and-goes-on>');
  const all = (await lines()).join('\n');
  t.true(all.includes('<***>'));
  for (const form of [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    'shorter-secret',
    'added-later',
  ])
    t.false(all.includes(form), form);
  t.true(all.includes('text *** text'));
  t.true(all.includes('a short word'));
  t.true(all.includes('because of ***'));
});

test('credentials are masked by their looks and by the name of their field', async (t) => {
  const { logs, lines } = keep();
  const token = 'abcDEF123456ghi';
  logs.scope('a').info(`Authorization: Bearer ${token} and authorization=Basic ${token} and bearer ${token}`, {
    url: `https://user:${token}@host/path?access_token=${token}&x=1&api_key=${token}`,
    dsn: 'postgres://user:p@ss/w@rd@host/db',
    at: 'http://host:8080/@scope/x',
    body: `{"token":"${token}","password": "${token}"}`,
    headers: { Authorization: token, 'X-Api-Key': token, Cookie: token, Accept: 'text/plain' },
    GITHUB_TOKEN: token,
    maxTokens: 5,
  });
  const [line = ''] = await lines();
  t.false(line.includes(token), line);
  const record = JSON.parse(line) as Record<string, unknown>;
  t.deepEqual(record['headers'], { Authorization: '***', 'X-Api-Key': '***', Cookie: '***', Accept: 'text/plain' });
  t.is(record['maxTokens'], 5);
  t.is(record['url'], 'https://user:***@host/path?access_token=***&x=1&api_key=***');
  t.is(record['dsn'], 'postgres://user:***@host/db');
  t.is(record['at'], 'http://host:8080/@scope/x');
});

test('no text leaves the masker with a known secret in it', (t) => {
  const secret = fc
    .string({ minLength: 6, maxLength: 20 })
    .filter((text) => text.trim().length >= 6 && !'***'.includes(text) && !text.includes('*'));
  fc.assert(
    fc.property(
      fc.array(secret, { minLength: 1, maxLength: 5 }),
      fc.array(fc.string({ maxLength: 10 })),
      (secrets, words) => {
        const masker = new Masker();
        masker.add(secrets);
        const text = words.map((word, index) => `${word}${secrets[index % secrets.length]}`).join('');
        const masked = masker.text(text);
        for (const each of secrets) t.false(masked.includes(each));
      },
    ),
  );
});

test('hostile texts are masked in reasonable time, and long ones are shortened', async (t) => {
  const { logs, lines } = keep({ secrets: ['needle-secret'] });
  for (const text of [
    'bearer '.repeat(50_000),
    '://'.repeat(100_000),
    '://a:'.repeat(50_000),
    'token='.repeat(50_000),
    `authorization${' '.repeat(200_000)}`,
    '"token"'.repeat(50_000),
  ]) {
    logs.scope('a').info(text, { text });
  }
  logs.scope('a').info(`${'x'.repeat(16 * 1024 - 3)}needle-secret`);
  const all = await lines();
  t.true(all.every((line) => line.length < 100_000));
  t.is(all.length, 7);
  t.false(all.join().includes('nee'));
});

test('a process that ends at once has written its lines, in order', async (t) => {
  const script = `
    import { createLog } from ${JSON.stringify(new URL('../src/log.js', import.meta.url).href)};
    const log = createLog({ level: 'info', format: 'json', secrets: ['my-secret'] }).scope('a');
    log.info('one my-secret');
    log.info('two');
    if (process.argv[1] === 'exit') process.exit(3);
    if (process.argv[1] === 'throw') throw new Error('x');
  `;
  for (const how of ['exit', 'throw', 'end']) {
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', script, how]).catch(
      (error: { stdout: string; stderr: string }) => error,
    );
    t.is(stdout, '', how);
    const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
    t.deepEqual(
      lines.map((line) => (JSON.parse(line) as { message: string }).message),
      ['one ***', 'two'],
      how,
    );
  }
});
