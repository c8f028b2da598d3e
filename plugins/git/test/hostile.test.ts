// Repositories that bring programs along, and ways out of the root. For each of them: git as anybody runs it falls into
// the trap, the plugin does not.
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import {
  folders,
  git,
  gitTest as test,
  mustGit,
  serialGitTest as serialTest,
  open,
  plainEnv,
  repository,
  trap,
  write,
} from './stand.ts';
import type { Client, Trap } from './stand.ts';

/** Every tool, with arguments that make it go as far as it can. */
const everything: [string, JsonObject][] = [
  ['git_status', {}],
  ['git_diff_unstaged', {}],
  ['git_diff', { target: 'feature' }],
  ['git_diff', { target: 'feature...main' }],
  ['git_add', { files: ['.'] }],
  ['git_diff_staged', {}],
  ['git_log', {}],
  ['git_show', { revision: 'HEAD' }],
  ['git_show', { revision: 'HEAD', path: 'a.txt' }],
  ['git_blame', { path: 'a.txt' }],
  ['git_branch', { branch_type: 'all' }],
  ['git_reset', {}],
  ['git_add', { files: ['a.txt'] }],
  ['git_commit', { message: 'By the tool' }],
  ['git_create_branch', { branch_name: 'made' }],
  ['git_checkout', { branch_name: 'feature' }],
  ['git_checkout', { branch_name: 'made' }],
  ['git_worktree_add', { path: 'wt', branch_name: 'of-wt', base_branch: 'feature' }],
  ['git_status', { repo_path: 'wt' }],
  ['git_worktree_list', {}],
  ['git_worktree_remove', { path: 'wt', force: true }],
];

async function callAll(client: Client, repo_path: string): Promise<Map<string, string>> {
  const failed = new Map<string, string>();
  for (const [tool, args] of everything) {
    const { isError, text } = await client.call(tool, { repo_path, ...args });
    if (isError) failed.set(`${tool} ${JSON.stringify(args)}`, text);
  }
  return failed;
}

interface Snare {
  /** Sets the trap in a repository. */
  readonly set: (repo: string, snare: Trap, outside: string) => void;
  /** What anybody would do there, and run the trap by that. */
  readonly spring: (repo: string) => void;
  /** Tools that may be refused. */
  readonly refused?: RegExp;
}

const config = (repo: string, ...args: string[]) => mustGit(repo, 'config', ...args);

/** A blob that is not there and that would be fetched with the next look at it. */
function promise(repo: string, url: string, ...more: [string, string][]): void {
  for (const [key, value] of [
    ['core.repositoryformatversion', '1'],
    ['extensions.partialClone', 'origin'],
    ['remote.origin.url', url],
    ['remote.origin.promisor', 'true'],
    ['remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*'],
    ...more,
  ] as const)
    config(repo, key, value);
  const blob = mustGit(repo, 'rev-parse', 'feature:a.txt');
  rmSync(join(repo, '.git/objects', blob.slice(0, 2), blob.slice(2)));
}

const missing = /git_(?:diff|show|blame|checkout|worktree_\w+|status)/;

