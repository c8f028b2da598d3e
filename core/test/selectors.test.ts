// Selectors and globs: which names rules let through, under all forms, orders and hostile patterns.
import test from 'ava';
import fc from 'fast-check';
import { compileGlob } from '../src/glob.ts';
import { checkSelector, compileRules, escapeGlob } from '../src/selectors.ts';

const servers = ['github', 'my', 'my-server', 'my_server_two', 'fs'];

function allowed(selector: string, server: string, tool: string): boolean {
  return compileRules({ allow: [selector], deny: [] }, { servers }).allows(server, tool);
}

/** selector, server, tool, whether it matches */
const forms: readonly [string, string, string, boolean][] = [
  ['*', 'github', 'x', true],
  ['**', 'unknown', 'a/b.c', true],
  ['github', 'github', 'create_issue', true],
  ['github', 'gitlab', 'create_issue', false],
  ['github:*', 'github', '.hidden/with/slash', true],
  ['github:create_*', 'github', 'create_issue', true],
  ['github:create_*', 'github', 'recreate_issue', false],
  ['github:create_issue', 'github', 'create_issue', true],
  ['github:create_issue', 'github', 'create_issues', false],
  ['github:create-issue', 'github', 'create_issue', false],
  ['git*:create_issue', 'gitlab', 'create_issue', true],
  ['git*', 'gitlab', 'anything', true],
  ['{github,gitlab}:{get,list}_*', 'gitlab', 'list_x', true],
  ['{github,gitlab}:{get,list}_*', 'gitlab', 'put_x', false],
  ['github:?et', 'github', 'get', true],
  ['github:[a-c]x', 'github', 'bx', true],
  ['github:[!a-c]x', 'github', 'bx', false],
  ['github:[^a-c]x', 'github', 'dx', true],
  ['github:\\*', 'github', '*', true],
  ['github:\\*', 'github', 'x', false],
  ['github_create_issue', 'github', 'create_issue', true],
  ['github_create_*', 'github', 'create_issue', true],
  ['github_*', 'github', 'x', true],
  ['my_tool', 'my', 'tool', true],
  ['my_server_tool', 'my-server', 'tool', true],
  ['my_server_tool', 'my', 'server_tool', false],
  ['my-server_tool', 'my-server', 'tool', true],
  ['my_server_two_x', 'my_server_two', 'x', true],
  ['my_server_two', 'my_server_two', 'x', true],
  ['my_server_two', 'my-server', 'two', false],
  ['mcp__github__create_issue', 'github', 'create_issue', true],
  ['mcp__github', 'github', 'create_issue', true],
  ['mcp__my_server__tool', 'my-server', 'tool', true],
  ['mcp__other__tool', 'other', 'tool', true],
  ['mcp__plugboard__github_create_issue', 'github', 'create_issue', true],
  ['mcp__plugboard__my_server_tool', 'my-server', 'tool', true],
  ['mcp__plugboard', 'fs', 'read', true],
  ['fs:file:///a/{path}', 'fs', 'file:///a/{path}', true],
  ['fs:file:///*', 'fs', 'file:///a/b.txt', true],
];

test('all forms mean what they say', (t) => {
  for (const [selector, server, tool, expected] of forms)
    t.is(allowed(selector, server, tool), expected, `${selector} on ${server}:${tool}`);
  const named = compileRules({ allow: ['mcp__gate__fs_read'], deny: [] }, { servers, proxy: 'gate' });
  t.true(named.allows('fs', 'read'));
});

const name = fc.string({ unit: fc.constantFrom(...'ab_-.'), minLength: 1, maxLength: 3 });
const pair = fc.record({ server: name, tool: name });
const pattern = fc.string({
  unit: fc.constantFrom('a', 'b', '_', '*', '?', '[ab]', '{a,b}', '{a,}'),
  minLength: 1,
  maxLength: 4,
});
const part = fc.oneof(fc.constant('*'), name, pattern);
const selector = fc.tuple(part, part).map(([server, tool]) => `${server}:${tool}`);

test('deny beats allow, nothing is allowed that no pattern allows, and order does not matter', (t) => {
  let beaten = 0;
  fc.assert(
    fc.property(
      fc.array(selector, { maxLength: 6 }),
      fc.array(selector, { maxLength: 6 }),
      fc.array(pair, { maxLength: 8 }),
      (allow, deny, names) => {
        const context = { servers: names.map(({ server }) => server) };
        const both = compileRules({ allow, deny }, context);
        const reversed = compileRules({ allow: allow.toReversed(), deny: deny.toReversed() }, context);
        const single = (one: string) => compileRules({ allow: [one], deny: [] }, context);
        const allows = allow.map(single);
        const denies = deny.map(single);
        for (const { server, tool } of names) {
          const expected =
            allows.some((each) => each.allows(server, tool)) && !denies.some((each) => each.allows(server, tool));
          t.is(both.allows(server, tool), expected);
          t.is(reversed.allows(server, tool), expected);
          if (!expected && allows.some((each) => each.allows(server, tool))) beaten += 1;
        }
      },
    ),
    { numRuns: 500 },
  );
  t.true(beaten > 20, `the patterns hardly ever met: ${beaten}`);
});

