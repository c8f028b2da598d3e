// Permission rules for internal tools: what is valid, what they compile to, and which calls they let through. Command lines: `commands.test.ts`.
import test from 'ava';
import fc from 'fast-check';
import { checkInternalRule, compileInternal, decide, offeredTools } from '../src/render/internal-tools.ts';
import { knownTools } from '../src/render/internal-tools-known.ts';

const rules = (allow: string[], deny: string[] = []) => ({ allow, deny });

test('a rule is taken as Claude Code takes it, and refused with the reason otherwise', (t) => {
  const valid = [
    'Read',
    'bash',
    'Bash(npm run test:*)',
    'Bash(git * main)',
    'Edit(/src/**)',
    'WebFetch(domain:*.example.com)',
    'Agent(Explore)',
  ];
  for (const rule of [
    ...valid,
    'Bash(find . -name \\(x\\))',
    'mcp__github',
    'mcp__github__get_*',
    '*',
    'Web*',
    'KillShell',
  ])
    t.is(checkInternalRule(rule), undefined, rule);
  const invalid: [string, RegExp][] = [
    ['', /write Tool/],
    ['Bash()', /write Tool/],
    ['Bash(rm', /write Tool/],
    ['Bash(a)) (', /write Tool/],
    ['(rm)', /write Tool/],
    ['Bash(npm:* test)', /must be at the end/],
    ['Bash(:*)', /before :\*/],
    ['Read(src:*)', /for paths write/],
    ['WebFetch(https://example.com/)', /domain:example\.com/],
    ['WebSearch(cats*)', /wildcards/],
    ['mcp__github(x)', /nothing in parentheses/],
    ['frobnicate', /capital letter/],
  ];
  for (const [rule, problem] of invalid) t.regex(checkInternalRule(rule) ?? '', problem, rule);
});

