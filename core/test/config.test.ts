// The configuration through its public doors: files in, a `Config` or a message for a person out. Selectors: selectors.test.ts.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { mkdtemp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkOptions, configFrom, loadConfig } from '../src/config.ts';
import type { Config, ConfigOverrides } from '../src/config.ts';
import { configSchema } from '../src/config-schema.ts';
import { watchConfig } from '../src/config-watch.ts';
import { PlugboardError } from '../src/errors.ts';
import { isObject } from '../src/protocol/messages.ts';
import * as z from '../src/z.ts';

async function folder(t: ExecutionContext): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'plugboard-config-'));
  t.teardown(() => rm(made, { recursive: true, force: true }));
  return made;
}

async function load(
  t: ExecutionContext,
  text: string,
  overrides: ConfigOverrides = {},
  files: Record<string, string> = {},
): Promise<Config> {
  const directory = await folder(t);
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(directory, name), content);
  const file = path.join(directory, 'plugboard.yaml');
  await writeFile(file, text);
  return await loadConfig(file, { env: {}, ...overrides });
}

async function refused(
  t: ExecutionContext,
  text: string,
  overrides: ConfigOverrides = {},
  files: Record<string, string> = {},
): Promise<PlugboardError> {
  const error = await t.throwsAsync(load(t, text, overrides, files), { instanceOf: PlugboardError });
  return error;
}

/** The lines of a message, without the file's path. */
function linesOf(error: PlugboardError): string[] {
  return error.message.split('\n').map((line) => line.replace(/^.*plugboard\.yaml/, 'plugboard.yaml'));
}

const full = `
name: gateway
plugins:
  http: { port: 9000 }
  "@acme/plugboard-deny": { tools: [a] }
  ./mine.js:
  memory: false
mcpServers:
  everything: { command: npx, args: [-y, server], env: { TOKEN: "\${env:TOKEN}" } }
tools: { allow: ["everything:*"], deny: ["everything:echo"] }
resources: { allow: ["everything:test://*"] }
prompts: { allow: [] }
grants:
  alice: { token: "\${file:alice.token}", tools: { allow: ["github:*"], deny: ["github:delete_*"] }, prompts: { allow: ["github:*"] } }
limits: { callTimeout: 5000 }
log: { level: debug, format: json }
`;

test('a full file is read: order, defaults, references, what is secret', async (t) => {
  const config = await load(
    t,
    full,
    { env: { TOKEN: 'env-secret-value' } },
    { 'alice.token': 'alice-token-0123456789\n' },
  );
  t.is(config.name, 'gateway');
  t.deepEqual(
    config.plugins.map(({ key, options }) => [key, options]),
    [
      ['http', { port: 9000 }],
      ['@acme/plugboard-deny', { tools: ['a'] }],
      ['./mine.js', {}],
      [
        'upstream',
        { servers: { everything: { command: 'npx', args: ['-y', 'server'], env: { TOKEN: 'env-secret-value' } } } },
      ],
    ],
  );
  t.deepEqual(config.tools, { allow: ['everything:*'], deny: ['everything:echo'] });
  t.deepEqual(config.resources, { allow: ['everything:test://*'], deny: [] });
  t.deepEqual(config.prompts, { allow: [], deny: [] });
  t.deepEqual(config.grants, [
    {
      name: 'alice',
      token: 'alice-token-0123456789',
      tools: { allow: ['github:*'], deny: ['github:delete_*'] },
      resources: undefined,
      prompts: { allow: ['github:*'], deny: [] },
    },
  ]);
  t.is(config.limits.callTimeout, 5000);
  t.is(config.limits.maxCallTimeout, 600_000);
  t.deepEqual(config.log, { level: 'debug', format: 'json' });
  t.deepEqual([...config.secrets].sort(), ['alice-token-0123456789', 'env-secret-value']);
  t.deepEqual(config.referencedFiles, [path.join(config.directory, 'alice.token')]);
  t.deepEqual(config.warnings, []);
  const column = (full.split('\n')[13] ?? '').indexOf('"github:delete_*"') + 1;
  t.true(config.locate(['grants', 'alice', 'tools', 'deny', 0]).endsWith(`plugboard.yaml:14:${column}`));
});

test('JSON is read too, with tabs and places', async (t) => {
  const directory = await folder(t);
  const file = path.join(directory, 'plugboard.json');
  await writeFile(file, '{\n\t"plugins": {\n\t\t"http": { "port": 1 }\n\t},\n\t"nam": "x"\n}\n');
  const error = await t.throwsAsync(loadConfig(file), { instanceOf: PlugboardError });
  t.regex(error.message, /plugboard\.json:5:2: unknown key "nam" \(known: name, .*; nearest: name\)$/);
});

