// One entry of the page: what it is, how to add it, what it may do, and its tools.
import type { IndexedPlugin, IndexedServer } from './index-document.ts';
import type { ToolSummary } from './entry-parts.ts';
import { ChoiceError, toMcpServersEntry } from './mcp-servers-entry.ts';
import type { Start } from './server-entry.ts';

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

interface Card {
  readonly entry: IndexedPlugin | IndexedServer;
  /** Values of the kind filter. */
  readonly kinds: readonly string[];
  readonly categories: readonly string[];
  readonly kindMark: string;
  readonly tools: readonly ToolSummary[];
  readonly inside: string;
}

export function renderPlugin(plugin: IndexedPlugin): string {
  const [newest] = plugin.versions;
  const tools = newest?.tools ?? plugin.tools ?? [];
  const facts = newest === undefined ? [] : versionFacts(newest);
  const inside = [
    section('Add it', command(`plugboard add ${plugin.id}`)),
    section('Package', definitions([['npm', code(plugin.package)], ...facts])),
    tools.length === 0 ? '' : section('Tools', toolList(tools)),
  ].join('');
  return card({
    entry: plugin,
    kinds: ['plugin', plugin.kind],
    categories: [],
    kindMark: `plugin: ${plugin.kind}`,
    tools,
    inside,
  });
}

function versionFacts(version: IndexedPlugin['versions'][number]): [string, string][] {
  const capabilities = Object.entries(version.capabilities).map(([name, value]) =>
    typeof value === 'string' ? `${code(name)} ${escapeHtml(value)}` : code(name),
  );
  const trust = [version.signed ? 'signed' : 'not signed', version.provenance ? 'with provenance' : 'no provenance'];
  return [
    ['Version', escapeHtml(version.version)],
    ...(version.core === undefined ? [] : ([['Core', code(version.core)]] as [string, string][])),
    ...(version.node === undefined ? [] : ([['Node', code(version.node)]] as [string, string][])),
    ['Trust', escapeHtml(trust.join(', '))],
    ['Install scripts', version.installScripts.length === 0 ? 'none' : version.installScripts.map(code).join(' ')],
    ['Capabilities', capabilities.length === 0 ? 'none declared' : capabilities.join('<br>')],
  ];
}

export function renderServer(server: IndexedServer): string {
  const { network, filesystem, secrets } = server.permissions;
  const inside = [
    section('Add it', command(`plugboard add ${server.id}`)),
    section(
      server.start.length === 1 ? 'How it starts' : 'Ways to start it',
      server.start.map((start, index) => startOf(server, start, index)).join(''),
    ),
    section(
      'What it may do',
      definitions([
        [
          'Network',
          network.length === 0 ? 'none' : network.map((host) => (host === '*' ? 'any host' : code(host))).join(' '),
        ],
        ['Files', { none: 'none', read: 'reads', write: 'reads and writes' }[filesystem]],
        ['Secrets', secrets.length === 0 ? 'none' : secrets.map(code).join(' ')],
      ]),
    ),
    section('Tools', toolsOf(server)),
  ].join('');
  const tools = server.tools ?? [];
  return card({
    entry: server,
    kinds: ['mcp-server'],
    categories: server.categories,
    kindMark: 'MCP server',
    tools,
    inside,
  });
}

function toolsOf({ tools, toolsFrom }: IndexedServer): string {
  if (tools === undefined || toolsFrom === undefined)
    return '<p>Not known: the server lists them only to somebody with an account.</p>';
  const origin =
    toolsFrom.kind === 'listing'
      ? `Listed by version ${escapeHtml(toolsFrom.version)}.`
      : `As documented: ${link(toolsFrom.source)}`;
  return `<p>${origin}</p>${toolList(tools)}`;
}

/** What would stand in the configuration, without anything that has to be chosen. */
function startOf(server: IndexedServer, start: Start, index: number): string {
  const how =
    start.type === 'stdio'
      ? { npx: 'npm package', uvx: 'PyPI package', docker: 'container image', binary: 'program' }[start.runner]
      : 'hosted';
  const sign =
    start.type === 'stdio'
      ? ''
      : { none: ', open to all', token: ', with a token', oauth: ', sign in once' }[start.auth];
  return `<p>${escapeHtml(`${how}${sign}`)}</p>${preformatted(configurationOf(server, index))}`;
}

