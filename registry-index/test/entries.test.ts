// Every entry of this repository, the checks themselves, the committed schemas, and the tables of the README.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import test from 'ava';
import { checkEntry, checkOptionsTable, checkPackage } from '../src/index.ts';
import { workspaceFolders } from '../src/build.ts';
import { checkPackageFolder } from '../src/check.ts';
import { checkEntryFiles, packageFolder, readEntries, readEntryFiles } from '../src/entry-files.ts';
import { renderSchemas, schemaProblems } from '../src/schema-files.ts';
import { newestFirst } from '../src/versions.ts';

const { plugins, servers } = await readEntries();

interface Validator {
  compile(schema: object): ((value: unknown) => boolean) & { errors?: unknown };
}

/** ajv 6 and 8 are both constructed from their CommonJS export. */
function createValidator(): Validator {
  const loaded = createRequire(import.meta.url)('ajv') as { default?: new () => Validator };
  return new (loaded.default ?? (loaded as unknown as new () => Validator))();
}

test('every entry passes its checks', async (t) => {
  t.deepEqual(checkEntryFiles(await readEntryFiles()), []);
  t.true(servers.length >= 25, `${servers.length} servers`);
});

test('there is an entry for every plugin that this repository builds', (t) => {
  const config = JSON.parse(readFileSync(path.join(packageFolder(), '..', 'tsconfig.json'), 'utf8')) as {
    references: { path: string }[];
  };
  const built = config.references.flatMap((reference) => /^plugins\/(.+)$/.exec(reference.path)?.[1] ?? []);
  t.deepEqual(plugins.map(({ id }) => id).sort(), built.sort());
});

for (const entry of plugins) {
  test(`${entry.package} links back to its entry and describes its options`, async (t) => {
    const folders = await workspaceFolders();
    const folder = folders.get(entry.id);
    t.truthy(folder);
    t.deepEqual(await checkPackageFolder(entry, folder ?? '', folders), []);
    // What upstream serves is in configurations.
    if (entry.kind !== 'server' || entry.id === 'upstream') return;
    const [first, ...others] = entry.tools ?? [];
    t.truthy(first, 'its tools are recorded');
    if (entry.id !== 'memory') return;
    const problem = /^plugins\/memory\.json: tools: differ from what it lists; write them: .*record\.js memory$/;
    const [less = ''] = await checkPackageFolder({ ...entry, tools: others }, folder ?? '', folders);
    t.regex(less, problem);
  });
}

test('the committed schemas are those of the code, and accept every entry', async (t) => {
  t.deepEqual(await schemaProblems(renderSchemas()), []);
  const read = (file: string) => JSON.parse(readFileSync(path.join(packageFolder(), 'schema', file), 'utf8')) as object;
  const validators = {
    plugin: createValidator().compile(read('plugin.schema.json')),
    server: createValidator().compile(read('server.schema.json')),
  };
  for (const { kind, value, file } of await readEntryFiles())
    t.true(validators[kind](value), `${file}: ${JSON.stringify(validators[kind].errors)}`);
  t.false(validators.plugin({ ...plugins[0], licence: 'MIT' }), 'an unknown member is refused');
});

test('archived servers that have a successor name it, and it is not archived itself', (t) => {
  const archived = servers.filter(({ status }) => status === 'archived');
  t.true(archived.length >= 5);
  for (const { id, replacedBy } of archived) {
    t.truthy(replacedBy, id);
    t.not(servers.find((server) => server.id === replacedBy)?.status, 'archived', id);
  }
});

const server = {
  id: 'demo',
  title: 'Demo',
  description: 'Shows something',
  status: 'active',
  categories: ['example'],
  start: [{ type: 'stdio', runner: 'npx', package: 'demo', version: '1.2.3', args: [], env: [] }],
  permissions: { network: [], filesystem: 'none', secrets: [] },
  toolsUnknown: true,
};
const plugin = {
  id: 'demo',
  package: '@acme/demo',
  kind: 'server',
  title: 'Demo',
  description: 'Shows something',
  status: 'active',
};
const [start] = server.start;
const secretStart = { ...start, env: [{ name: 'TOKEN', secret: true, required: true }] };