test('an empty file means http alone, and nothing decided about tools', async (t) => {
  const config = await load(t, '');
  t.deepEqual(config.plugins, [{ key: 'http', options: {} }]);
  t.deepEqual(config.tools, { allow: undefined, deny: [] });
});

test('all problems are told together, in the order of the file, each with its place', async (t) => {
  const error = await refused(
    t,
    [
      'plugins:',
      '  Weird Key: {}',
      'mcpServers:',
      '  bad name: { command: x }',
      '  foo: 3',
      'tool: {}',
      'tools:',
      '  alow: ["*"]',
      '  deny: ["a:"]',
      'grants:',
      '  bob: { token: short, tools: { allow: 1 } }',
      '  eve: { token: "${env:EVE}", tools: { allow: [] } }',
      'limits: { callTimeout: soon }',
      'log: { level: loud }',
    ].join('\n'),
  );
  t.is(error.code, 'CONFIG_INVALID');
  t.deepEqual(
    linesOf(error).map((line) => line.replace(/ \(known: .*/, '')),
    [
      'plugboard.yaml:2:3: plugins["Weird Key"]: names no plugin: write an id such as `http`, a scoped package such as `@acme/plugboard-deny`, or a path such as `./deny.js`',
      'plugboard.yaml:4:3: mcpServers["bad name"]: a server’s name must match [A-Za-z0-9_-]{1,40}',
      'plugboard.yaml:5:3: mcpServers.foo: expected object, received number',
      'plugboard.yaml:6:1: unknown key "tool"',
      'plugboard.yaml:8:3: tools: unknown key "alow"',
      'plugboard.yaml:9:10: tools.deny[0]: selector "a:": write server:tool, e.g. github:create_* or github:*',
      'plugboard.yaml:11:10: grants.bob.token: must have at least 16 characters (try: openssl rand -hex 24)',
      'plugboard.yaml:11:33: grants.bob.tools.allow: expected array, received number',
      'plugboard.yaml:12:10: grants.eve.token: ${env:EVE}: the environment variable EVE is not set',
      'plugboard.yaml:13:11: limits.callTimeout: expected number, received string',
      'plugboard.yaml:14:8: log.level: Invalid option: expected one of "debug"|"info"|"warn"|"error"|"silent"',
    ],
  );
  t.true(error.message.includes('(known: allow, deny; nearest: allow)'));
});

/** Objects of the schema in which every key is known, as paths into the example below. */
const closed = [
  [],
  ['tools'],
  ['resources'],
  ['prompts'],
  ['grants', 'alice'],
  ['grants', 'alice', 'tools'],
  ['limits'],
  ['log'],
];

test('an unknown key is refused wherever it stands, by its name', async (t) => {
  const known = [
    'name',
    'plugins',
    'mcpServers',
    'tools',
    'resources',
    'prompts',
    'grants',
    'limits',
    'log',
    'allow',
    'deny',
    'token',
    'level',
    'format',
  ];
  const limits = Object.keys((await configFrom({}, '.')).limits);
  const key = fc.oneof(
    fc.string({ minLength: 1, maxLength: 12 }),
    fc.constantFrom('__proto__', 'constructor', 'toString', 'alow', 'prot'),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...closed), key, async (place, name) => {
      fc.pre(![...known, ...limits].includes(name));
      const rules = { allow: ['*'] };
      const value = JSON.parse(
        JSON.stringify({
          tools: rules,
          resources: rules,
          prompts: rules,
          limits: {},
          log: {},
          grants: { alice: { token: 'x'.repeat(16), tools: rules } },
        }),
      );
      let target = value;
      for (const step of place) target = target[step];
      Object.defineProperty(target, name, { value: 1, enumerable: true, configurable: true, writable: true });
      const error = await t.throwsAsync(configFrom(value, '.'), { instanceOf: PlugboardError });
      t.is(error.code, 'CONFIG_INVALID');
      t.true(error.message.includes(`unknown key ${JSON.stringify(name)} (known: `), error.message);
    }),
  );
  t.is(({} as Record<string, unknown>)['polluted'], undefined);
});

