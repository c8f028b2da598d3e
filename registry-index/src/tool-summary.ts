// From a tool as a server lists it to the line that a catalogue keeps of it.
import { maxToolDescription } from './entry-parts.ts';
import type { Annotations, ToolSummary } from './entry-parts.ts';

/** The part of MCP's `Tool` that is looked at. */
export interface ListedTool {
  readonly name: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly annotations?: object | undefined;
}

/** Sums up tools, sorted by name. */
export function summarizeTools(tools: readonly ListedTool[]): ToolSummary[] {
  return tools.map(summarizeTool).sort((a, b) => compareText(a.name, b.name));
}

/** Order of text that is the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function summarizeTool(tool: ListedTool): ToolSummary {
  const annotations = readAnnotations(tool.annotations);
  const description = shorten(tool.description ?? '');
  const categories = categoriesOf(annotations);
  return {
    name: tool.name,
    ...(tool.title === undefined || tool.title === '' ? {} : { title: tool.title }),
    ...(description === '' ? {} : { description }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    ...(categories.length === 0 ? {} : { categories }),
  };
}

function readAnnotations(given: object | undefined): Annotations {
  const source = (given ?? {}) as Record<string, unknown>;
  const found: Record<string, unknown> = {};
  if (typeof source['title'] === 'string') found['title'] = source['title'];
  for (const hint of ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint']) {
    if (typeof source[hint] === 'boolean') found[hint] = source[hint];
  }
  return found;
}

/** What the hints say outright. MCP's defaults (writing, destructive) are for the careful client, not for a catalogue of facts. */
export function categoriesOf({ readOnlyHint, destructiveHint }: Annotations): NonNullable<ToolSummary['categories']> {
  if (readOnlyHint === true) return ['read'];
  if (destructiveHint === true) return ['write', 'destructive'];
  return readOnlyHint === false ? ['write'] : [];
}

/** The first paragraph on one line, cut at a word. */
function shorten(description: string): string {
  const [paragraph = ''] = description.trim().split(/\n\s*\n/);
  const line = paragraph.replace(/\s+/g, ' ').replaceAll('${', '$ {').trim();
  if (line.length <= maxToolDescription) return line;
  const cut = line.slice(0, maxToolDescription - 1);
  return `${cut.slice(0, Math.max(cut.lastIndexOf(' '), 1)).replace(/[,;:.\s]+$/, '')}…`;
}
