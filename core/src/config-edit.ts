// Changing one entry in the text of a configuration; comments and order of a YAML file stay. Whether the result is right is not checked here.
import { isMap, parseDocument } from 'yaml';
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

function inYaml(text: string, [section, key]: EntryPlace, value: JsonObject | false | undefined): string {
  const document = parseDocument(text);
  if (!isMap(document.contents)) document.contents = document.createNode({}) as never;
  if (value === undefined) {
    if (document.hasIn([section, key])) document.deleteIn([section, key]);
    return document.toString({ lineWidth: 0 });
  }
  if (!isMap(document.getIn([section]))) document.setIn([section], document.createNode(sectionBefore(section)));
  document.setIn([section, key], document.createNode(value));
  const entries: unknown = document.getIn([section], true);
  // A section that begins as `{}` goes on as people write it.
  if (isMap(entries) && entries.items.length === 1) entries.flow = false;
  return document.toString({ lineWidth: 0 });
}

function inJson(text: string, [section, key]: EntryPlace, value: JsonObject | false | undefined): string {
  const whole: unknown = text.trim() === '' ? {} : JSON.parse(text);
  const configuration = isObject(whole) ? whole : {};
  const entries = isObject(configuration[section]) ? { ...configuration[section] } : sectionBefore(section);
  if (value === undefined) delete entries[key];
  else entries[key] = value;
  return `${JSON.stringify({ ...configuration, [section]: entries }, undefined, 2)}\n`;
}

/** Without the section `plugins`, `http` runs; with it, only what it names. */
function sectionBefore(section: EntryPlace[0]): JsonObject {
  return section === 'plugins' ? { http: {} } : {};
}