const snares: Record<string, Snare> = {
  hooks: {
    set: (repo, { program }) => {
      const names =
        'pre-commit prepare-commit-msg commit-msg post-commit post-checkout post-index-change reference-transaction';
      for (const name of `${names} post-rewrite pre-auto-gc post-merge`.split(' ')) {
        writeFileSync(join(repo, '.git/hooks', name), readFileSync(program));
        chmodSync(join(repo, '.git/hooks', name), 0o755);
      }
    },
    spring: (repo) => git(repo, 'commit', '--allow-empty', '-m', 'x'),
  },
  'core.hooksPath': {
    set: (repo, { program }) => {
      write(repo, {
        'traps/post-checkout': readFileSync(program, 'utf8'),
        'traps/pre-commit': readFileSync(program, 'utf8'),
      });
      for (const name of ['post-checkout', 'pre-commit']) chmodSync(join(repo, 'traps', name), 0o755);
      config(repo, 'core.hooksPath', join(repo, 'traps'));
    },
    spring: (repo) => git(repo, 'checkout', '-b', 'another'),
  },
  'core.fsmonitor': {
    set: (repo, { program }) => config(repo, 'core.fsmonitor', program),
    spring: (repo) => git(repo, 'status'),
  },
  'clean filter': {
    set: (repo, { program }) => {
      config(repo, 'filter.trap.clean', program);
      write(repo, { '.gitattributes': 'a.txt filter=trap\n' });
    },
    spring: (repo) => git(repo, 'add', 'a.txt'),
    refused: /git_add|git_commit|git_checkout/,
  },
  'smudge filter by .git/info/attributes': {
    set: (repo, { program }) => {
      config(repo, 'filter.trap.smudge', program);
      config(repo, 'filter.trap.required', 'true');
      // With nothing changed, it can be checked out.
      write(repo, { '.git/info/attributes': '* filter=trap\n', 'a.txt': 'one\ntwo\n' });
    },
    spring: (repo) => {
      rmSync(join(repo, 'a.txt'));
      git(repo, 'checkout', 'a.txt');
    },
    refused: /git_add|git_commit/,
  },
  'filter process': {
    set: (repo, { program }) => {
      config(repo, 'filter.trap.process', program);
      write(repo, { '.gitattributes': '* filter=trap\n' });
    },
    spring: (repo) => git(repo, 'add', 'a.txt'),
    refused: /git_add|git_commit|git_checkout/,
  },
  'diff.external': {
    set: (repo, { program }) => config(repo, 'diff.external', program),
    spring: (repo) => git(repo, 'diff'),
  },
  'diff driver': {
    set: (repo, { program }) => {
      config(repo, 'diff.trap.command', program);
      write(repo, { '.gitattributes': '* diff=trap\n' });
    },
    spring: (repo) => git(repo, 'diff'),
  },
  textconv: {
    set: (repo, { program }) => {
      config(repo, 'diff.trap.textconv', program);
      config(repo, 'diff.trap.cachetextconv', 'true');
      write(repo, { '.gitattributes': '* diff=trap\n' });
    },
    spring: (repo) => git(repo, 'blame', 'a.txt'),
  },
  'gpg.program': {
    set: (repo, { program }) => {
      for (const key of ['gpg.program', 'gpg.ssh.program', 'gpg.x509.program']) config(repo, key, program);
      config(repo, 'commit.gpgSign', 'true');
      config(repo, 'log.showSignature', 'true');
    },
    spring: (repo) => git(repo, 'commit', '--allow-empty', '-m', 'x'),
  },
  'core.editor': {
    set: (repo, { program }) => config(repo, 'core.editor', program),
    spring: (repo) => git(repo, 'commit', '--allow-empty'),
  },
  'include.path': {
    set: (repo, { program }, outside) => {
      write(outside, { 'more.config': `[core]\n\tfsmonitor = ${program}\n` });
      config(repo, 'include.path', join(outside, 'more.config'));
    },
    spring: (repo) => git(repo, 'status'),
  },
  includeIf: {
    set: (repo, { program }) => {
      write(repo, { '.git/more.config': `[core]\n\tfsmonitor = ${program}\n` });
      config(repo, `includeIf.gitdir:${repo}/.path`, 'more.config');
    },
    spring: (repo) => git(repo, 'status'),
  },
  'config of the worktree': {
    set: (repo, { program }) => {
      config(repo, 'core.repositoryformatversion', '1');
      config(repo, 'extensions.worktreeConfig', 'true');
      config(repo, '--worktree', 'core.fsmonitor', program);
    },
    spring: (repo) => git(repo, 'status'),
  },
  'a submodule’s own filter': {
    set: (repo, { program }) => {
      const sub = repository(join(repo, 'sub'));
      mustGit(repo, 'add', 'sub');
      mustGit(repo, 'commit', '--quiet', '-m', 'sub');
      config(sub, 'filter.trap.clean', program);
      write(sub, { '.gitattributes': '* filter=trap\n', 'a.txt': 'one\ntwx\n' });
      utimesSync(join(sub, 'a.txt'), 1, 1);
    },
    spring: (repo) => git(repo, 'status'),
  },
  'a submodule’s fsmonitor': {
    set: (repo, { program }) => {
      const sub = repository(join(repo, 'sub'));
      mustGit(repo, 'add', 'sub');
      mustGit(repo, 'commit', '--quiet', '-m', 'sub');
      config(sub, 'core.fsmonitor', program);
      write(repo, { '.gitmodules': '[submodule "sub"]\n\tpath = sub\n\turl = ./sub\n\tignore = none\n' });
      config(repo, 'diff.ignoreSubmodules', 'none');
      config(repo, 'status.submoduleSummary', 'true');
    },
    spring: (repo) => git(repo, 'status'),
  },
  'ext:: of a promisor': {
    set: (repo, { program }) =>
      promise(repo, `ext::${program}`, ['protocol.ext.allow', 'always'], ['protocol.allow', 'always']),
    spring: (repo) => git(repo, 'show', 'feature:a.txt'),
    refused: missing,
  },
  'core.sshCommand of a promisor': {
    set: (repo, { program }) => promise(repo, 'ssh://nowhere.invalid/x', ['core.sshCommand', program]),
    spring: (repo) => git(repo, 'show', 'feature:a.txt'),
    refused: missing,
  },
  'uploadpack of a promisor': {
    set: (repo, { program }, outside) => {
      repository(join(outside, 'other'));
      promise(repo, `file://${join(outside, 'other')}`, ['remote.origin.uploadpack', program]);
    },
    spring: (repo) => git(repo, 'show', 'feature:a.txt'),
    refused: missing,
  },
};

