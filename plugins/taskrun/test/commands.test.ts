// Command lines against the rules of `Bash(…)`: what dodges them, what does not, and what a real shell makes of the lines.
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { decide } from '../src/render/internal-tools.ts';

const bash = (command: string) => ({ tool_name: 'Bash', tool_input: { command } });

const rules = (allow: string[], deny: string[] = []) => ({ allow, deny });

test('a denied command is not dodged by how it is written', (t) => {
  const dodges = [
    'rm x',
    'rm',
    '/bin/rm x',
    './rm x',
    '../../bin/rm x',
    'RM x',
    '\\rm x',
    'r\\m x',
    '"rm" x',
    "r'm' x",
    'r""m x',
    'r\\\nm x',
    'foo; rm x',
    'foo && rm x',
    'foo || rm x',
    'foo | rm x',
    'foo & rm x',
    'foo\nrm x',
    'rm -rf x && echo',
    '(rm x)',
    '((rm x))',
    '{ rm x; }',
    '! rm x',
    'if true; then rm x; fi',
    'for i in a b; do rm $i; done',
    'while rm x; do :; done',
    'case a in a) rm x;; esac',
    'f() { rm x; }; f',
    'function f { rm x; }; f',
    'echo $(rm x)',
    'echo "$(rm x)"',
    'echo `rm x`',
    'echo "a `rm x`"',
    'cat <(rm x)',
    'tee >(rm x)',
    'X=$(rm x)',
    'echo ${X:-$(rm x)}',
    'echo $((`rm x`))',
    'FOO=1 rm x',
    'FOO="a b" BAR=$X rm x',
    '>out rm x',
    '2>&1 rm x',
    '<in rm x',
    'X=rm; $X y',
    '${X} y',
    "$'rm' y",
    "$'\\x72m' y",
    '$(echo rm) y',
    '/bin/r? y',
    '/bin/[r]m y',
    '{rm,y}',
    '=rm y',
    'cat <<E\n$(rm x)\nE',
    'cat <<E\n`rm x`\nE',
    'cat <<E\nE\nrm x',
    "cat <<'E'\n E\nE\nrm x",
    'cat <<-E\n\tE\nrm x',
    'echo "a\nb"\nrm x',
    'echo # \\\nrm x',
    "echo 'a'\\''b'; rm x",
    'sudo rm x',
    'sudo -u a rm x',
    'env rm x',
    'env A=b rm x',
    'command rm x',
    'builtin command rm x',
    'exec rm x',
    'nohup rm x',
    'time -p rm x',
    'timeout 5 rm x',
    'nice -n 5 rm x',
    'xargs rm',
    'ls | xargs -0 rm',
    'find . -exec rm {} +',
    'busybox rm x',
    'noglob rm x',
    '- rm x',
    "sh -c 'rm x'",
    'bash -lc "rm x"',
    "bash -o pipefail -c 'foo; rm x'",
    'sh -c \'r""m x\'',
    'sh -c "$X"',
    "sudo sh -c 'r\\m x'",
    'echo cm0geA== | base64 -d | sh',
    'bash <<< "rm x"',
    'bash <<E\nrm x\nE',
    'bash -s',
    'sh < file',
    'eval rm x',
    "eval 'r''m' x",
    'eval "$X"',
    'source <(echo rm x)',
    '. $X',
    'alias a=rm; a x',
    "trap 'rm x' EXIT",
    'coproc rm x',
    'hash -p /bin/rm a; a x',
    'sudo $X y',
    "su -c 'rm x'",
    'ssh host \'r"m" x\'',
    'python3 -c \'import os; os.system("rm x")\'',
    "git -c alias.a='!rm x' a",
    'git bisect run rm x',
    "git submodule foreach 'rm x'",
    'npm exec -- rm x',
    "watch 'rm x'",
    'echo x | parallel rm',
    'echo "unclosed; rm x',
    'echo $[`rm x`]',
    'a=(1 2); rm x',
    'echo \u0001; rm x',
    'rm\tx',
    '\trm x',
    'foo;rm x',
    'foo&&rm x',
    'foo|rm x',
    '$(rm x)',
    'foo <<<x; rm y',
  ];
  for (const command of dodges) {
    for (const tool_name of ['Bash', 'Monitor']) {
      const { decision, reason } = decide(rules(['*', 'Bash', 'Bash(echo:*)'], ['Bash(rm:*)']), {
        tool_name,
        tool_input: { command },
      });
      t.not(decision, 'allow', command);
      t.regex(reason, /Bash\(rm:\*\)/, command);
    }
    t.not(decide(rules(['Bash(echo:*)', 'Bash(foo:*)']), bash(command)).decision, 'allow', command);
  }
  const harmless = [
    'rmdir x',
    'git rm x',
    'npm run rm',
    'echo rm',
    'grep -r "rm " src',
    'ls -la | sort | head',
    'git commit -m "rm the old files"',
    'docker run --rm image',
    'man rm',
    'cd a && npm test',
    'FOO=1 npm test',
    'echo "$HOME" $X',
    'cat <<E\nrm x\nE',
    "git commit -m \"$(cat <<'E'\nIt's about $X and rm\nE\n)\"",
    'command -v rm',
    'node test/rm.js',
    'if [ -f a ]; then cat a; fi',
    'for i in *.ts; do wc "$i"; done',
    '# rm x',
    'ls # rm x',
    'bash script.sh',
    'make 2>&1 >/dev/null',
    "awk '{print $1}' a",
    'term x',
    'X=1',
  ];
  for (const command of harmless) t.is(decide(rules(['*'], ['Bash(rm:*)']), bash(command)).decision, 'allow', command);
});

