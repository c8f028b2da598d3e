// `plugboard import` from outside: the ecosystem's files go in, YAML or a merged configuration comes out, and no secret with it.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { parse } from 'yaml';
import type { JsonObject } from '../src/protocol/messages.ts';

const command = `
  const { Console } = await import(process.argv[1]);
  const { importConfig } = await import(process.argv[2]);
  const options = JSON.parse(process.argv[3]);
  const output = new Console(options.json === true);
  process.exitCode = await importConfig(options, output).catch((error) => output.fail(error));
`;
const module = (name: string) => new URL(`../src/cli/${name}.js`, import.meta.url).href;
const main = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(cwd: string, args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [...args],
      { cwd, env: { PATH: process.env['PATH'] ?? '', HOME: cwd, ...env } },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      },
    );
  });
}

/** A folder with files, and the command run in it. */
async function stand(t: ExecutionContext, files: Readonly<Record<string, unknown>>) {
  t.timeout(120_000);
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-import-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files))
    await writeFile(
      path.join(folder, name),
      typeof content === 'string' ? content : JSON.stringify(content, undefined, 2),
    );
  return {
    folder,
    text: (name: string) => readFile(path.join(folder, name), 'utf8'),
    run: (file: string, options: JsonObject = {}) =>
      run(folder, [
        '--input-type=module',
        '-e',
        command,
        module('console'),
        module('import'),
        JSON.stringify({ file, ...options }),
      ]),
  };
}

const secrets = [
  'ghp_0123456789abcdefghijABCDEFGHIJ012345',
  'hunter2-hunter2',
  'sk-abcdefghijklmnop1234',
  'tok-1234567',
  'key-7654321',
  'url-password',
];

const mcp = {
  mcpServers: {
    github: {
      type: 'http',
      url: 'https://mcp.example.com/mcp?api_key=key-7654321&x=1',
      headers: { Authorization: 'Bearer hunter2-hunter2', 'X-Team': 'blue', 'X-Api-Key': '${TEAM_KEY}' },
    },
    local: {
      command: 'docker',
      args: ['run', '-e', 'API_TOKEN=tok-1234567', '--api-key', 'sk-abcdefghijklmnop1234', '-y'],
      env: { GITHUB_TOKEN: secrets[0], EMPTY_TOKEN: '', LEVEL: 'debug', HOST: '${HOST:-localhost}', MAX_TOKENS: 4096 },
      timeout: 5000,
      disabled: true,
      alwaysAllow: ['x'],
    },
    'other server': { url: 'https://me:url-password@old.example.com/sse', type: 'sse', headers: {} },
    again: { command: 'x', env: { GITHUB_TOKEN: 'another-secret-value' } },
  },
};

test('.mcp.json: entries in our format, references instead of secrets, and what to set', async (t) => {
  const { run: imports } = await stand(t, { '.mcp.json': mcp });
  const { code, stdout, stderr } = await imports('.mcp.json');
  t.is(code, 0, stderr);
  t.deepEqual(parse(stdout), {
    mcpServers: {
      github: {
        type: 'http',
        url: 'https://mcp.example.com/mcp?api_key=${env:GITHUB_API_KEY}&x=1',
        headers: { Authorization: 'Bearer ${env:GITHUB_TOKEN}', 'X-Team': 'blue', 'X-Api-Key': '${env:TEAM_KEY}' },
      },
      local: {
        command: 'docker',
        args: ['run', '-e', 'API_TOKEN=${env:LOCAL_API_TOKEN}', '--api-key', '${env:LOCAL_API_KEY}', '-y'],
        env: {
          GITHUB_TOKEN: '${env:LOCAL_GITHUB_TOKEN}',
          EMPTY_TOKEN: '${env:EMPTY_TOKEN}',
          LEVEL: 'debug',
          HOST: '${env:HOST:-localhost}',
          MAX_TOKENS: '4096',
        },
        timeout: 5000,
        disabled: true,
      },
      'other-server': { type: 'sse', url: 'https://me:${env:OTHER_SERVER_PASSWORD}@old.example.com/sse', headers: {} },
      again: { command: 'x', env: { GITHUB_TOKEN: '${env:AGAIN_GITHUB_TOKEN}' } },
    },
  });
  t.regex(stderr, /set GITHUB_TOKEN in the environment of the proxy; its value stands at \.mcp\.json:\d+:\d+/);
  t.regex(stderr, /set TEAM_KEY in the environment of the proxy\n/);
  t.notRegex(stderr, /set HOST/);
  t.regex(stderr, /other server: is called other-server now/);
  t.regex(stderr, /local: what its client approves/);
  for (const secret of secrets) t.false((stdout + stderr).includes(secret), secret);
  const json = await imports('.mcp.json', { json: true });
  const printed = JSON.parse(json.stdout) as {
    variables: { name: string; valueAt?: string }[];
    mcpServers: JsonObject;
  };
  t.deepEqual(printed.mcpServers, (parse(stdout) as typeof printed).mcpServers);
  t.regex(printed.variables.find(({ name }) => name === 'LOCAL_API_KEY')?.valueAt ?? '', /^\.mcp\.json:\d+:\d+$/);
  for (const secret of secrets) t.false(json.stdout.includes(secret), secret);
});