for (const [name, { set, spring, refused }] of Object.entries(snares)) {
  test(`not run: ${name}`, async (t) => {
    t.timeout(300_000);
    const { root, outside } = folders(t);
    const repo = repository(join(root, 'repo'));
    // Another size would show without a look into the file.
    write(repo, { 'a.txt': 'one\ntwx\n' });
    const snare = trap(outside);
    set(repo, snare, outside);
    snare.sprung();
    const client = await open(t, root);
    const failed = await callAll(client, 'repo');
    t.false(snare.sprung(), 'the plugin ran it');
    for (const [tool, text] of failed) t.true(refused?.test(tool) === true, `${tool}: ${text}`);
    write(repo, { 'a.txt': 'one\ntwy\n' });
    spring(repo);
    t.true(snare.sprung(), 'the trap works');
  });
}

serialTest('not run: what the environment and the home of the proxy ask for', async (t) => {
  t.timeout(300_000);
  const { root, outside } = folders(t);
  const repo = repository(join(root, 'repo'));
  write(repo, { 'a.txt': 'one\ntwx\n' });
  const { program, sprung } = trap(outside);
  write(outside, { '.gitconfig': `[core]\n\tfsmonitor = ${program}\n` });
  const set = {
    GIT_EXTERNAL_DIFF: program,
    HOME: outside,
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'core.fsmonitor',
    GIT_CONFIG_VALUE_0: program,
  };
  Object.assign(process.env, set);
  t.teardown(() => {
    for (const key of Object.keys(set)) delete process.env[key];
  });
  const failed = await callAll(await open(t, root), 'repo');
  t.deepEqual([...failed], []);
  t.false(sprung());
  const { spawnSync } = await import('node:child_process');
  spawnSync('git', ['status'], { cwd: repo, env: { ...plainEnv(outside), HOME: outside } });
  t.true(sprung(), 'the trap works');
});