test('rules with several words are not dodged by options, and do not catch other subcommands', (t) => {
  const decided = (deny: string, command: string) => decide(rules(['*'], [deny]), bash(command)).decision;
  const refused: [string, string[]][] = [
    [
      'Bash(rm -rf:*)',
      [
        'rm -rf x',
        'rm  -rf x',
        'rm -fr x',
        'rm -r -f x',
        'rm -v -rf x',
        'rm -Rf x',
        'rm --recursive --force x',
        'rm $X',
        'rm x -rf',
      ],
    ],
    [
      'Bash(git push:*)',
      [
        'git push',
        'git -C dir push',
        'git -c a=b push',
        'git --no-pager push origin',
        'git $X',
        'git --no-pager "$(echo push)"',
        'git -C push push',
      ],
    ],
    [
      'Bash(git push --force *)',
      [
        'git push --force',
        'git push origin main --force',
        'git push -f',
        'git push --force-with-lease',
        'git push --forc',
        'git push $X',
      ],
    ],
    ['Bash(* --force)', ['git push --force', 'x && npm i --force']],
    ['Bash(git * main)', ['git checkout main', '/usr/bin/git push origin main', 'git checkout $X']],
    ['Bash(git push)', ['git push', 'FOO=1 git push', '/usr/bin/git push']],
    ['Bash', ['ls', 'unclosed "']],
  ];
  for (const [deny, commands] of refused)
    for (const command of commands) t.not(decided(deny, command), 'allow', `${deny}: ${command}`);
  const passed: [string, string[]][] = [
    ['Bash(rm -rf:*)', ['rm x', 'rm -i x', 'rm -f x']],
    [
      'Bash(git push:*)',
      [
        'git status',
        'git commit -m push',
        'git stash push',
        'git commit -m "$X"',
        'git log --oneline $X',
        'git -C dir status',
      ],
    ],
    ['Bash(git push --force *)', ['git push', 'git push origin main', 'git commit --force']],
    ['Bash(git push)', ['git push origin', 'git status']],
    ['Bash(* --force)', ['git push']],
    ['Bash(npm run deploy:*)', ['npm run build', 'npm --prefix x run build', 'npm run deployment']],
  ];
  for (const [deny, commands] of passed)
    for (const command of commands) t.is(decided(deny, command), 'allow', `${deny}: ${command}`);
});

test('a rule that allows commands must fit every part of a line', (t) => {
  const allow = ['Bash(npm run test:*)', 'Bash(git status)', 'Bash(git log *)', 'Bash(ls * src)'];
  const decided = (command: string) => decide(rules(allow), bash(command)).decision;
  for (const command of [
    'npm run test',
    'npm  run test --watch',
    'npm run test "$X"',
    'git status',
    'git log',
    'git log -1',
    'npm run test && git status; git log -3 | git status',
    'NODE_ENV=test npm run test',
    'npm run test 2>&1',
    'npm run test >/dev/null',
    'ls -la src',
    "'npm' run test",
    '(git status)',
    'git log "$(git status)"',
  ])
    t.is(decided(command), 'allow', command);
  for (const command of [
    '',
    ' ',
    'npm run testing',
    'npm run test:unit',
    'npm run build',
    'git status -s',
    '/tmp/npm run test',
    './npm run test',
    'PATH=/tmp npm run test',
    'PATH=/tmp; npm run test',
    'LD_PRELOAD=x npm run test',
    'npm run test && ls',
    'npm run test; curl x',
    'npm run test > package.json',
    'npm run test < secret',
    'npm $X test',
    '$X run test',
    'npm run test $(curl x)',
    'npm run test `x`',
    'npm "run test"',
    'sudo npm run test',
    'ls "-la src"',
    'ls -la $X',
    'git logs',
    'cat <(git status)',
    'X=1',
  ])
    t.is(decided(command), 'ask', command);
  t.is(decide(rules(allow), { tool_name: 'Bash', tool_input: {} }).decision, 'ask');
  t.is(decide(rules(['*'], ['Bash(rm:*)']), { tool_name: 'Bash', tool_input: { command: ['rm'] } }).decision, 'ask');
  t.is(
    decide(rules(['*'], ['Bash(rm:*)']), { tool_name: 'PowerShell', tool_input: { command: 'ls' } }).decision,
    'ask',
  );
});