test('references: environment, default, file, escape, several in one text; elsewhere ${ is text', async (t) => {
  const text = [
    'name: plain',
    'plugins:',
    '  http: { a: "${env:A}", b: "${env:NONE:-fall}back", c: "$${env:A}", d: "<${env:A}|${file:f.txt}>", e: "${env:EMPTY:-dflt}", f: "${env:EMPTY}", g: [{ h: "${env:A}" }] }',
    'tools: { allow: ["x:${y}"] }',
  ].join('\n');
  const config = await load(t, text, { env: { A: 'value of a', EMPTY: '' } }, { 'f.txt': 'line one\nline two\r\n' });
  const [http] = config.plugins;
  t.deepEqual(http?.options, {
    a: 'value of a',
    b: 'fallback',
    c: '${env:A}',
    d: '<value of a|line one\nline two>',
    e: 'dflt',
    f: '',
    g: [{ h: 'value of a' }],
  });
  t.deepEqual(config.tools.allow, ['x:${y}']);
  // Each line of a secret file is a secret of its own; defaults stand in the file for all to read.
  t.deepEqual([...config.secrets].sort(), ['line one', 'line one\nline two', 'line two', 'value of a']);
});

test('literal values of keys that name secrets are secret too', async (t) => {
  const config = await load(
    t,
    'mcpServers: { a: { url: "http://x", headers: { Authorization: "Bearer abcdef123456", X-Api-Key: keykeykey, Accept: text/plain } }, b: { command: x, env: { DB_PASSWORD: hunter22, MODE: productive } } }',
  );
  t.deepEqual([...config.secrets].sort(), ['Bearer abcdef123456', 'abcdef123456', 'hunter22', 'keykeykey']);
});

test('references that cannot be resolved are told with their place', async (t) => {
  const error = await refused(
    t,
    'plugins:\n  http:\n    a: "${env:NONE}"\n    b: "${file:none.txt}"\n    c: "${HOME}"\n    d: "${env:bad name}"\n    e: "${file:large.txt}"\n',
    {},
    { 'large.txt': 'x'.repeat(64 * 1024 + 1) },
  );
  t.is(error.code, 'CONFIG_REFERENCE');
  const lines = linesOf(error);
  t.is(lines.length, 5);
  t.is(lines[0], 'plugboard.yaml:3:5: plugins.http.a: ${env:NONE}: the environment variable NONE is not set');
  t.regex(
    lines[1] ?? '',
    /^plugboard\.yaml:4:5: plugins\.http\.b: \$\{file:none\.txt\}: the file \/.*\/none\.txt does not exist$/,
  );
  t.is(
    lines[2],
    'plugboard.yaml:5:5: plugins.http.c: ${HOME}: is no reference: write ${env:NAME} or ${file:PATH}, or $${HOME} for the text itself',
  );
  t.regex(lines[3] ?? '', /plugins\.http\.d: .* does not name an environment variable$/);
  t.regex(lines[4] ?? '', /plugins\.http\.e: .* is larger than 65536 bytes$/);
});

test('a client of the proxy may leave references unresolved', async (t) => {
  const text = 'plugins: { http: { port: 4711 } }\ngrants: { alice: { token: "${env:NONE}", tools: { allow: [] } } }';
  const config = await load(t, text, { tolerant: true });
  t.deepEqual(config.plugins, [{ key: 'http', options: { port: 4711 } }]);
  t.regex(
    config.unresolved.get(config.grants[0]?.token ?? '') ?? '',
    /:2:20: grants\.alice\.token: \$\{env:NONE\}: .* NONE is not set$/,
  );
});

test('tokens: long enough, fit for a header, nobody else’s; written literally they are warned about', async (t) => {
  const rules = 'tools: { allow: ["*"] }';
  const config = await load(t, `grants:\n  alice: { token: 0123456789abcdef, ${rules} }`);
  t.is(config.grants[0]?.token, '0123456789abcdef');
  t.regex(config.warnings.join(), /:2:12: grants\.alice\.token: is written into the file/);

  const twice = await refused(
    t,
    `grants:\n  alice: { token: "\${env:T}", ${rules} }\n  bob: { token: "\${env:T}", ${rules} }`,
    { env: { T: '0123456789abcdef' } },
  );
  t.deepEqual(linesOf(twice), ['plugboard.yaml:3:10: grants.bob.token: is also the token of grant "alice"']);
  const spaced = await refused(t, `grants:\n  alice: { token: "0123456789 abcdef", ${rules} }`);
  t.regex(spaced.message, /grants\.alice\.token: must be printable ASCII without spaces/);
  t.false(`${twice.message}${spaced.message}`.includes('0123456789'), 'a token stands in a message');
  const bare = await refused(t, 'grants:\n  alice: { token: 0123456789abcdef }');
  t.regex(bare.message, /plugboard\.yaml:2:3: grants\.alice\.tools: /);
});