test('not run: what is written into the configuration while the tools are at work', async (t) => {
  t.timeout(300_000);
  const { root, outside } = folders(t);
  const repo = repository(join(root, 'repo'));
  write(repo, { 'a.txt': 'one\ntwx\n' });
  const { program, sprung } = trap(outside);
  const file = join(repo, '.git/config');
  const good = readFileSync(file, 'utf8');
  const bad = `${good}[core]\n\tfsmonitor = ${program}\n[diff]\n\texternal = ${program}\n`;
  const client = await open(t, root);
  let round = 0;
  const timer = setInterval(() => {
    round += 1;
    writeFileSync(file, round % 2 === 0 ? good : bad);
  }, 1);
  t.teardown(() => clearInterval(timer));
  for (let count = 0; count < 15; count += 1) await client.call('git_diff_unstaged', { repo_path: 'repo' });
  clearInterval(timer);
  t.true(round > 15);
  t.false(sprung());
  writeFileSync(file, bad);
  git(repo, 'status');
  t.true(sprung(), 'the trap works');
});

test('arguments are never options, commands or patterns', async (t) => {
  t.timeout(600_000);
  const { root } = folders(t);
  const repo = repository(join(root, 'repo'));
  const mark = join(root, 'mark');
  const words = [
    `--output=${mark}`,
    `-o${mark}`,
    `--exec=touch ${mark}`,
    `--upload-pack=touch ${mark}`,
    `--open-files-in-pager=touch ${mark}`,
    `-c core.fsmonitor=touch ${mark}`,
    '--ext-diff',
    '--no-index',
    '--help',
    '-',
    '--',
    '--end-of-options',
    `$(touch ${mark})`,
    `\`touch ${mark}\``,
    `; touch ${mark}`,
    `| touch ${mark}`,
    `HEAD\n--output=${mark}`,
    `HEAD..--output=${mark}`,
    `--output=${mark}..HEAD`,
    `ext::sh -c "touch ${mark}"`,
  ];
  const client = await open(t, root);
  const before = mustGit(repo, 'for-each-ref');
  for (const word of words) {
    const tried: [string, JsonObject][] = [
      ['git_status', { repo_path: word }],
      ['git_diff', { target: word }],
      ['git_diff_unstaged', { paths: [word] }],
      ['git_log', { revision: word }],
      ['git_log', { path: word, start_timestamp: word, end_timestamp: word }],
      ['git_show', { revision: word }],
      ['git_show', { revision: 'HEAD', path: word }],
      ['git_blame', { path: word }],
      ['git_blame', { path: 'a.txt', revision: word }],
      ['git_branch', { contains: word }],
      ['git_branch', { not_contains: word }],
      ['git_add', { files: [word] }],
      ['git_create_branch', { branch_name: word }],
      ['git_create_branch', { branch_name: 'new', base_branch: word }],
      ['git_checkout', { branch_name: word }],
      ['git_worktree_add', { path: 'wt', branch_name: word, base_branch: 'HEAD' }],
      ['git_worktree_add', { path: 'wt', branch_name: 'new', base_branch: word }],
      ['git_worktree_remove', { path: word }],
    ];
    for (const [tool, args] of tried) {
      const { text, isError } = await client.call(tool, { repo_path: 'repo', ...args });
      t.false(existsSync(mark), `${tool} ${JSON.stringify(args)}`);
      const harmless = tool === 'git_diff_unstaged' || (tool === 'git_log' && 'path' in args);
      t.true(isError || harmless, `${tool} ${JSON.stringify(args)}: ${text}`);
    }
  }
  t.is(mustGit(repo, 'for-each-ref'), before);
  t.deepEqual(readdirSync(root), ['repo']);
  git(repo, 'diff', `--output=${mark}`);
  t.true(existsSync(mark), 'the trap works');
});