const faults: [name: string, kind: 'plugin' | 'server', value: object, problem: RegExp][] = [
  ['an unknown member', 'server', { ...server, stars: 5 }, /servers\/demo\.json: entry: .*stars/],
  ['an id that is not the file', 'server', { ...server, id: 'other' }, /must be "demo", the name of the file/],
  ['an id that is taken', 'plugin', { ...plugin }, /"demo" is taken/],
  ['an id with a capital', 'plugin', { ...plugin, id: 'Demo' }, /is no id/],
  ['a range', 'server', { ...server, start: [{ ...start, version: '^1.2.3' }] }, /one exact version/],
  ['a reference in a title', 'server', { ...server, title: '${env:HOME}' }, /title: must be one line/],
  [
    'a reference in a version',
    'server',
    { ...server, start: [{ ...start, version: '${env:HOME}' }] },
    /version: is no version/,
  ],
  ['a tag', 'server', { ...server, start: [{ ...start, version: 'latest' }] }, /one exact version/],
  [
    'a replacement that is not there',
    'server',
    { ...server, status: 'archived', replacedBy: 'gone' },
    /no entry "gone"/,
  ],
  ['a replacement of what is active', 'server', { ...server, replacedBy: 'memory' }, /deprecated or archived/],
  ['tools of unknown origin', 'server', { ...server, toolsUnknown: undefined, tools: [] }, /toolsFrom/],
  ['neither tools nor a word about them', 'server', { ...server, toolsUnknown: undefined }, /toolsUnknown: true/],
  ['a secret that is not declared', 'server', { ...server, start: [secretStart] }, /permissions\.secrets: .*TOKEN/],
  [
    'a reference in an argument',
    'server',
    { ...server, start: [{ ...start, args: ['${file:/etc/passwd}'] }] },
    /start\.0\.args/,
  ],
  [
    'a reference in a header',
    'server',
    {
      ...server,
      start: [
        {
          type: 'http',
          url: 'https://a.example/mcp',
          auth: 'none',
          headers: [{ name: 'X-A', value: '${env:HOME}', secret: false, required: true }],
        },
      ],
    },
    /headers\.0/,
  ],
  [
    'braces that stand for nothing',
    'server',
    { ...server, start: [{ type: 'http', url: 'https://{host}/mcp', auth: 'none', headers: [] }] },
    /\{host\} stands for nothing/,
  ],
  [
    'an address without TLS',
    'server',
    { ...server, start: [{ type: 'http', url: 'http://a.example/mcp', auth: 'none', headers: [] }] },
    /https address/,
  ],
  ['a package that is none', 'plugin', { ...plugin, package: '../evil' }, /no name of an npm package/],
];

for (const [name, kind, value, problem] of faults) {
  test(`an entry is refused for ${name}`, (t) => {
    const others = name === 'an id that is taken' ? ['demo'] : ['memory'];
    const problems = checkEntry(JSON.parse(JSON.stringify(value)), { kind, file: 'demo', others });
    t.true(problems.length > 0);
    t.regex(problems.join('\n'), problem);
  });
}

test('the entries that the faults are made of are right', (t) => {
  t.deepEqual(checkEntry(server, { kind: 'server', file: 'demo', others: [] }), []);
  t.deepEqual(checkEntry(plugin, { kind: 'plugin', file: 'demo', others: [] }), []);
});

const manifest = {
  name: '@acme/demo',
  version: '1.0.0',
  keywords: ['plugboard-plugin'],
  peerDependencies: { plugboard: '^0.1.0' },
  plugboard: { id: 'demo', apiVersion: 1 },
};
const readme = '# Demo\n\n## Options\n\n| option | meaning |\n|---|---|\n| `path` | a folder |\n\n## More\n';
const facts = { manifest, readme, defined: { id: 'demo', apiVersion: 1, options: ['path'] } };

test('a package that links back has no problems', (t) => {
  t.deepEqual(checkPackage(plugin, facts), []);
});

