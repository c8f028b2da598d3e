// Writing imported servers into a configuration file: comments and order stay, and nothing that is there is replaced.
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { withMember } from '../config-edit.ts';
import { describeIssues, formatProblems } from '../config-problems.ts';
import { configSchema } from '../config-schema.ts';
import { readSource } from '../config-source.ts';
import type { ConfigSource } from '../config-source.ts';
import { PlugboardError } from '../errors.ts';
import { fold } from '../naming.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { replaceFile } from '../replace-file.ts';
import type { Conversion } from './convert.ts';

/** What was written. */
export interface Merged {
  readonly added: readonly string[];
  /** Servers that the file has in the same words. */
  readonly present: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Adds the servers to the file. Throws CONFIG_EXISTS when it has another server of a name, CONFIG_INVALID when the file would not be valid;
 * nothing is written then.
 */
export async function mergeServers(file: string, conversion: Conversion): Promise<Merged> {
  const source = await readSource(file);
  check(withoutEmpty(source.value), source);
  const present = presentServers(source, conversion.servers);
  const added = [...conversion.servers].filter(([name]) => !present.includes(name));
  const before = await readFile(file, 'utf8');
  const text = added.reduce((so, [name, entry]) => withMember(so, file, ['mcpServers', name], entry), before);
  const document = parseDocument(text);
  const notes: string[] = [];
  addSelectors(document, 'deny', conversion.deny);
  notes.push(...allowSelectors(document, conversion, new Set(added.map(([name]) => name))));
  check(document.toJS(), source);
  if (isObject(source.value) && isObject(source.value['plugins']) && source.value['plugins']['upstream'] === false)
    notes.push('plugins.upstream is false in the file, so its servers are not served');
  // What no selector was added to keeps every space of its text.
  const same = isDeepStrictEqual(document.toJS(), parseDocument(text).toJS());
  const whole = () => (file.endsWith('.json') ? toJson(document) : document.toString({ lineWidth: 0 }));
  await replaceFile(file, same ? text : whole());
  return { added: added.map(([name]) => name), present, notes };
}

/** Servers of the same name and the same words; one with other words is in the way. */
function presentServers(source: ConfigSource, servers: ReadonlyMap<string, JsonObject>): string[] {
  const section = isObject(source.value) ? source.value['mcpServers'] : undefined;
  const there = isObject(section) ? Object.entries(section) : [];
  const conflicts: string[] = [];
  const present: string[] = [];
  for (const [name, entry] of servers) {
    const found = there.find(([other]) => fold(other) === fold(name));
    if (found === undefined) continue;
    if (found[0] === name && isDeepStrictEqual(found[1], entry)) present.push(name);
    else
      conflicts.push(
        `${source.locate(['mcpServers', found[0]])}: there is another server "${found[0]}", which was left as it is`,
      );
  }
  if (conflicts.length > 0) throw new PlugboardError('CONFIG_EXISTS', `${conflicts.join('\n')}\nnothing was written`);
  return present;
}

/** A section that is missing, or written without a value, becomes a map; what is commented out in it stays. */
function ensureMap(document: Document, section: string): void {
  if (!isMap(document.contents)) {
    const { commentBefore, comment } = document;
    document.contents = document.createNode({}) as Document['contents'];
    Object.assign(document, { commentBefore, comment });
  }
  const present: unknown = document.get(section, true);
  if (isMap(present)) return;
  const map = document.createNode({});
  if (isScalar(present))
    map.commentBefore =
      [present.commentBefore, present.comment].filter((each) => typeof each === 'string').join('\n') || null;
  document.set(section, map);
}

function addSelectors(document: Document, list: 'allow' | 'deny', selectors: readonly string[]): void {
  if (selectors.length === 0) return;
  ensureMap(document, 'tools');
  if (!isSeq(document.getIn(['tools', list]))) document.setIn(['tools', list], document.createNode([]));
  const present = document.getIn(['tools', list]);
  const known: unknown[] = isSeq(present) ? present.items.map((item) => (isScalar(item) ? item.value : item)) : [];
  for (const selector of selectors) if (!known.includes(selector)) document.addIn(['tools', list], selector);
}

/** Where the file says what is shown, what the imported file switches on is added; a file that shows everything is left so. */
function allowSelectors(document: Document, { allow }: Conversion, added: ReadonlySet<string>): string[] {
  if (isSeq(document.getIn(['tools', 'allow']))) {
    const listed = new Set(allow.map((selector) => serverOf(selector)));
    const whole = [...added].filter((name) => !listed.has(name)).map((name) => `${name}:*`);
    addSelectors(document, 'allow', [...allow.filter((selector) => added.has(serverOf(selector))), ...whole]);
    return [];
  }
  return allow.length === 0 ? [] : [openNote(allow)];
}

/** Says that tools are shown now which the imported file did not list. */
export function openNote(allow: readonly string[]): string {
  const names = [...new Set(allow.map((selector) => serverOf(selector)))].join(', ');
  return `${names}: all tools are shown that are not denied, not only those which the imported file switches on; list them under tools.allow to have only those`;
}

function serverOf(selector: string): string {
  return selector.slice(0, selector.indexOf(':'));
}

/** A section without a value stands for nothing yet. */
function withoutEmpty(value: unknown): unknown {
  return isObject(value)
    ? Object.fromEntries(Object.entries(value).filter(([, each]) => each !== null))
    : (value ?? {});
}

function check(value: unknown, source: ConfigSource): void {
  const checked = configSchema.safeParse(value);
  if (checked.success) return;
  const problems = describeIssues(configSchema, checked.error, []);
  throw new PlugboardError(
    'CONFIG_INVALID',
    formatProblems(problems, (place) => source.locate(place), source),
  );
}

function toJson(document: Document): string {
  return `${JSON.stringify(document.toJS(), undefined, 2)}\n`;
}
