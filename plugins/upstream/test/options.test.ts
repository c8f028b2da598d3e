// The configuration: what is accepted, what is refused and how that reads, and what a generation of the plugin registers and keeps.
import { readFileSync } from 'node:fs';
import test from 'ava';
import type { JsonObject } from 'plugboard';
import upstream from '../src/index.ts';
import { entrySchema } from '../src/options.ts';
import { child, Harness, textOf, tool } from './support.ts';

function issues(entry: JsonObject): string[] {
  const parsed = upstream.options?.safeParse({ servers: { s: entry } });
  return (parsed?.error?.issues ?? []).map(({ path, message }) => `${path.slice(2).join('.')}: ${message}`);
}

test('entries in the ecosystem’s format are accepted, with defaults', (t) => {
  for (const entry of [
    { command: 'npx', args: ['-y', 'x', 5], env: { A: 'b', PORT: 80, ON: true }, cwd: './x' },
    { type: 'stdio', command: 'x' },
    { url: 'https://example.com/mcp' },
    { type: 'http', url: 'http://user:pw@localhost:1/mcp?x=y', headers: { Authorization: 'Bearer x' } },
    { type: 'streamable-http', url: 'https://x' },
    {
      type: 'sse',
      url: 'https://x/sse',
      isolation: 'shared',
      timeout: 5,
      maxTimeout: 10,
      era: 'old',
      disabled: true,
      title: 'T',
    },
  ]) {
    t.deepEqual(issues(entry), [], JSON.stringify(entry));
  }
  const parsed = upstream.options?.parse({ servers: { s: { command: 'x' } } }) as {
    servers: Record<string, object>;
    connectTimeout: number;
  };
  t.like(parsed.servers['s'], {
    isolation: 'task',
    timeout: 60_000,
    maxTimeout: 600_000,
    era: 'auto',
    disabled: false,
  });
});

test('what is wrong is named, with what to do', (t) => {
  const wrong: [JsonObject, RegExp][] = [
    [{}, /command: give either `command`.* or `url`/],
    [{ command: 'x', url: 'http://x' }, /command: give either/],
    [{ command: 'x', comand: 'y' }, /Unrecognized key: "comand"/],
    [{ command: 'x', alwaysAllow: [] }, /Unrecognized key/],
    [{ type: 'stdio', url: 'http://x' }, /command: a stdio server needs `command`/],
    [{ type: 'http', command: 'x', url: 'http://x' }, /command: `command` belongs to servers that are started/],
    [{ command: 'x', headers: { a: 'b' } }, /headers: `headers` belongs to servers that are reached by `url`/],
    [{ type: 'http' }, /url: a server of this type needs `url`/],
    [{ url: 'example.com/mcp' }, /url: is not a complete URL/],
    [{ url: 'ftp://example.com' }, /url: must begin with http/],
    [{ url: 'http://x', headers: { 'a b': 'c' } }, /headers: "a b" is not a header name/],
    [{ url: 'http://x', headers: { 'Mcp-Session-Id': 'c' } }, /headers: `Mcp-Session-Id` is set by the proxy/],
    [{ url: 'http://x', headers: { a: 'b\r\nc: d' } }, /headers: the value of `a` holds characters/],
    [{ command: 'x', timeout: 10, maxTimeout: 5 }, /maxTimeout: must not be smaller/],
    [{ command: 'x', isolation: 'none' }, /isolation: /],
    [{ command: 'x', oauth: true }, /oauth: `oauth` belongs to servers that are reached by `url`/],
    [{ url: 'http://x', oauth: {}, headers: { authorization: 'x' } }, /oauth: give either/],
    [{ url: 'http://x', oauth: { grant: 'client_credentials' } }, /./],
  ];
  for (const [entry, message] of wrong)
    t.true(
      issues(entry).some((each) => message.test(each)),
      `${JSON.stringify(entry)} → ${issues(entry).join('; ')}`,
    );
});

test('a generation registers what is not disabled; a kept connection outlives it, and fingerprints tell changes', async (t) => {
  const program = { command: process.execPath, args: [child('faulty')] };
  const harness = new Harness();
  await harness.apply({
    servers: {
      a: program,
      b: { url: 'http://x/', title: 'B', isolation: 'shared', timeout: 7 },
      c: { ...program, disabled: true },
    },
  });
  t.deepEqual([...harness.servers.keys()], ['a', 'b']);
  t.like(harness.servers.get('a'), { kind: 'stdio', isolation: 'task', timeout: 60_000 });
  t.like(harness.servers.get('b'), { kind: 'http', title: 'B', isolation: 'shared', timeout: 7 });
  const { connection, told } = await harness.connect('a');
  const next = new Harness();
  await next.apply({
    servers: {
      a: program,
      b: { url: 'http://x/', headers: { Authorization: 'other' }, title: 'B', isolation: 'shared', timeout: 7 },
    },
  });
  t.is(next.servers.get('a')?.fingerprint, harness.servers.get('a')?.fingerprint);
  t.not(next.servers.get('b')?.fingerprint, harness.servers.get('b')?.fingerprint);
  await harness.release();
  t.is(textOf(await tool(connection, 'echo', { still: 1 })), '{"still":1}');
  await next.release();
  t.is(textOf(await tool(connection, 'echo', { still: 2 })), '{"still":2}');
  await connection.close();
  t.deepEqual(told.closed, []);
});

test('the README lists every option and member with its default', (t) => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const row = (name: string) =>
    new RegExp(`^\\| (?:\`\\w+\`, )?\`${name}\`(?:, \`\\w+\`)? \\|(.*)$`, 'm').exec(readme)?.[1];
  const options = upstream.options?.parse({ servers: { s: { command: 'x' } } }) as JsonObject & {
    servers: { s: JsonObject };
  };
  for (const [name, value] of Object.entries({ ...options, ...options.servers.s, servers: {}, command: undefined })) {
    const described = row(name);
    t.truthy(described, name);
    if (value !== undefined)
      t.true(
        described?.includes(` \`${typeof value === 'string' ? value : JSON.stringify(value)}\` |`),
        `${name}:${described}`,
      );
  }
  for (const name of Object.keys(entrySchema.shape)) t.truthy(row(name), name);
  for (const name of ['grant', 'clientId', 'clientSecret', 'issuer', 'scope', 'clientMetadataUrl', 'redirectPort'])
    t.truthy(row(name), name);
});