test('paths stay below the root, and in the repository', async (t) => {
  const { root, outside } = folders(t);
  const repo = repository(join(root, 'repo'));
  repository(join(outside, 'other'));
  // The root lies within a repository itself, which is none of its business.
  mustGit(dirname(root), 'init', '--quiet');
  symlinkSync(outside, join(root, 'link'));
  symlinkSync(join(outside, 'other'), join(repo, 'inner'));
  writeFileSync(join(outside, 'secret.txt'), 'the secret');
  symlinkSync(join(outside, 'secret.txt'), join(repo, 'pointer'));
  const client = await open(t, root);
  for (const repo_path of [
    '../outside/other',
    join(outside, 'other'),
    'link/other',
    'repo/inner',
    '..',
    '/',
    'repo/../../outside/other',
    '\0',
  ])
    t.regex(await client.refused('git_status', { repo_path }), /outside of the root|NUL/, repo_path);
  t.regex(await client.refused('git_status'), /no git repository at \., .* repo_path could be: repo/);
  for (const path of ['../outside/secret.txt', join(outside, 'secret.txt'), '..', '.git/config', '.GIT/config', '']) {
    t.true((await client.call('git_add', { repo_path: 'repo', files: [path] })).isError, path);
    t.true((await client.call('git_blame', { repo_path: 'repo', path })).isError, path);
    t.true((await client.call('git_diff_unstaged', { repo_path: 'repo', paths: [path] })).isError, path);
  }
  // A link is staged as a link; nothing behind it is.
  t.true((await client.call('git_add', { repo_path: 'repo', files: ['inner/a.txt'] })).isError);
  t.deepEqual((await client.result('git_add', { repo_path: 'repo', files: ['pointer'] }))['staged'], ['pointer']);
  const shown = await client.call('git_diff_staged', { repo_path: 'repo' });
  t.true(shown.text.includes(outside) && !shown.text.includes('the secret'));
  for (const path of ['../outside/wt', join(outside, 'wt'), 'link/wt', 'repo/.git/wt', '.', 'repo/inner/wt'])
    t.true(
      (await client.call('git_worktree_add', { repo_path: 'repo', path, branch_name: 'w', base_branch: 'HEAD' }))
        .isError,
      path,
    );
  t.deepEqual(readdirSync(outside).toSorted(), ['other', 'secret.txt']);
  t.is(git(repo, 'branch', '--list', 'w'), '');
  // A worktree that somebody made outside: not shown where, not removed.
  mustGit(repo, 'worktree', 'add', '--quiet', join(outside, 'far'), 'feature');
  const list = (await client.result('git_worktree_list', { repo_path: 'repo' }))['worktrees'] as JsonObject[];
  t.deepEqual(list[1], { branch: 'feature', main: false, locked: false, missing: false });
  t.true(
    (await client.call('git_worktree_remove', { repo_path: 'repo', path: join(outside, 'far'), force: true })).isError,
  );
  t.true(existsSync(join(outside, 'far/a.txt')));
});