test('compiled rules are such as Claude Code obeys, and hide what is not allowed', (t) => {
  const everything = compileInternal(rules(['*'], ['WebFetch', 'Bash(rm:*)']));
  t.false(everything.allow.some((rule) => rule.includes('*')));
  t.true(['Bash', 'Read', 'Edit', 'Agent'].every((tool) => everything.allow.includes(tool)));
  t.false(everything.allow.includes('WebFetch'));
  t.deepEqual(everything.deny, ['WebFetch', 'Bash(rm:*)']);
  t.deepEqual(everything.warnings, []);

  const few = compileInternal(
    rules(['mcp__*', 'bash(npm run test:*)', 'Read', 'KillShell', 'Write(src/**)'], ['Write(secret/**)']),
  );
  t.deepEqual(few.allow, ['Bash(npm run test:*)', 'Read', 'TaskStop']);
  t.true(few.deny.includes('Edit(secret/**)'));
  const shown = ['Bash', 'Read', 'TaskStop', 'Write'];
  t.deepEqual(
    knownTools.filter((tool) => !few.deny.includes(tool)),
    shown,
  );
  t.deepEqual(offeredTools(rules(['bash(npm run test:*)', 'Read', 'KillShell', 'Write(src/**)'])), shown);
  t.is(few.warnings.length, 2);
  t.regex(few.warnings.join('\n'), /mcp__\*.*toolConfig\.mcpServers[^]*Write\(src.*Edit\(src/);

  t.true(compileInternal(rules(['*'], ['Bash'])).deny.includes('Monitor'), 'another tool that runs commands');
  t.deepEqual(offeredTools(rules(['*'], ['*'])), []);
  t.deepEqual(compileInternal(rules(['*'], ['Web*'])).deny, ['WebFetch', 'WebSearch']);
  t.regex(compileInternal(rules(['Frob'])).warnings.join(), /no internal tool of that name/);

  const broken = compileInternal(rules(['*'], ['Bash(rm']));
  t.deepEqual([broken.allow, broken.deny.length], [[], knownTools.length]);
  t.regex(broken.warnings.join(), /Bash\(rm.*all internal tools are denied/);
  t.is(decide(rules(['*'], ['Bash(rm']), { tool_name: 'Read', tool_input: { file_path: '/a' } }).decision, 'deny');
});

test('files, addresses and names', (t) => {
  const cases: [
    allow: string[],
    deny: string[],
    tool: string,
    input: object,
    cwd: string | undefined,
    expected: 'allow' | 'deny' | 'ask',
  ][] = [
    [['Read'], ['Read(.env)'], 'Read', { file_path: '/w/.env' }, '/w', 'deny'],
    [['Read'], ['Read(.env)'], 'Read', { file_path: '/w/a/.env' }, undefined, 'deny'],
    [['Read'], ['Read(./secrets/**)'], 'Read', { file_path: '/w/a/../secrets/key' }, '/w', 'deny'],
    [['Read'], ['Read(./secrets/**)'], 'Read', { file_path: '/w/Secrets/key' }, '/w', 'deny'],
    [['Read'], ['Read(./secrets/**)'], 'Read', { file_path: 'secrets/key' }, '/w', 'deny'],
    [['Read', 'Grep'], ['Read(./secrets/**)'], 'Grep', { pattern: 'x', path: '/w/secrets' }, '/w', 'deny'],
    [['Edit(src/**)'], [], 'Edit', { file_path: '/w/src' }, '/w', 'ask'],
    [['Read'], ['Read(./secrets/**)'], 'Read', { file_path: '/w/a/secrets/key' }, '/w', 'allow'],
    [['Read'], ['Read(//etc/**)'], 'Read', { file_path: '/w/../etc/passwd' }, '/w', 'deny'],
    [['Read'], ['Read(~/.ssh/**)'], 'Read', { file_path: '/home/alice/.ssh/id' }, '/w', 'deny'],
    [['Read'], ['Read(.env)'], 'Read', {}, '/w', 'ask'],
    [['Read'], ['Read(.env)'], 'Read', { file_path: '/w/.envrc' }, '/w', 'allow'],
    [['Edit(src/**)'], [], 'Edit', { file_path: '/w/src/a.ts' }, '/w', 'allow'],
    [['Edit(src/**)'], [], 'Write', { file_path: '/w/src/b/c.ts' }, '/w', 'allow'],
    [['Edit(src/**)'], [], 'NotebookEdit', { notebook_path: '/w/src/b.ipynb' }, '/w', 'allow'],
    [['Edit(src/**)'], [], 'Edit', { file_path: '/w/src/../package.json' }, '/w', 'ask'],
    [['Edit(src/**)'], [], 'Edit', { file_path: '/etc/src/a.ts' }, '/w', 'ask'],
    [['Edit(src/**)'], [], 'Edit', { file_path: '/w/src/a.ts' }, undefined, 'ask'],
    [['Read(~/notes/**)'], [], 'Read', { file_path: '/home/alice/notes/b' }, '/w', 'allow'],
    [['Read(~/notes/**)'], [], 'Read', { file_path: '/srv/home/alice/notes/b' }, '/w', 'ask'],
    [['Read(**/docs/*.md)'], [], 'Read', { file_path: '/w/a/b/docs/c.md' }, '/w', 'allow'],
    [['Read(**/docs/*.md)'], [], 'Read', { file_path: '/w/a/b/docs/c/d.md' }, '/w', 'ask'],
    [['Read(docs/?.md)'], [], 'Read', { file_path: '/w/docs/c.md' }, '/w', 'allow'],
    [['Edit(*.md)'], [], 'Edit', { file_path: '/w/docs/a.md' }, '/w', 'allow'],
    [['Edit(/*.md)'], [], 'Edit', { file_path: '/w/docs/a.md' }, '/w', 'ask'],
    [['Write(src/**)'], [], 'Edit', { file_path: '/w/src/a.ts' }, '/w', 'ask'],
    [['*'], ['Write(src/**)'], 'Edit', { file_path: '/w/src/a.ts' }, '/w', 'deny'],
    [['WebFetch(domain:example.com)'], [], 'WebFetch', { url: 'https://example.com/x' }, undefined, 'allow'],
    [['WebFetch(domain:example.com)'], [], 'WebFetch', { url: 'https://example.com.evil.org/' }, undefined, 'ask'],
    [['WebFetch(domain:example.com)'], [], 'WebFetch', { url: 'https://example.com@evil.org/' }, undefined, 'ask'],
    [['*'], ['WebFetch(domain:*.example.com)'], 'WebFetch', { url: 'HTTP://A.EXAMPLE.COM.:80/' }, undefined, 'deny'],
    [['*'], ['WebFetch(domain:example.com)'], 'WebFetch', { url: 'http://[' }, undefined, 'ask'],
    [['*'], ['WebFetch(domain:example.com)'], 'WebFetch', {}, undefined, 'ask'],
    [['Agent(Explore)'], [], 'Task', { subagent_type: 'Explore' }, undefined, 'allow'],
    [['Agent(Explore)'], [], 'Agent', { subagent_type: 'Plan' }, undefined, 'ask'],
    [['*'], ['Skill(deploy:*)'], 'Skill', { skill: 'deploy-all' }, undefined, 'deny'],
    [['*'], ['Task'], 'Agent', {}, undefined, 'deny'],
    [['*'], ['Cron*'], 'CronCreate', {}, undefined, 'deny'],
    [['*'], [], 'SomethingNew', {}, undefined, 'allow'],
    [['Read'], [], 'SomethingNew', {}, undefined, 'ask'],
    [['*'], [], 'mcp__other__tool', {}, undefined, 'ask'],
    [['mcp__other'], [], 'mcp__other__tool', {}, undefined, 'allow'],
    [['mcp__other'], ['mcp__other__t*'], 'mcp__other__tool', {}, undefined, 'deny'],
    [[], [], 'StructuredOutput', {}, undefined, 'allow'],
    [[], ['StructuredOutput'], 'StructuredOutput', {}, undefined, 'deny'],
    [[], [], 'Read', { file_path: '/a' }, undefined, 'ask'],
  ];
  for (const [allow, deny, tool_name, tool_input, cwd, expected] of cases) {
    const { decision, reason } = decide(rules(allow, deny), { tool_name, tool_input, cwd });
    t.is(decision, expected, JSON.stringify([allow, deny, tool_name, tool_input, reason]));
    t.not(reason, '');
  }
});

test('whatever rules and calls hold, there is a decision, and deny beats allow', (t) => {
  const rule = fc.oneof(
    fc.constantFrom(...knownTools, '*', 'Bash(rm:*)', 'Edit(src/**)', 'Read(~/x)'),
    fc.string({ unit: 'binary' }),
  );
  const input = fc.oneof(
    fc.anything(),
    fc.record({ command: fc.string({ unit: 'binary' }), file_path: fc.string(), url: fc.string() }),
  );
  const property = fc.property(
    fc.array(rule),
    fc.array(rule),
    fc.constantFrom(...knownTools),
    input,
    (allow, deny, tool_name, tool_input) => {
      const compiled = compileInternal({ allow, deny });
      for (const each of [...compiled.allow, ...compiled.deny]) if (checkInternalRule(each) !== undefined) return false;
      if (compiled.allow.some((each) => compiled.deny.includes(each))) return false;
      const before = decide({ allow, deny }, { tool_name, tool_input });
      const after = decide({ allow, deny: [...deny, tool_name] }, { tool_name, tool_input });
      return ['allow', 'ask', 'deny'].includes(before.decision) && before.reason !== '' && after.decision === 'deny';
    },
  );
  t.notThrows(() => fc.assert(property, { numRuns: 500 }));
});