test('a value in which addresses would be looked for without end is kept whole, and is not printed', async (t) => {
  const HOSTS = `${'x://u:'.repeat(30_000)}long-word@h`;
  const { run: imports } = await stand(t, { '.mcp.json': { mcpServers: { db: { command: 'x', env: { HOSTS } } } } });
  const { code, stdout, stderr } = await imports('.mcp.json');
  t.is(code, 0, stderr);
  t.false((stdout + stderr).includes('long-word'));
  t.deepEqual(parse(stdout), { mcpServers: { db: { command: 'x', env: { HOSTS: '${env:HOSTS_ADDRESS}' } } } });
});

test('passwords in addresses become references wherever an address stands', async (t) => {
  const words = [
    'pw123456',
    'p@ss-word',
    'q-q-q-q',
    'env-secret',
    'mixed-one',
    'header-word',
    'srv-word',
    'user:80/80',
    'ss/w',
    'at-user-word',
    'list-word',
    '12/34',
    'rest-word',
  ];
  const args = [
    'postgres://u:pw123456@h/db',
    '--dsn=postgres://u:p@ss-word@h/db',
    'https://example.com/?api_key=q-q-q-q&x=1',
    'http://example.com:8080/@scope/x',
    'https://example.com/a@b',
    'redis://:user:80/80@h',
    'postgres://u:p@ss/w@rd@host/db',
    'postgres://me@example.com:at-user-word/x@h/db',
    'redis://a:list-word@h/1,redis://b:list-word@h/2',
    'redis://:12/34@h',
    'http://[::1]:8080/@scope/x',
    'oci://example.com:5000?tag=a@b',
    'postgres://${U}:rest-word@${H}/a@b',
  ];
  const env = {
    DATABASE_URL: 'mysql://root:env-secret@db.example.com:3306/shop',
    MIXED: 'postgres://u:mixed-one@${DB_HOST}/db',
    CLUSTER: 'mongodb+srv://u:srv-word@a.example.com,b.example.com/?retry=1',
    PLAIN: 'https://example.com/u:v',
  };
  const headers = { 'X-Back': 'http://u:header-word@h/' };
  const mcpServers = {
    db: { command: 'x', args, env },
    far: { type: 'http', url: 'https://example.com/mcp', headers },
  };
  const { run: imports } = await stand(t, { '.mcp.json': { mcpServers } });
  const { code, stdout, stderr } = await imports('.mcp.json');
  t.is(code, 0, stderr);
  for (const word of words) t.false((stdout + stderr).includes(word), word);
  t.deepEqual(parse(stdout), {
    mcpServers: {
      db: {
        command: 'x',
        args: [
          'postgres://u:${env:DB_PASSWORD}@h/db',
          '--dsn=postgres://u:${env:DB_PASSWORD_2}@h/db',
          'https://example.com/?api_key=${env:DB_API_KEY}&x=1',
          'http://example.com:8080/@scope/x',
          'https://example.com/a@b',
          'redis://:${env:DB_PASSWORD_3}@h',
          'postgres://u:${env:DB_PASSWORD_4}@host/db',
          'postgres://me@example.com:${env:DB_PASSWORD_5}@h/db',
          'redis://a:${env:DB_PASSWORD_6}@h/1,redis://b:${env:DB_PASSWORD_6}@h/2',
          'redis://:${env:DB_PASSWORD_7}@h',
          'http://[::1]:8080/@scope/x',
          'oci://example.com:5000?tag=a@b',
          'postgres://${env:U}:${env:DB_PASSWORD_8}@${env:H}/a@b',
        ],
        env: {
          DATABASE_URL: 'mysql://root:${env:DATABASE_URL_PASSWORD}@db.example.com:3306/shop',
          MIXED: 'postgres://u:${env:MIXED_PASSWORD}@${env:DB_HOST}/db',
          CLUSTER: 'mongodb+srv://u:${env:CLUSTER_PASSWORD}@a.example.com,b.example.com/?retry=1',
          PLAIN: 'https://example.com/u:v',
        },
      },
      far: { type: 'http', url: 'https://example.com/mcp', headers: { 'X-Back': 'http://u:${env:FAR_PASSWORD}@h/' } },
    },
  });
  t.regex(stderr, /set DATABASE_URL_PASSWORD in the environment of the proxy; its value stands at \.mcp\.json:\d+:\d+/);
});