test('repositories whose parts lie elsewhere are refused', async (t) => {
  t.timeout(300_000);
  const { root, outside } = folders(t);
  const other = repository(join(outside, 'other'));
  write(other, { 'secret.txt': 'the secret' });
  mustGit(other, 'add', '.');
  mustGit(other, 'commit', '--quiet', '-m', 'the secret commit');
  const secret = mustGit(other, 'rev-parse', 'HEAD');
  const link = (name: string) => (repo: string) => {
    rmSync(join(repo, '.git', name), { recursive: true, force: true });
    symlinkSync(join(other, '.git', name), join(repo, '.git', name));
  };
  const cases: Record<string, [(repo: string) => void, RegExp]> = {
    'a .git file': [
      (repo) => {
        rmSync(join(repo, '.git'), { recursive: true });
        writeFileSync(join(repo, '.git'), `gitdir: ${join(other, '.git')}\n`);
      },
      /\.git leads outside of the root/,
    ],
    'a .git link': [
      (repo) => {
        rmSync(join(repo, '.git'), { recursive: true });
        symlinkSync(join(other, '.git'), join(repo, '.git'));
      },
      /\.git is a symbolic link/,
    ],
    commondir: [
      (repo) => write(repo, { '.git/commondir': `${join(other, '.git')}\n` }),
      /commondir leads outside of the root/,
    ],
    alternates: [
      (repo) =>
        write(repo, {
          '.git/objects/info/alternates': `${join(other, '.git/objects')}\n`,
          '.git/refs/heads/main': `${secret}\n`,
        }),
      /borrows objects of another repository/,
    ],
    objects: [link('objects'), /is a symbolic link/],
    refs: [link('refs'), /is a symbolic link/],
    HEAD: [link('HEAD'), /is a symbolic link/],
    index: [link('index'), /is a symbolic link/],
    config: [link('config'), /is a symbolic link/],
    'packs alone': [
      (repo) => {
        rmSync(join(repo, '.git/objects/pack'), { recursive: true });
        symlinkSync(join(other, '.git/objects/pack'), join(repo, '.git/objects/pack'));
      },
      /is a symbolic link/,
    ],
    'one branch': [
      (repo) => symlinkSync(join(other, '.git/refs/heads/main'), join(repo, '.git/refs/heads/x')),
      /is a symbolic link/,
    ],
    'a pipe': [
      (repo) => {
        rmSync(join(repo, '.git/HEAD'));
        mkfifo(join(repo, '.git/HEAD'));
      },
      /is a pipe or a device/,
    ],
    'a long pointer': [
      (repo) => {
        rmSync(join(repo, '.git'), { recursive: true });
        writeFileSync(join(repo, '.git'), `gitdir: ${'x'.repeat(100_000)}`);
      },
      /is not what git writes there/,
    ],
  };
  const { spawnSync } = await import('node:child_process');
  const mkfifo = (path: string) => spawnSync('mkfifo', [path]);
  const client = await open(t, root);
  for (const [name, [spoil, words]] of Object.entries(cases)) {
    const repo = repository(join(root, 'repo'));
    spoil(repo);
    for (const tool of ['git_status', 'git_log', 'git_reset'])
      t.regex(await client.refused(tool, { repo_path: 'repo' }), words, `${name}: ${tool}`);
    rmSync(repo, { recursive: true });
  }
  t.is(mustGit(other, 'status', '--short'), '');
});

test('objects of elsewhere are not read, even when their list is written a moment after the look', async (t) => {
  const { root, outside } = folders(t);
  const other = repository(join(outside, 'other'));
  write(other, { 'secret.txt': 'the secret' });
  mustGit(other, 'add', '.');
  mustGit(other, 'commit', '--quiet', '-m', 'the secret commit');
  const secret = mustGit(other, 'rev-parse', 'HEAD');
  const repo = repository(join(root, 'repo'));
  const list = join(repo, '.git/objects/info/alternates');
  const { wrapper } = slowGit(
    outside,
    `mkdir -p '${dirname(list)}'; echo '${join(other, '.git/objects')}' > '${list}'`,
  );
  const client = await open(t, root, { program: wrapper });
  const text = await client.refused('git_show', { repo_path: 'repo', revision: secret });
  t.regex(text, /names no commit here/);
  t.true(existsSync(list));
  t.regex(mustGit(repo, 'show', secret), /the secret/, 'the trap works');
});

/** A program that does something and then is git: stands for whoever acts between a check and its use. */
function slowGit(folder: string, first: string): { wrapper: string } {
  const wrapper = join(folder, 'wrapper.sh');
  const real = (process.env['PATH'] ?? '').split(':').find((each) => existsSync(join(each, 'git'))) ?? '';
  writeFileSync(wrapper, `#!/bin/sh\nPATH=/usr/bin:/bin\n${first}\nexec '${join(real, 'git')}' "$@"\n`);
  chmodSync(wrapper, 0o755);
  return { wrapper };
}

