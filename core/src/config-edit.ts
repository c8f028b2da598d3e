// Changing one entry in the text of a configuration; comments and order of a YAML file stay. Whether the result is right is not checked here.
import { isDeepStrictEqual } from 'node:util';
import { isMap, isNode, isScalar, isSeq, parseDocument, stringify } from 'yaml';
import type { Document, Node, Pair, YAMLMap } from 'yaml';
import { isObject } from './protocol/messages.ts';
import type { JsonObject } from './protocol/messages.ts';

/** Where an entry stands: a section and a key in it. */
export type EntryPlace = readonly [section: 'plugins' | 'mcpServers', key: string];

/** The text with an entry set, or, with undefined, removed. `file` tells YAML from JSON. */
export function withMember(
  text: string,
  file: string,
  place: EntryPlace,
  value: JsonObject | false | undefined,
): string {
  return file.endsWith('.json') ? inJson(text, place, value) : inYaml(text, place, value);
}

function inYaml(text: string, place: EntryPlace, value: JsonObject | false | undefined): string {
  const document = parseDocument(text);
  if (!isMap(document.contents)) document.contents = document.createNode({}) as never;
  const spliced = value === undefined ? cut(text, document, place) : insert(text, document, place, value);
  change(document, place, value);
  // What was spliced is right when it says the same as the document that was changed; else that one is written anew as a whole.
  return spliced !== undefined && saysTheSame(spliced, document) ? spliced : document.toString({ lineWidth: 0 });
}

function change(document: Document, [section, key]: EntryPlace, value: JsonObject | false | undefined): void {
  if (value === undefined) {
    if (document.hasIn([section, key])) document.deleteIn([section, key]);
    const left: unknown = document.getIn([section], true);
    if (section === 'mcpServers' && isMap(left) && left.items.length === 0) document.deleteIn([section]);
    return;
  }
  if (!isMap(document.getIn([section]))) document.setIn([section], document.createNode(sectionBefore(section)));
  document.setIn([section, key], document.createNode(value));
  const entries: unknown = document.getIn([section], true);
  // A section that begins as `{}` goes on as people write it.
  if (isMap(entries) && entries.items.length === 1) entries.flow = false;
}

/** The text with a new entry below the last one of its section, or with a new section at the end: nothing else of it moves. */
function insert(
  text: string,
  document: Document,
  [section, key]: EntryPlace,
  value: JsonObject | false,
): string | undefined {
  const entries: unknown = document.getIn([section], true);
  if (!document.hasIn([section])) {
    const added = stringify({ [section]: { ...sectionBefore(section), [key]: value } }, { lineWidth: 0 });
    return text.trim() === '' ? added : `${text.trimEnd()}\n\n${added}`;
  }
  if (isScalar(entries) && entries.value === null) return underKey(text, document, [section, key], value);
  if (!isMap(entries) || entries.flow === true || entries.has(key)) return undefined;
  const last = rangeOf(text, entries.items.at(-1));
  if (last === undefined) return undefined;
  const indent = ' '.repeat(last.column);
  const added = stringify({ [key]: value }, { lineWidth: 0 }).replace(/^(?=.)/gm, indent);
  const before = text.slice(0, last.end);
  return `${before}${before.endsWith('\n') ? '' : '\n'}${added}${text.slice(last.end)}`;
}

/** The text with the first entry of a section that is written without any, below what is commented out in it. */
function underKey(text: string, document: Document, [section, key]: EntryPlace, value: JsonObject | false): string {
  const pair = (document.contents as YAMLMap).items.find((each) => isScalar(each.key) && each.key.value === section);
  const from = isScalar(pair?.key) ? (pair.key.range?.[1] ?? 0) : 0;
  const end = from + (/^.*(?:\n[ \t]*#.*)*\n?/.exec(text.slice(from))?.[0].length ?? 0);
  const before = text.slice(0, end);
  const added = stringify({ ...sectionBefore(section), [key]: value }, { lineWidth: 0 }).replace(/^(?=.)/gm, '  ');
  return `${before}${before.endsWith('\n') ? '' : '\n'}${added}${text.slice(end)}`;
}

/** The text without an entry, or without its section when it was the only server. */
function cut(text: string, document: Document, [section, key]: EntryPlace): string | undefined {
  const entries: unknown = document.getIn([section], true);
  if (!isMap(entries) || entries.flow === true) return undefined;
  const whole = section === 'mcpServers' && entries.items.length === 1;
  const items = whole ? (document.contents as YAMLMap).items : entries.items;
  const name = whole ? section : key;
  const range = rangeOf(
    text,
    items.find((pair) => isScalar(pair.key) && pair.key.value === name),
  );
  return range === undefined ? undefined : `${text.slice(0, range.start)}${text.slice(range.end)}`;
}

/** The lines of an entry, and the column of its key. */
function rangeOf(text: string, pair: Pair | undefined): { start: number; end: number; column: number } | undefined {
  if (!isScalar(pair?.key) || !isNode(pair.value)) return undefined;
  const key = pair.key.range?.[0];
  const value = lastOf(pair.value).range?.[1];
  if (key === undefined || value === undefined) return undefined;
  const start = text.lastIndexOf('\n', key - 1) + 1;
  const line = text.indexOf('\n', Math.max(key, value - 1));
  return { start, end: line < 0 ? text.length : line + 1, column: key - start };
}

/** The node that ends where the text of another one ends: that of a map reaches over the comments below it. */
function lastOf(node: Node): Node {
  const last =
    isMap(node) && node.flow !== true
      ? node.items.at(-1)?.value
      : isSeq(node) && node.flow !== true
        ? node.items.at(-1)
        : undefined;
  return isNode(last) ? lastOf(last) : node;
}

function saysTheSame(text: string, document: Document): boolean {
  const read = parseDocument(text);
  return read.errors.length === 0 && isDeepStrictEqual(read.toJS(), document.toJS());
}

function inJson(text: string, [section, key]: EntryPlace, value: JsonObject | false | undefined): string {
  const whole: unknown = text.trim() === '' ? {} : JSON.parse(text);
  const configuration = isObject(whole) ? whole : {};
  const entries = isObject(configuration[section]) ? { ...configuration[section] } : sectionBefore(section);
  if (value === undefined) delete entries[key];
  else entries[key] = value;
  const changed: JsonObject = { ...configuration, [section]: entries };
  if (section === 'mcpServers' && Object.keys(entries).length === 0) delete changed[section];
  return `${JSON.stringify(changed, undefined, 2)}\n`;
}

/** Without the section `plugins`, `http` runs; with it, only what it names. */
function sectionBefore(section: EntryPlace[0]): JsonObject {
  return section === 'plugins' ? { http: {} } : {};
}
