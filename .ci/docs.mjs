// Writes the reference pages that are made of code: configuration, hooks, errors, and the tables of the command line. With `--check` it writes nothing and says what is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { cliPage } from './cli-page.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const compiled = (file) => import(pathToFileURL(path.join(root, 'core/dist/src', file)).href);
const [{ configSchema }, { hookTable, steps }, { hints }, { toJSONSchema }, program, { Console }] = await Promise.all([
  compiled('config-schema.js'),
  compiled('hooks.js'),
  compiled('errors.js'),
  compiled('z.js'),
  compiled('cli/program.js'),
  compiled('cli/console.js'),
]);

const generated = '<!-- Made of code by `npm run docs`; a check compares them. Change the code, not this page. -->';
const pages = {
  'docs/cli.md': cliPage(
    read(path.join(root, 'docs/cli.md')),
    program.buildProgram(new Console(false), () => {}),
  ),
  'docs/configuration.md': configuration(),
  'docs/hooks.md': hooks(),
  'docs/errors.md': errors(),
};
const check = process.argv.includes('--check');
const stale = [];
for (const [file, text] of Object.entries(pages)) {
  const target = path.join(root, file);
  if (read(target) === text) continue;
  if (check) stale.push(file);
  else writeFileSync(target, text);
}
if (stale.length > 0) {
  process.stderr.write(`${stale.join(', ')}: out of date; run \`npm run docs\` and commit the result\n`);
  process.exitCode = 1;
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function configuration() {
  const rows = [];
  describe(toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }), '', rows);
  const table = [
    '| key | type | default | meaning |',
    '|---|---|---|---|',
    ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
  ];
  return page('docs/configuration-intro.md', table.join('\n'));
}

/** One row for each key, nested ones with their path. */
function describe(schema, prefix, rows) {
  for (const [key, value] of Object.entries(schema.properties ?? {})) {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    rows.push([
      `\`${name}\``,
      typeOf(value),
      value.default === undefined ? '' : `\`${JSON.stringify(value.default)}\``,
      value.description ?? '',
    ]);
    describe(value, name, rows);
    if (typeof value.additionalProperties === 'object' && value.additionalProperties.properties)
      describe(value.additionalProperties, `${name}.<name>`, rows);
  }
}

function typeOf(schema) {
  if (schema.enum) return schema.enum.map((each) => `\`${each}\``).join(', ');
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}s`;
  return schema.type ?? 'any';
}

function hooks() {
  const source = readFileSync(path.join(root, 'core/src/hooks.ts'), 'utf8');
  const kinds = /export interface HookTable \{\n([\s\S]*?)\n\}/.exec(source)[1];
  const sections = Object.entries(hookTable).map(([name, { kind, when }]) => {
    const signature = new RegExp(`^  ${name}: \\['${kind}', \\[(.*?)\\](?:, (\\w+))?\\];$`, 'm').exec(kinds);
    const args = signature[1];
    const first = /^\w+: (.*?)(?:, \w+: |$)/.exec(args)?.[1];
    const result = kind === 'answer' ? `${signature[2]} | undefined` : kind === 'transform' ? first : 'void';
    return `## \`${name}\`\n\n*${kind}* — ${when}\n\n\`\`\`ts\n(${args}) => ${result} | Promise<${result}>\n\`\`\``;
  });
  const order = Object.keys(steps)
    .map((step) => `\`${step}\``)
    .join(' → ');
  return page('docs/hooks-intro.md', `Steps: ${order}\n\n${sections.join('\n\n')}`);
}

function errors() {
  const rows = Object.entries(hints).map(([code, hint]) => `| \`${code}\` | ${cell(hint)} |`);
  return page('docs/errors-intro.md', ['| code | what to do now |', '|---|---|', ...rows].join('\n'));
}

/** The hand-written beginning of a page, and what code says. */
function page(intro, body) {
  return `${read(path.join(root, '.ci', intro)).trimEnd()}\n\n${generated}\n\n${body}\n`;
}

function cell(text) {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