test('a literal selector allows exactly its pair', (t) => {
  fc.assert(
    fc.property(pair, pair, (wanted, other) => {
      const rules = compileRules(
        { allow: [`${wanted.server}:${wanted.tool}`], deny: [] },
        { servers: [wanted.server, other.server] },
      );
      t.true(rules.allows(wanted.server, wanted.tool));
      t.is(rules.allows(other.server, other.tool), wanted.server === other.server && wanted.tool === other.tool);
    }),
  );
});

test('a name is matched by itself when it is escaped, whatever it holds', (t) => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), fc.string({ maxLength: 20 }), (text, other) => {
      const [glob] = compileGlob(escapeGlob(text));
      t.true(glob?.matches(text));
      t.is(glob?.matches(other), text === other);
    }),
  );
});

/** The same glob as a regular expression, for short texts. */
function toRegExp(glob: string): RegExp {
  const source = glob.replace(/\{([^}]*)\}|\*|\?/g, (found, choices: string | undefined) => {
    if (choices !== undefined) return `(?:${choices.replaceAll(',', '|')})`;
    return found === '*' ? '[^]*' : '[^]';
  });
  return new RegExp(`^(?:${source})$`);
}

test('globs match as the regular expression of the same meaning does', (t) => {
  fc.assert(
    fc.property(pattern, fc.string({ unit: fc.constantFrom(...'ab_'), maxLength: 8 }), (glob, text) => {
      t.is(
        compileGlob(glob).some((each) => each.matches(text)),
        toRegExp(glob).test(text),
        `${glob} on ${text}`,
      );
    }),
    { numRuns: 2000 },
  );
});

test('a whole server is what one allow pattern covers and no deny pattern does', (t) => {
  const whole = (allow: string[], deny: string[] = []) =>
    compileRules({ allow, deny }, { servers }).wholeServer('github');
  for (const each of ['*', 'github', 'github:*', 'git*:*', '{github,fs}', 'mcp__github', '{x,*}:{y,*}'])
    t.true(whole([each]), each);
  for (const each of ['github:a*', 'github:a', 'fs', 'github_x', 'github:?*']) t.false(whole([each]), each);
  t.false(whole(['*'], ['github']));
  t.true(whole(['*'], ['github:delete_*']));
});

test('hostile patterns and names end', (t) => {
  const text = 'a'.repeat(100_000);
  for (const glob of ['*a*a*a*a*a*a*a*a*b', `${'*a'.repeat(200)}b`, `${'?*'.repeat(200)}b`, `${'[ab]*'.repeat(90)}c`]) {
    t.false(compileGlob(glob).some((each) => each.matches(text)));
    t.true(
      compileGlob(`${glob}*`).some((each) => each.matches(`${text}bc`)),
      glob,
    );
  }
  t.regex(checkSelector(`${'{a,b}'.repeat(9)}:x`) ?? '', /more than 256 alternatives/);
  t.regex(checkSelector(`${'{a,b}'.repeat(100)}:x`) ?? '', /more than 256 alternatives/);
  t.regex(checkSelector(`${'{a,b}'.repeat(5)}:${'{a,b}'.repeat(5)}`) ?? '', /more than 256 alternatives/);
  t.is(checkSelector(`${'{a,b}'.repeat(8)}:x`), undefined);
  t.is(checkSelector(`x:${'{'.repeat(500)}`), undefined);
  t.regex(checkSelector('x'.repeat(513)) ?? '', /513 characters \(at most 512\)/);
  for (const each of ['', ':', 'a:', ':b']) t.not(checkSelector(each), undefined, each);
  t.throws(() => compileRules({ allow: ['a:'], deny: [] }, { servers: [] }), { message: /selector "a:"/ });
  t.throws(() => compileRules({ allow: Array(10_001).fill('a:b'), deny: [] }, { servers: [] }), {
    message: /10001 selectors \(at most 10000\)/,
  });
});

test('ten thousand literal selectors are looked up, not tried', (t) => {
  const allow = Array.from({ length: 10_000 }, (_, index) => `server:tool_${index}`);
  const rules = compileRules({ allow, deny: [] }, { servers: ['server'] });
  const start = process.cpuUsage();
  for (let round = 0; round < 100; round++) {
    for (let index = 0; index < 10_000; index++) if (!rules.allows('server', `tool_${index}`)) t.fail();
  }
  const { user } = process.cpuUsage(start);
  // A million lookups by trying ten thousand patterns each would be 10^10 steps: minutes. The limit is far from both.
  t.true(user < 20_000_000, `${user} µs`);
  t.false(rules.allows('server', 'tool_10000'));
});

test('selectors that match nothing are told with the nearest names', (t) => {
  const catalogue = [
    { server: 'github', tool: 'create_issue' },
    { server: 'github', tool: 'list_issues' },
    { server: 'fs', tool: 'read' },
  ];
  const rules = compileRules(
    {
      allow: ['*', 'github:create_isue', 'githb', 'fs:*', 'github_list_issues', 'late:tool'],
      deny: ['*:delete_*', 'fs:raed', 'zzzzzzzzzz:*'],
    },
    { servers: ['github', 'fs', 'late'] },
  );
  t.deepEqual(rules.unmatched(catalogue, ['late']), [
    { selector: 'github:create_isue', nearest: ['github:create_issue'] },
    { selector: 'githb', nearest: ['github'] },
    { selector: 'fs:raed', nearest: ['fs:read'] },
    { selector: 'zzzzzzzzzz:*', nearest: [] },
  ]);
  t.true(rules.unmatched(catalogue).some((each) => each.selector === 'late:tool'));
});