function configurationOf(server: IndexedServer, index: number): string {
  try {
    const { entry } = toMcpServersEntry(server, { start: index });
    const { title: _, type: __, ...shown } = entry;
    return onOneLine(JSON.stringify({ [server.id]: shown }, undefined, 2));
  } catch (error) {
    if (error instanceof ChoiceError) return error.message;
    throw error;
  }
}

/** Lists of text are read more easily in one line. */
function onOneLine(json: string): string {
  return json.replace(/\[\n(?:\s*"(?:[^"\\]|\\.)*",?\n)+\s*\]/g, (list) =>
    list
      .replace(/\s*\n\s*/g, ' ')
      .replace('[ ', '[')
      .replace(' ]', ']'),
  );
}

function card({ entry, kinds, categories, kindMark, tools, inside }: Card): string {
  const text = [
    entry.id,
    entry.title,
    entry.description,
    kindMark,
    ...categories,
    ...tools.flatMap((tool) => [tool.name, tool.title ?? '']),
  ];
  const marks = [
    entry.status === 'active' ? '' : `<span class="mark ${entry.status}">${entry.status}</span>`,
    `<span class="mark kind">${escapeHtml(kindMark)}</span>`,
    ...categories.map((category) => `<span class="mark">${escapeHtml(category)}</span>`),
  ].join('');
  const data = `data-kind="${kinds.join(' ')}" data-category="${categories.join(' ')}" data-status="${entry.status}"`;
  return `<li id="${entry.id}" ${data} data-text="${escapeHtml(text.join(' ').toLowerCase())}"><details><summary><span class="name">${escapeHtml(entry.title)}</span><span class="about">${escapeHtml(entry.description)}</span><span class="marks">${marks}</span></summary><div class="inside">${replacement(entry)}${inside}${links(entry)}</div></details></li>`;
}

function replacement({ status, replacedBy }: IndexedPlugin | IndexedServer): string {
  if (status === 'active') return '';
  const instead =
    replacedBy === undefined ? '' : ` Use <a href="#${replacedBy}">${escapeHtml(replacedBy)}</a> instead.`;
  return `<p class="notice">${status === 'archived' ? 'Nobody maintains it any more.' : 'It works, but is no longer recommended.'}${instead}</p>`;
}

function links(entry: IndexedPlugin | IndexedServer): string {
  const homepage = 'homepage' in entry ? entry.homepage : undefined;
  const found: [string, string][] = [];
  if (homepage !== undefined) found.push(['Documentation', link(homepage)]);
  if (entry.repository !== undefined && entry.repository !== homepage) found.push(['Source', link(entry.repository)]);
  return found.length === 0 ? '' : section('More', definitions(found));
}

function link(address: string): string {
  return `<a href="${escapeHtml(address)}" rel="noreferrer">${escapeHtml(address.replace(/^https:\/\//, '').replace(/\/$/, ''))}</a>`;
}

function section(title: string, content: string): string {
  return `<section><h2>${escapeHtml(title)}</h2>${content}</section>`;
}

function command(text: string): string {
  return preformatted(text);
}

function preformatted(text: string): string {
  return `<pre tabindex="0"><code>${escapeHtml(text)}</code></pre>`;
}

function code(text: string): string {
  return `<code>${escapeHtml(text)}</code>`;
}

function definitions(items: readonly (readonly [string, string])[]): string {
  return `<dl>${items.map(([term, value]) => `<dt>${escapeHtml(term)}</dt><dd>${value}</dd>`).join('')}</dl>`;
}

function toolList(tools: readonly ToolSummary[]): string {
  const items = tools.map(({ name, description, categories = [] }) => {
    // What destroys also writes.
    const told = categories.includes('destructive') ? ['destructive'] : categories;
    const hints = told.map((category) => `<b class="hint ${category}">${category}</b>`).join(' ');
    return `<li><div><code>${escapeHtml(name)}</code> ${hints}</div><span>${escapeHtml(description ?? '')}</span></li>`;
  });
  return `<ul class="tools">${items.join('')}</ul>`;
}