test('which plugins run: implied ones and the command line', async (t) => {
  const keys = async (value: unknown, overrides: ConfigOverrides = {}) => {
    const config = await configFrom(value, '.', overrides);
    return config.plugins.map(({ key, options }) =>
      options['port'] === undefined ? key : `${key}:${String(options['port'])}`,
    );
  };
  const mcpServers = { a: { command: 'x' } };
  t.deepEqual(await keys({}), ['http']);
  t.deepEqual(await keys({ mcpServers }), ['http', 'upstream']);
  t.deepEqual(await keys({ mcpServers: {} }), ['http']);
  t.deepEqual(await keys({ mcpServers, plugins: { upstream: {}, memory: {} } }), ['upstream', 'memory']);
  t.deepEqual(await keys({ mcpServers, plugins: { upstream: false, memory: null } }), ['memory']);
  t.deepEqual(await keys({ plugins: { memory: {} } }), ['memory']);
  t.deepEqual(await keys({ plugins: { http: { port: 1 } } }, { port: 2 }), ['http:2']);
  t.deepEqual(await keys({ plugins: { '@plugboard/http': { port: 1 } } }, { port: 2 }), ['@plugboard/http:2']);
  t.deepEqual(await keys({ plugins: { memory: {} } }, { port: 0 }), ['http:0', 'memory']);
  t.deepEqual(await keys({ plugins: { http: { port: 1 }, memory: {} } }, { stdio: true }), ['memory', 'stdio']);
  t.deepEqual(await keys({ plugins: { http: { port: 1 } } }, { stdio: true, port: 2 }), ['http:2', 'stdio']);
  t.deepEqual(await keys({ plugins: { stdio: {}, http: {} } }, { stdio: true }), ['stdio']);

  const kept = await configFrom({ plugins: { http: { port: 1, host: 'x' } } }, '.', { stdio: true, port: 2 });
  t.deepEqual(kept.plugins[0], { key: 'http', options: { port: 2, host: 'x' } });

  const unserved = await configFrom({ mcpServers, plugins: { upstream: false } }, '.');
  t.regex(unserved.warnings.join(), /mcpServers: is not served/);
  const both = await t.throwsAsync(configFrom({ mcpServers, plugins: { upstream: { servers: {} } } }, '.'));
  t.regex(both.message, /plugins\.upstream\.servers: stands beside `mcpServers`/);
});

test('a plugin’s options are checked by its schema, with places in the file', async (t) => {
  const config = await load(
    t,
    'plugins:\n  http:\n    port: high\n    prot: 1\n    tls: { crt: x }\nmcpServers:\n  a:\n    commnd: x\n',
  );
  const schema = z.strictObject({
    host: z.string().default('127.0.0.1'),
    port: z.int().default(1),
    tls: z.strictObject({ cert: z.string() }).optional(),
  });
  const entry = (key: string) => config.plugins.find((each) => each.key === key) ?? { key, options: {} };
  const error = t.throws(() => checkOptions(config, entry('http'), schema), { instanceOf: PlugboardError });
  t.is(error.code, 'PLUGIN_OPTIONS');
  t.deepEqual(
    linesOf(error).sort(),
    [
      'plugboard.yaml:3:5: plugins.http.port: expected number, received string',
      'plugboard.yaml:4:5: plugins.http: unknown key "prot" (known: host, port, tls; nearest: port)',
      'plugboard.yaml:5:5: plugins.http.tls.cert: is missing (expected string)',
      'plugboard.yaml:5:12: plugins.http.tls: unknown key "crt" (known: cert; nearest: cert)',
    ].sort(),
  );

  const servers = z.strictObject({
    servers: z.record(z.string(), z.strictObject({ command: z.string().optional(), url: z.string().optional() })),
  });
  const upstream = t.throws(() => checkOptions(config, entry('upstream'), servers), { instanceOf: PlugboardError });
  t.deepEqual(linesOf(upstream), [
    'plugboard.yaml:8:5: mcpServers.a: unknown key "commnd" (known: command, url; nearest: command)',
  ]);
  t.deepEqual(checkOptions(config, { key: 'http', options: {} }, schema), { host: '127.0.0.1', port: 1 });
});

