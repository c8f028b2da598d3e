// A configuration file as text: reading it within bounds, its value, and the line of each key. What the value means is not decided here.
import { open } from 'node:fs/promises';
import path from 'node:path';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node } from 'yaml';
import { PlugboardError } from './errors.ts';
import { describeYamlErrors, maxAliases } from './yaml-documents.ts';

/** Where something stands: keys and indexes from the top of the file. */
export type Place = readonly (string | number)[];

const maxBytes = 1024 * 1024;

/** Deeper files are refused before they are parsed: the parser recurses. */
const maxDepth = 200;

/** A parsed file, or a value that never was one. */
export class ConfigSource {
  /** How messages name it: the path relative to the working directory, or `configuration`. */
  readonly label: string;
  readonly value: unknown;
  readonly #document: Document | undefined;
  readonly #lines: LineCounter | undefined;

  constructor(label: string, value: unknown, document?: Document, lines?: LineCounter) {
    this.label = label;
    this.value = value;
    this.#document = document;
    this.#lines = lines;
  }

  /** `plugboard.yaml:12:3` for a place; the nearest place above when it is not written there. */
  locate(place: Place): string {
    const offset = this.offsetOf(place);
    if (offset === undefined || this.#lines === undefined) return this.label;
    const { line, col } = this.#lines.linePos(offset);
    return `${this.label}:${line}:${col}`;
  }

  /** Offset in the text of the key that a place ends with (of the item, in a list). */
  offsetOf(place: Place): number | undefined {
    if (this.#document === undefined) return undefined;
    let node = this.#document.contents as Node | null | undefined;
    let offset = node?.range?.[0];
    for (const step of place) {
      if (isAlias(node)) node = node.resolve(this.#document);
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step));
        if (pair === undefined) return offset;
        offset = (pair.key as Node).range?.[0] ?? offset;
        node = pair.value as Node | null;
      } else if (isSeq(node)) {
        node = node.items[Number(step)] as Node | undefined;
        offset = node?.range?.[0] ?? offset;
      } else return offset;
    }
    return offset;
  }
}

/** `plugins.http`, `plugins["@acme/plugboard-deny"]`, `tools.allow[3]`. */
export function formatPlace(place: Place): string {
  return place
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      if (!/^[\w-]+$/.test(step)) return `[${JSON.stringify(step)}]`;
      return index === 0 ? step : `.${step}`;
    })
    .join('');
}

/** Reads YAML or JSON (which is YAML). Throws CONFIG_NOT_FOUND and CONFIG_UNREADABLE. */
export async function readSource(file: string): Promise<ConfigSource> {
  const label = labelOf(file);
  return parseSource(await readText(file, label), label);
}

/** Parses YAML or JSON. Throws CONFIG_UNREADABLE; `label` is how messages name the text. */
export function parseSource(text: string, label: string): ConfigSource {
  if (Buffer.byteLength(text) > maxBytes)
    throw new PlugboardError('CONFIG_UNREADABLE', `${label}: more than ${maxBytes} bytes`);
  const lines = new LineCounter();
  refuseDepth(text, label);
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
    if (document.errors.length > 0)
      throw new PlugboardError('CONFIG_UNREADABLE', describeYamlErrors(document.errors, text, label, lines));
    return new ConfigSource(label, document.toJS({ maxAliasCount: maxAliases }), document, lines);
  } catch (error) {
    if (error instanceof PlugboardError) throw error;
    throw new PlugboardError('CONFIG_UNREADABLE', `${label}: ${(error as Error).message}`, { cause: error });
  }
}

async function readText(file: string, label: string): Promise<string> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      if (size > maxBytes)
        throw new PlugboardError('CONFIG_UNREADABLE', `${label}: ${size} bytes (at most ${maxBytes})`);
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof PlugboardError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new PlugboardError('CONFIG_NOT_FOUND', `${label}: there is no such file`);
    const why = code === 'EISDIR' ? 'is a folder: name the file in it' : message;
    throw new PlugboardError('CONFIG_UNREADABLE', `${label}: ${why}`, { cause: error });
  }
}

function refuseDepth(text: string, label: string): void {
  let depth = 0;
  for (const character of text) {
    if (character === '[' || character === '{') depth++;
    else if ((character === ']' || character === '}') && depth > 0) depth--;
    if (depth > maxDepth) break;
  }
  if (depth > maxDepth || /(?:[-?] ){64}/.test(text))
    throw new PlugboardError('CONFIG_UNREADABLE', `${label}: nested too deeply`);
}

/** How messages name a file: by its path relative to the working directory. */
export function labelOf(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') || relative === '' ? file : relative;
}