test('servers-config.json of Toolman, in the forms that it has had', async (t) => {
  const { run: imports } = await stand(t, {
    'servers-config.json': {
      version: '2.0',
      servers: {
        memory: {
          name: 'Memory',
          description: 'x',
          transport: 'stdio',
          command: 'npx',
          args: ['-y', 'memory'],
          env: {},
          workingDirectory: 'project_root',
        },
        docs: {
          name: 'Docs',
          transport: 'http',
          url: 'http://docs.example.com/sse',
          command: '',
          args: [],
          env: {},
          enabled: true,
          executionContext: 'remote',
        },
        files: {
          command: 'npx',
          args: ['files'],
          enabled: false,
          alwaysActive: true,
          autoStart: false,
          workingDirectory: '/srv',
          tools: { read_file: { enabled: true }, write_file: { enabled: false } },
        },
        remote: {
          transport: {
            type: 'http',
            url: 'https://r.example.com',
            headers: { Authorization: 'Bearer ${GITHUB_TOKEN}' },
            timeout_ms: 30_000,
          },
          enabled: true,
        },
      },
    },
  });
  const { code, stdout, stderr } = await imports('servers-config.json');
  t.is(code, 0, stderr);
  t.deepEqual(parse(stdout), {
    mcpServers: {
      memory: { command: 'npx', args: ['-y', 'memory'], title: 'Memory' },
      docs: { type: 'sse', url: 'http://docs.example.com/sse', title: 'Docs' },
      files: { command: 'npx', args: ['files'], cwd: '/srv', disabled: true },
      remote: {
        type: 'http',
        url: 'https://r.example.com',
        headers: { Authorization: 'Bearer ${env:GITHUB_TOKEN}' },
        timeout: 30_000,
      },
    },
    tools: { deny: ['files:write_file'] },
  });
  t.regex(stderr, /files: all tools are shown that are not denied/);
});

