// HTML to Markdown: the main content of a page, or all of it where no main content is found. Takes as long as it takes:
// run it in `page-worker.ts`.
import { Readability } from '@mozilla/readability';
import { parseHTML } from 'linkedom';
import TurndownService from 'turndown';

export interface Article {
  readonly markdown: string;
  readonly title: string;
}

/** The little of a DOM that is used here. */
interface Node {
  readonly nodeName: string;
  readonly textContent: string;
}
interface Element extends Node {
  readonly children: ArrayLike<Element>;
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
  removeAttribute(name: string): void;
  querySelectorAll(selector: string): Iterable<Element>;
  remove(): void;
}
interface Document extends Element {
  readonly body: Element;
  readonly title: string;
}

/** Never content, and never to be shown as such. */
const noise = 'script, style, noscript, template, svg, iframe, object, embed, link, meta, input, select, textarea';

/** The article of a page; links become absolute, `url` being where it was found. */
export function toMarkdown(html: string, url: string): Article {
  const document = parse(html);
  absoluteLinks(document, url);
  const title = document.title.trim();
  const read = new Readability(document).parse();
  const content = read?.content ?? '';
  const markdown = content === '' ? '' : convert(parse(wrapped(content)).body);
  if (markdown !== '') return { markdown, title: read?.title ?? title };
  // Readability takes the document apart, so it is read anew.
  const whole = parse(html);
  absoluteLinks(whole, url);
  for (const element of [...whole.querySelectorAll(noise)]) element.remove();
  return { markdown: convert(whole.body), title };
}

function parse(html: string): Document {
  // Without an html element, the parser takes what comes first for one.
  const text = /<html[\s>]/i.test(html.slice(0, 10_000)) ? html : wrapped(html);
  return parseHTML(text).document;
}

function wrapped(html: string): string {
  return `<!doctype html><html><head></head><body>${html}</body></html>`;
}

function absoluteLinks(document: Document, url: string): void {
  const [base] = document.querySelectorAll('base[href]');
  const start = resolved(base?.getAttribute('href') ?? '', url) ?? url;
  for (const [selector, name] of [
    ['a[href]', 'href'],
    ['img[src]', 'src'],
  ] as const) {
    for (const element of document.querySelectorAll(selector)) {
      const target = resolved(element.getAttribute(name) ?? '', start);
      if (target === undefined) element.removeAttribute(name);
      else element.setAttribute(name, target);
    }
  }
}

/** Undefined for what is no link to anywhere: `javascript:`, `data:`. */
function resolved(link: string, base: string): string | undefined {
  if (!URL.canParse(link, base)) return undefined;
  const { href, protocol } = new URL(link, base);
  return /^(?:https?|mailto|tel|ftp):$/.test(protocol) ? href : undefined;
}

function convert(body: Element): string {
  const service = new TurndownService({ headingStyle: 'atx', codeBlockStyle: 'fenced', bulletListMarker: '-' });
  service.remove(['script', 'style', 'noscript', 'template']);
  service.addRule('imageWithoutSource', {
    filter: (node: unknown) => nameOf(node) === 'IMG' && (node as Element).getAttribute('src') === null,
    replacement: () => '',
  });
  service.addRule('cell', {
    filter: ['th', 'td'],
    replacement: (content: string) =>
      ` ${content
        .trim()
        .replace(/\s*\n\s*/g, ' ')
        .replaceAll('|', '\\|')} |`,
  });
  service.addRule('row', { filter: 'tr', replacement: tableRow });
  service.addRule('table', {
    filter: (node: unknown) => ['TABLE', 'THEAD', 'TBODY', 'TFOOT'].includes(nameOf(node)),
    replacement: (content: string, node: unknown) =>
      nameOf(node) === 'TABLE' ? `\n\n${content.replace(/\n{2,}/g, '\n').trim()}\n\n` : content,
  });
  return service.turndown(body).trim();
}

/** Markdown has no table without a head: the first row is taken for it. */
function tableRow(content: string, node: unknown): string {
  const row = node as Element & { parentNode: (Node & { parentNode: Node | null }) | null };
  const line = `\n|${content.replace(/\n/g, '')}`;
  if (!isFirstRow(row as unknown as Row)) return line;
  return `${line}\n|${' --- |'.repeat(Math.max(1, row.children.length))}`;
}

interface Row {
  readonly previousElementSibling: Row | null;
  readonly parentNode: Row | null;
  readonly nodeName: string;
}

function isFirstRow(row: Row): boolean {
  if (row.previousElementSibling !== null) return false;
  const section = row.parentNode;
  if (section === null || section.nodeName === 'TABLE' || section.nodeName === 'THEAD') return true;
  return section.previousElementSibling === null;
}

function nameOf(node: unknown): string {
  return (node as Node).nodeName;
}