test('core.worktree and bare repositories in disguise lead nowhere else', async (t) => {
  const { root, outside } = folders(t);
  writeFileSync(join(outside, 'secret.txt'), 'the secret');
  const repo = repository(join(root, 'repo'));
  mustGit(repo, 'config', 'core.worktree', outside);
  const client = await open(t, root);
  t.regex(mustGit(repo, 'status', '--short'), /secret\.txt/, 'the trap works');
  t.deepEqual((await client.result('git_status', { repo_path: 'repo' }))['untracked'], []);
  t.true((await client.call('git_add', { repo_path: 'repo', files: ['secret.txt'] })).isError);
  await client.result('git_checkout', { repo_path: 'repo', branch_name: 'feature' });
  t.deepEqual(readdirSync(outside), ['secret.txt']);
  // A folder that looks like the inside of a repository is a folder.
  const { program, sprung } = trap(outside);
  const innocent = repository(join(root, 'innocent'));
  const bare = join(innocent, 'bare');
  mustGit(innocent, 'init', '--quiet', '--bare', 'bare');
  config(bare, 'core.bare', 'false');
  config(bare, 'core.worktree', '.');
  mustGit(bare, 'add', 'description');
  config(bare, 'core.fsmonitor', program);
  t.like(await client.result('git_status', { repo_path: 'innocent/bare' }), { branch: 'main', untracked: ['bare/'] });
  t.false(sprung());
  git(bare, 'status');
  t.true(sprung(), 'the trap works');
});

test('files that need a filter and repositories within are not staged', async (t) => {
  const { root } = folders(t);
  const repo = repository(join(root, 'repo'));
  const repo_path = 'repo';
  write(repo, {
    '.gitattributes': 'secrets/* filter=git-crypt\n*.psd filter=lfs\n',
    'secrets/key': 'in clear text',
    'plain.txt': 'x',
  });
  const sub = repository(join(repo, 'nested'));
  const client = await open(t, root);
  t.regex(
    await client.refused('git_add', { repo_path, files: ['.'] }),
    /nothing was staged: filters are not run .*secrets\/key \(filter git-crypt\)/,
  );
  t.is(mustGit(repo, 'diff', '--cached', '--name-only'), '');
  rmSync(join(repo, 'secrets'), { recursive: true });
  const { staged, notes } = await client.result('git_add', { repo_path, files: ['.'] });
  t.deepEqual(staged, ['.gitattributes', 'plain.txt']);
  t.deepEqual(notes, ['Left out, because they are repositories of their own: nested/']);
  t.regex(
    await client.refused('git_add', { repo_path, files: ['nested'] }),
    /repositories of their own: use repo_path/,
  );
  t.true((await client.call('git_add', { repo_path, files: ['nested/a.txt'] })).isError);
  t.is(mustGit(repo, 'ls-files', '--stage', 'nested'), '');
  // Known to the outer one: neither looked into nor changed.
  mustGit(repo, 'add', 'nested');
  mustGit(repo, 'commit', '--quiet', '-m', 'With a repository');
  const before = mustGit(repo, 'ls-files', '--stage', 'nested');
  write(sub, { 'a.txt': 'changed\n' });
  mustGit(sub, 'commit', '--quiet', '-a', '-m', 'Moved on');
  write(repo, { 'plain.txt': 'y' });
  t.deepEqual((await client.result('git_add', { repo_path, files: ['.'] }))['staged'], ['plain.txt']);
  t.is(mustGit(repo, 'ls-files', '--stage', 'nested'), before);
  t.deepEqual((await client.result('git_status', { repo_path: 'repo/nested' }))['branch'], 'main');
  mustGit(repo, 'config', 'filter.lfs.clean', 'cat');
  t.true(
    (await client.call('git_status', { repo_path })).text.includes('[Filters of this repository are not run (lfs)'),
  );
});