test('client-config.json becomes the toolConfig of a task', async (t) => {
  const { run: imports } = await stand(t, {
    'client-config.json': {
      remoteTools: ['brave-search_brave_web_search', 'helmInstall'],
      localServers: {
        filesystem: {
          command: 'npx',
          args: ['-y', 'files', '/workspace'],
          tools: ['read_file'],
          workingDirectory: 'project_root',
        },
        github: { command: 'docker', args: [], tools: ['create_issue'], env: { GITHUB_PERSONAL_ACCESS_TOKEN: '' } },
        git: { enabled: false, tools: ['git_status'] },
      },
    },
    'plugboard.yaml': 'plugins: {http: {}}\n',
  });
  const { code, stdout, stderr } = await imports('client-config.json');
  t.is(code, 0, stderr);
  t.deepEqual(parse(stdout), {
    toolConfig: {
      mcpServers: [
        { name: 'filesystem', command: 'npx', args: ['-y', 'files', '/workspace'], tools: { allow: ['read_file'] } },
        {
          name: 'github',
          command: 'docker',
          args: [],
          env: { GITHUB_PERSONAL_ACCESS_TOKEN: '${env:GITHUB_PERSONAL_ACCESS_TOKEN}' },
          tools: { allow: ['create_issue'] },
        },
        { name: 'git', enabled: false, tools: { allow: ['git_status'] } },
      ],
      tools: { allow: ['brave-search_brave_web_search', '*:helmInstall'] },
    },
  });
  const refused = await imports('client-config.json', { write: true });
  t.is(refused.code, 2);
  t.regex(refused.stderr, /put the lines printed without --write into its TaskRun/);
});