const packageFaults: [name: string, facts: Parameters<typeof checkPackage>[1], problem: RegExp][] = [
  ['another name', { ...facts, manifest: { ...manifest, name: '@acme/other' } }, /name is "@acme\/other"/],
  ['no keyword', { ...facts, manifest: { ...manifest, keywords: ['mcp'] } }, /plugboard-plugin/],
  ['a range for a version', { ...facts, manifest: { ...manifest, version: '1.x' } }, /exact version/],
  ['no peer dependency', { ...facts, manifest: { ...manifest, peerDependencies: {} } }, /peerDependencies\.plugboard/],
  ['no manifest key', { ...facts, manifest: { ...manifest, plugboard: undefined } }, /key "plugboard" is missing/],
  [
    'the id of another entry',
    { ...facts, manifest: { ...manifest, plugboard: { id: 'memory', apiVersion: 1 } } },
    /entry says "demo"/,
  ],
  [
    'a definition with another id',
    { ...facts, defined: { ...facts.defined, id: 'memory' } },
    /definePlugin says "memory"/,
  ],
  [
    'a definition with another apiVersion',
    { ...facts, defined: { ...facts.defined, apiVersion: 2 } },
    /definePlugin says 2/,
  ],
  ['no README', { ...facts, readme: undefined }, /README\.md is missing/],
  [
    'an option that is not described',
    { ...facts, defined: { ...facts.defined, options: ['path', 'name'] } },
    /does not describe `name`/,
  ],
];

for (const [name, given, problem] of packageFaults) {
  test(`a package is refused for ${name}`, (t) => {
    t.regex(checkPackage(plugin, given).join('\n'), problem);
  });
}

test('an options table is compared with the schema', (t) => {
  const table = (...rows: string[]) => `## Options\n\n| option | meaning |\n|---|---|\n${rows.join('\n')}\n`;
  t.deepEqual(checkOptionsTable(table('| `a`, `b` | two |', '| `c.d`, `.e` | parts |'), ['a', 'b', 'c']), []);
  t.deepEqual(checkOptionsTable('no table here', []), []);
  t.regex(checkOptionsTable('no table here', ['a']).join(), /no table under a heading "Options"/);
  t.regex(checkOptionsTable(table('| `a` | |', '| `z` | |'), ['a']).join(), /README:6: describes `z`/);
  t.regex(checkOptionsTable(table('| a | |'), ['a']).join(), /names no option/);
  t.regex(
    checkOptionsTable(`${table('| `a` | |')}\n## Tools\n\n| tool |\n|---|\n| \`t\` |\n`, ['a', 'b']).join(),
    /`b`/,
  );
});

test('versions are ordered as semver.org says, newest first', (t) => {
  const ordered = [
    '2.0.0',
    '1.10.0',
    '1.9.0',
    '1.0.0',
    '1.0.0-rc.1',
    '1.0.0-beta.11',
    '1.0.0-beta.2',
    '1.0.0-beta',
    '1.0.0-alpha.beta',
    '1.0.0-alpha.1',
    '1.0.0-alpha',
    'none',
  ];
  t.deepEqual([...ordered].sort((a, b) => a.localeCompare(b)).sort(newestFirst), ordered);
});

interface JsonSchema {
  readonly properties?: Record<string, JsonSchema>;
  readonly items?: JsonSchema;
  readonly anyOf?: JsonSchema[];
  readonly oneOf?: JsonSchema[];
}

test('the tables of the README describe the members that the schemas have', (t) => {
  const text = readFileSync(path.join(packageFolder(), 'README.md'), 'utf8');
  const described = (heading: string) => {
    const section = text.split(`# ${heading}\n`)[1]?.split(/^#/m)[0] ?? '';
    return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? '').sort();
  };
  const schemas = renderSchemas() as Map<string, JsonSchema>;
  const names = (schema: JsonSchema | undefined) => Object.keys(schema?.properties ?? {}).sort();
  const entry = schemas.get('server.schema.json');
  const starts = entry?.properties?.['start']?.items;
  const [program, hosted] = starts?.oneOf ?? starts?.anyOf ?? [];
  const input = program?.properties?.['env']?.items;
  t.deepEqual(described('Entry of a plugin'), names(schemas.get('plugin.schema.json')));
  t.deepEqual(described('Entry of a server'), names(entry));
  t.deepEqual(described('Start of a program'), names(program));
  t.deepEqual(described('Start of a hosted server'), names(hosted));
  t.deepEqual(described('Input'), names(input));
  const version = schemas.get('index.schema.json')?.properties?.['plugins']?.items?.properties?.['versions']?.items;
  t.deepEqual(described('index.json'), names(version));
});