test('files that are no configuration are refused, and end nothing', async (t) => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefghij'
      .split('')
      .map((letter, index) => `${letter}: &${letter} [${Array(9).fill(`*${'abcdefghi'[index]}`).join()}]`),
  ].join('\n');
  const texts: Record<string, [string, RegExp]> = {
    bomb: [bomb, /alias/i],
    brackets: ['['.repeat(500_000), /nested too deeply/],
    dashes: ['- '.repeat(300_000), /nested too deeply/],
    large: [`name: ${'x'.repeat(1024 * 1024)}`, /1048582 bytes \(at most 1048576\)/],
    twice: ['name: a\nname: b', /plugboard\.yaml:2:1: the key name stands here a second time/],
    several: ['name: a\n---\nname: b', /plugboard\.yaml:.*multiple documents/],
    broken: ['a: [1,\nb: }', /plugboard\.yaml:2:4: /],
  };
  for (const [what, [text, message]] of Object.entries(texts)) {
    const error = await refused(t, text);
    t.is(error.code, 'CONFIG_UNREADABLE', what);
    t.regex(error.message, message, what);
  }
  for (const text of ['[]', 'text', '3']) t.is((await refused(t, text)).code, 'CONFIG_INVALID');
  const directory = await folder(t);
  const missing = await t.throwsAsync(loadConfig(path.join(directory, 'none.yaml')), { instanceOf: PlugboardError });
  t.is(missing.code, 'CONFIG_NOT_FOUND');
  const unreadable = await t.throwsAsync(loadConfig(directory), { instanceOf: PlugboardError });
  t.is(unreadable.code, 'CONFIG_UNREADABLE');
  t.regex(unreadable.message, /is a folder: name the file in it/);
});

test('every key of the schema is described, for the reference page', (t) => {
  const undescribed: string[] = [];
  const visit = (schema: unknown, place: string) => {
    if (!isObject(schema)) return;
    if (isObject(schema['properties'])) {
      for (const [key, property] of Object.entries(schema['properties'])) {
        if (!isObject(property) || typeof property['description'] !== 'string') undescribed.push(`${place}.${key}`);
        visit(property, `${place}.${key}`);
      }
    }
    visit(schema['additionalProperties'], `${place}.*`);
  };
  const schema = z.toJSONSchema(configSchema, { io: 'input' });
  visit(schema, '');
  t.deepEqual(undescribed, []);
  t.deepEqual(Object.keys(schema.properties ?? {}).sort(), [
    'approval',
    'grants',
    'limits',
    'log',
    'mcpServers',
    'name',
    'pluginIsolation',
    'plugins',
    'prompts',
    'registry',
    'resources',
    'tools',
  ]);
});

/** Waits until something is so; a deadline only ends a test that hangs. */
async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!condition() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
  if (!condition()) throw new Error('it did not happen');
}

test('a change is noticed: written, replaced by renaming, of a referenced file, in bursts', async (t) => {
  const directory = await folder(t);
  const file = path.join(directory, 'plugboard.yaml');
  await mkdir(path.join(directory, 'secrets'));
  await writeFile(path.join(directory, 'secrets', 'one'), 'first value');
  await writeFile(file, 'plugins: { http: { a: "${file:secrets/one}" } }');
  const config = await loadConfig(file);
  let changes = 0;
  const errors: unknown[] = [];
  const watch = await watchConfig(
    config,
    () => {
      changes += 1;
      if (changes === 4) throw new Error('refused');
    },
    (error) => errors.push(error),
  );
  t.teardown(async () => await watch?.close());

  await writeFile(path.join(directory, 'other.yaml'), 'a');
  await writeFile(file, 'name: written');
  await until(() => changes === 1);
  await writeFile(`${file}.new`, 'name: renamed');
  await rename(`${file}.new`, file);
  await until(() => changes === 2);
  await writeFile(path.join(directory, 'secrets', 'one'), 'second value');
  await until(() => changes === 3);
  for (let index = 0; index < 20; index++) writeFileSync(file, `name: burst${index}`);
  await until(() => changes >= 4 && errors.length === 1);
  t.true(changes < 3 + 20);

  const before = changes;
  const late = path.join(directory, 'elsewhere', 'late');
  await mkdir(path.dirname(late));
  await writeFile(late, 'x');
  watch?.follow({ referencedFiles: [late] });
  // Following begins in the background: what counts is that a change is noticed in the end.
  const writing = setInterval(() => writeFileSync(late, String(Math.random())), 500);
  t.teardown(() => clearInterval(writing));
  await until(() => changes > before);
});

test('a change between loading and watching is noticed', async (t) => {
  const directory = await folder(t);
  const file = path.join(directory, 'plugboard.yaml');
  await writeFile(file, 'name: a');
  const config = await loadConfig(file);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await writeFile(file, 'name: b');
  let changes = 0;
  const watch = await watchConfig(
    config,
    () => void (changes += 1),
    () => {},
  );
  t.teardown(async () => await watch?.close());
  await until(() => changes === 1);
  t.is(changes, 1);
});