test('unknown keys and what has no counterpart are refused with the place', async (t) => {
  const { run: imports } = await stand(t, {
    'a.json':
      '{\n  "mcpServers": {\n    "x": {\n      "command": "a",\n      "comand": "b"\n    }\n  },\n  "inputs": []\n}\n',
    'b.json': {
      servers: {
        x: { command: 'a', tools: { t: { enabled: true, hidden: 1 } } },
        y: { transport: { type: 'http', url: 'https://a', tls: {} } },
      },
    },
    'c.json': { remoteTools: [], localServers: { x: { args: ['a'] } }, more: 1 },
    'd.json': {
      mcpServers: {
        a: { command: '${workspaceFolder}/x' },
        b: { url: 'http://x', env: { A: 'b' } },
        c: {},
        'd-e': { command: 'x', cwd: '{{project_dir}}' },
        d_e: { command: 'y' },
        ' ': { command: 'z' },
      },
    },
    'e.json': '{"mcpServers": {"x": {"command": "a"}, "x": {"command": "b"}}}',
    'f.json': { tools: [] },
  });
  const cases: [string, JsonObject, number, RegExp[]][] = [
    [
      'a.json',
      {},
      1,
      [
        /a\.json:5:7: mcpServers\.x: unknown key "comand" \(known: .*; nearest: command\)/,
        /a\.json:8:3: unknown key "inputs"/,
      ],
    ],
    [
      'b.json',
      {},
      1,
      [/b\.json:\d+:\d+: servers\.x\.tools\.t: unknown key "hidden"/, /servers\.y\.transport: unknown key "tls"/],
    ],
    ['c.json', {}, 1, [/c\.json:\d+:\d+: unknown key "more" \(known: remoteTools, localServers/]],
    [
      'd.json',
      {},
      1,
      [
        /mcpServers\.a\.command: \$\{workspaceFolder\} is known to another program only/,
        /mcpServers\.b\.env: belongs to servers that are started/,
        /mcpServers\.c: needs either/,
        /mcpServers\.d-e\.cwd: holds a placeholder/,
        /mcpServers\.d_e: has the same name as "d-e"/,
        /mcpServers\[" "\]: must be a name/,
      ],
    ],
    ['e.json', {}, 1, [/e\.json:1:\d+: .*a second time/i]],
    ['f.json', {}, 1, [/f\.json: has none of the keys mcpServers, servers, remoteTools/]],
    ['f.json', { as: 'mcp' }, 1, [/unknown key "tools" \(known: mcpServers/]],
    ['f.json', { as: 'toml' }, 2, [/--as: there is no format "toml" \(known: mcp, servers-config, client-config\)/]],
    ['none.json', {}, 2, [/none\.json: there is no such file/]],
  ];
  for (const [file, options, code, patterns] of cases) {
    const result = await imports(file, options);
    t.is(result.code, code, `${file}: ${result.stderr}`);
    t.is(result.stdout, '');
    t.regex(result.stderr, code === 2 ? /^error USAGE: / : /^error INPUT_INVALID: /);
    for (const pattern of patterns) t.regex(result.stderr, pattern);
  }
});

const configuration = `# Ours.
plugins:
  http: {port: 8807} # the usual one
mcpServers:
  # Kept.
  old: {command: node, args: [old.js]}
tools:
  allow: ["old:*"] # nothing else
# The end.
`;

test('--write adds to the configuration, keeps its comments, and is valid for the proxy', async (t) => {
  const servers = {
    files: {
      command: process.execPath,
      env: { API_TOKEN: 'tok-1234567' },
      tools: { read: { enabled: true }, write: { enabled: false } },
    },
    whole: { command: process.execPath },
  };
  const {
    folder,
    run: imports,
    text,
  } = await stand(t, {
    'plugboard.yaml': configuration,
    'servers-config.json': { servers },
    'clash.json': { mcpServers: { fresh: { command: 'a' }, old: { command: 'another' } } },
    'alike.json': { mcpServers: { files: { command: process.execPath, env: { API_TOKEN: 'tok-1234567' } } } },
    'empty.yaml': '# Nothing yet.\nmcpServers:\n#  later: {}\n',
    'off.json': '{"plugins": {"http": {}, "upstream": false}}',
    'broken.yaml': 'plugin: {}\n',
  });
  const clash = await imports('clash.json', { write: true });
  t.is(clash.code, 1);
  t.regex(
    clash.stderr,
    /plugboard\.yaml:6:3: there is another server "old", which was left as it is\nnothing was written/,
  );
  t.is(await text('plugboard.yaml'), configuration);

  const written = await imports('servers-config.json', { write: true, json: true });
  t.is(written.code, 0, written.stdout);
  t.deepEqual((JSON.parse(written.stdout) as { added: string[] }).added, ['files', 'whole']);
  const merged = await text('plugboard.yaml');
  for (const comment of ['# Ours.', '# the usual one', '# Kept.', '# nothing else', '# The end.'])
    t.true(merged.includes(comment), comment);
  t.deepEqual(parse(merged), {
    plugins: { http: { port: 8807 } },
    mcpServers: {
      old: { command: 'node', args: ['old.js'] },
      files: { command: process.execPath, env: { API_TOKEN: '${env:API_TOKEN}' } },
      whole: { command: process.execPath },
    },
    tools: { allow: ['old:*', 'files:read', 'whole:*'], deny: ['files:write'] },
  });
  const again = await imports('alike.json', { write: true, json: true });
  t.deepEqual((JSON.parse(again.stdout) as { present: string[] }).present, ['files'], again.stderr);
  t.is(await text('plugboard.yaml'), merged);
  const doctor = await run(folder, [main, 'doctor', '--json'], { API_TOKEN: 'x' });
  const { checks = [] } = JSON.parse(doctor.stdout) as { checks?: { subject: string; result: string; text: string }[] };
  const judged = checks.filter(({ subject }) => /^(?:configuration|reference|plugin upstream|server)/.test(subject));
  t.true(judged.length >= 4, doctor.stdout + doctor.stderr);
  t.deepEqual(
    judged.filter(({ result }) => result === 'failure'),
    [],
  );

  t.is((await imports('alike.json', { write: true, config: 'empty.yaml' })).code, 0);
  t.regex(await text('empty.yaml'), /^# Nothing yet\.[^]*#\s+later[^]*files:/);
  const off = await imports('alike.json', { write: true, config: 'off.json' });
  t.regex(off.stderr, /plugins\.upstream is false/);
  t.deepEqual(Object.keys((JSON.parse(await text('off.json')) as { mcpServers: JsonObject }).mcpServers), ['files']);
  const broken = await imports('alike.json', { write: true, config: 'broken.yaml' });
  t.is(broken.code, 1);
  t.regex(broken.stderr, /broken\.yaml:1:1: unknown key "plugin"/);
  t.is(await text('broken.yaml'), 'plugin: {}\n');
  t.regex((await imports('alike.json', { write: true, config: 'none.yaml' })).stderr, /CONFIG_NOT_FOUND/);
});