test('long lines, many rules and many stars cost no more than a moment', (t) => {
  const long = [
    'a;'.repeat(500_000),
    'a;'.repeat(49_000),
    'a '.repeat(49_000),
    'a '.repeat(4900),
    '$('.repeat(50_000),
    `${'('.repeat(50_000)}rm`,
    `"${'$(a "'.repeat(20_000)}`,
    'a'.repeat(90_000),
    'git '.repeat(4000),
  ];
  const many = Array.from({ length: 3000 }, (_each, index) => `Bash(git push -f${index} x:*)`);
  const started = performance.now();
  for (const command of long) {
    decide(rules(['Bash(a:*)', 'Bash(*a*a*a*a*b)'], ['Bash(rm:*)', 'Bash(*a*a*a*a*a*b)', ...many]), bash(command));
  }
  const stars = `${'**/*a*a*a*a*a*a/'.repeat(20)}b`;
  const file_path = `/${'a'.repeat(200)}`.repeat(20);
  for (const file of [file_path, 'a/'.repeat(4_000_000)])
    decide(rules(['*'], [`Read(${stars})`]), { tool_name: 'Read', tool_input: { file_path: file }, cwd: '/' });
  // Whoever waits is everybody: generous, and far from what a pattern that backtracks would take.
  t.true(performance.now() - started < 30_000);
});

// A stand-in for `rm` tells that it was run; everything else a line may need is there. Nothing outside of the folder can be reached by PATH.
const parts = [
  'rm',
  'rm',
  'r',
  'm',
  ' ',
  ' ',
  ' ',
  'x',
  'echo',
  'echo hi',
  ';',
  '&&',
  '||',
  '|',
  '&',
  '\n',
  '(',
  ')',
  '{ ',
  '; }',
  '$(',
  '`',
  '"',
  "'",
  '\\',
  '\\\n',
  '$',
  '${A}',
  '$A',
  'A=rm',
  'A=1 ',
  '#',
  '<<E\n',
  '\nE\n',
  "<<'E'\n",
  '<<<',
  '>o ',
  '2>&1',
  '<(',
  '!',
  'if ',
  'then ',
  ' fi',
  'for A in rm x; do ',
  '; done',
  'while ',
  'sh -c ',
  'bash',
  'eval ',
  'env ',
  'xargs ',
  'command ',
  'exec ',
  '*',
  '?',
  '[r]m',
  '{rm,x}',
  '~',
  '=',
  "$'",
  'true',
  'false',
  '- ',
  'case ',
  ' in ',
  ';;',
  ' esac',
  'f()',
  'function f ',
  'time ',
];

test('what a real shell runs is never more than was decided', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-shell-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const marker = path.join(folder, 'marker');
  const bin = path.join(folder, 'bin');
  const work = path.join(folder, 'work');
  await Promise.all([mkdir(bin), mkdir(work)]);
  await writeFile(path.join(bin, 'rm'), `#!/bin/sh\n: >${marker}\n`);
  await chmod(path.join(bin, 'rm'), 0o755);
  for (const [name, target] of [
    ['sh', '/bin/sh'],
    ['bash', '/bin/bash'],
    ['env', '/usr/bin/env'],
    ['xargs', '/usr/bin/xargs'],
  ] as const)
    await symlink(target, path.join(bin, name));
  const runsDenied = async (line: string) => {
    await rm(marker, { force: true });
    await new Promise<void>((resolve) => {
      execFile('/bin/bash', ['-c', line], { cwd: work, env: { PATH: bin }, timeout: 5000 }, () =>
        resolve(),
      ).stdin?.end();
    });
    return (await readdir(folder)).includes('marker');
  };
  let ran = 0;
  const property = fc.asyncProperty(
    fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 9 }),
    async (pieces) => {
      const line = pieces.join('');
      const denied = decide(rules(['*'], ['Bash(rm:*)']), bash(line)).decision;
      const allowed = decide(rules(['Bash(echo:*)', 'Bash(true)', 'Bash(x:*)']), bash(line)).decision;
      if (denied !== 'allow' && allowed !== 'allow') return true;
      ran++;
      return !(await runsDenied(line));
    },
  );
  await fc.assert(property, { numRuns: 1000 });
  t.true(ran > 100, `${ran} lines were run`);
  t.true(await runsDenied('rm'), 'the stand-in tells that it was run');
});