test('a lock, too much output, too little time, a program that is not there: each is explained', async (t: ExecutionContext) => {
  t.timeout(300_000);
  const { root, outside } = folders(t);
  const repo = repository(join(root, 'repo'));
  const repo_path = 'repo';
  write(repo, { 'a.txt': 'x\n', 'big.txt': 'line of text\n'.repeat(20_000) });
  const client = await open(t, root, { maxOutput: 5000 });
  writeFileSync(join(repo, '.git/index.lock'), '');
  t.regex(
    await client.refused('git_add', { repo_path, files: ['a.txt'] }),
    /^another git is at work in this repository, .* delete repo\/\.git\/index\.lock$/,
  );
  // Reading needs no lock.
  t.is((await client.result('git_status', { repo_path }))['branch'], 'main');
  rmSync(join(repo, '.git/index.lock'));
  await client.result('git_add', { repo_path, files: ['.'] });
  const cut = await client.result('git_diff_staged', { repo_path });
  t.true(String(cut['diff']).length <= 5000 && String(cut['diff']).endsWith('\n'));
  t.regex(String((cut['notes'] as string[])[0]), /cut off \(option maxOutput\): name paths/);
  await client.result('git_commit', { repo_path, message: 'big' });
  const blamed = await client.result('git_blame', { repo_path, path: 'big.txt' });
  const next = Number(/start_line (\d+)/.exec(String((blamed['notes'] as string[])[0]))?.[1]);
  t.regex(
    String(
      (await client.result('git_blame', { repo_path, path: 'big.txt', start_line: next, end_line: next }))['lines'],
    ),
    new RegExp(` ${next}\\) line of text\\n$`),
  );

  const pid = join(outside, 'pid');
  const { wrapper } = slowGit(outside, `case "$*" in *status*) echo $$ > '${pid}'; exec sleep 600;; esac`);
  const slow = await open(t, root, { program: wrapper, timeout: 3000 });
  t.regex(await slow.refused('git_status', { repo_path }), /git took longer than 3000 ms \(option timeout\)/);
  t.throws(() => process.kill(Number(readFileSync(pid, 'utf8')), 0), { code: 'ESRCH' });
  rmSync(pid);
  const patient = await open(t, root, { program: wrapper });
  const call = patient.send('git_status', { repo_path });
  while (!existsSync(pid) || readFileSync(pid, 'utf8') === '') await new Promise((resolve) => setTimeout(resolve, 20));
  call.cancel({ kind: 'client', message: 'given up' });
  await patient.close();
  t.throws(() => process.kill(Number(readFileSync(pid, 'utf8')), 0), { code: 'ESRCH' });
  await call.answer.catch(() => {});
  const without = await open(t, root, { program: 'git-that-is-not-there' });
  t.regex(
    await without.refused('git_status', { repo_path }),
    /git-that-is-not-there is not there: install git \(Debian: apt-get install git\)/,
  );
});

test('blame reads nothing through a link in the working tree', async (t) => {
  const { root, outside } = folders(t);
  const repo = repository(join(root, 'repo'));
  write(outside, { 'b.txt': 'outside-secret\n' });
  // HEAD has a folder where the working tree has a link.
  mustGit(repo, 'rm', '-r', '--quiet', '--cached', 'folder');
  mustGit(repo, 'reset', '--quiet');
  mustGit(repo, 'mv', 'folder', 'kept');
  mustGit(repo, 'reset', '--quiet');
  symlinkSync(outside, join(repo, 'folder'));
  t.regex(mustGit(repo, 'blame', '--', 'folder/b.txt'), /outside-secret/);
  const client = await open(t, root);
  const { text } = await client.call('git_blame', { repo_path: 'repo', path: 'folder/b.txt' });
  t.false(text.includes('outside-secret'), text);
});
