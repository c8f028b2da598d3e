// The page to browse the index: one file of HTML that needs no network, no server and, for reading, no script. Its style is in
// `page-style.ts`, its script in `page-script.ts`; one entry is drawn in `page-entry.ts`.
import { createHash } from 'node:crypto';
import type { IndexDocument } from './index-document.ts';
import { escapeHtml, renderPlugin, renderServer } from './page-entry.ts';
import { pageScript } from './page-script.ts';
import { pageStyle } from './page-style.ts';
import { pluginKinds } from './plugin-entry.ts';
import { compareText } from './tool-summary.ts';

const statuses = ['active', 'deprecated', 'archived'];

/** Renders the page. The same index gives the same text. */
export function renderPage(document: IndexDocument): string {
  const entries = [
    ...document.plugins.map((plugin) => ({ entry: plugin, html: renderPlugin(plugin) })),
    ...document.servers.map((server) => ({ entry: server, html: renderServer(server) })),
  ].sort(
    (a, b) =>
      rank(a.entry.status) - rank(b.entry.status) ||
      compareText(a.entry.title.toLowerCase(), b.entry.title.toLowerCase()),
  );
  const categories = [...new Set(document.servers.flatMap((server) => server.categories))].sort(compareText);
  const kinds = pluginKinds.filter((kind) => document.plugins.some((plugin) => plugin.kind === kind));
  // Nothing may be loaded or sent; the two hashes allow what is in this file.
  const policy = `default-src 'none'; style-src '${hash(pageStyle)}'; script-src '${hash(pageScript)}'; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Plugboard: plugins and MCP servers</title>
<style>${pageStyle}</style>
</head>
<body>
<header class="page">
<h1>Plugins and MCP servers</h1>
<p>What <code>plugboard add</code> knows: plugins of the proxy, and MCP servers that it can start or reach.</p>
</header>
<div class="bar">
<div class="page">
<form hidden>
<label>Search<input type="search" name="search" placeholder="Name, tool or purpose" autocomplete="off" spellcheck="false"></label>
${select('Kind', 'kind', 'All', [['mcp-server', 'MCP server'], ['plugin', 'Any plugin'], ...kinds.map((kind) => [kind, `Plugin: ${kind}`] as const)])}
${select(
  'Category',
  'category',
  'All',
  categories.map((each) => [each, each] as const),
)}
${select(
  'Status',
  'status',
  'All',
  statuses.map((each) => [each, each] as const),
)}
</form>
<p class="count" role="status">${entries.length} entries</p>
</div>
</div>
<main class="page">
<ul class="entries">
${entries.map(({ html }) => html).join('\n')}
</ul>
<p class="none" hidden>Nothing fits. Try fewer words or another filter.</p>
</main>
<footer class="page">Made of <a href="index.json">index.json</a>, index version ${document.indexVersion}. Tools are what a server listed when it was recorded, or what its project documents; a running server may offer others.</footer>
<script>${pageScript}</script>
</body>
</html>
`;
}

function rank(status: string): number {
  return statuses.indexOf(status);
}

function hash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

function select(label: string, name: string, all: string, options: readonly (readonly [string, string])[]): string {
  const list = options.map(([value, text]) => `<option value="${escapeHtml(value)}">${escapeHtml(text)}</option>`);
  return `<label>${label}<select name="${name}"><option value="">${all}</option>${list.join('')}</select></label>`;
}
