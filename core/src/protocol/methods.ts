// The methods of MCP as data: what each list is called, which capability it needs, and which methods belong to which era.
import type { Era } from './messages.ts';

export type ListKind = 'tools' | 'resources' | 'resourceTemplates' | 'prompts';

export interface ListMethod {
  readonly method: string;
  /** The capability that a server must declare; without it the list is not asked for. */
  readonly capability: 'tools' | 'resources' | 'prompts';
  /** The notification that says the list has changed. */
  readonly changed: string;
  /** The filter of `subscriptions/listen` that stands for it (2026-07-28). */
  readonly filter: 'toolsListChanged' | 'resourcesListChanged' | 'promptsListChanged';
  /** The member that identifies an item. */
  readonly key: 'name' | 'uri' | 'uriTemplate';
}

/** All lists; the member of the result is the kind itself. */
export const listMethods: { readonly [Kind in ListKind]: ListMethod } = {
  tools: {
    method: 'tools/list',
    capability: 'tools',
    changed: 'notifications/tools/list_changed',
    filter: 'toolsListChanged',
    key: 'name',
  },
  resources: {
    method: 'resources/list',
    capability: 'resources',
    changed: 'notifications/resources/list_changed',
    filter: 'resourcesListChanged',
    key: 'uri',
  },
  resourceTemplates: {
    method: 'resources/templates/list',
    capability: 'resources',
    changed: 'notifications/resources/list_changed',
    filter: 'resourcesListChanged',
    key: 'uriTemplate',
  },
  prompts: {
    method: 'prompts/list',
    capability: 'prompts',
    changed: 'notifications/prompts/list_changed',
    filter: 'promptsListChanged',
    key: 'name',
  },
};

export const listKinds = Object.keys(listMethods) as readonly ListKind[];

/** The kind of list that a method asks for. */
export const listKindOf: ReadonlyMap<string, ListKind> = new Map(
  listKinds.map((kind) => [listMethods[kind].method, kind]),
);

/** Methods that only one era has; all others are in both (2026-07-28, changes). */
const onlyIn: ReadonlyMap<string, Era> = new Map<string, Era>([
  ['initialize', 'old'],
  ['ping', 'old'],
  ['logging/setLevel', 'old'],
  ['resources/subscribe', 'old'],
  ['resources/unsubscribe', 'old'],
  ['tasks/list', 'old'],
  ['tasks/result', 'old'],
  ['server/discover', 'new'],
  ['subscriptions/listen', 'new'],
  ['tasks/update', 'new'],
]);

/** True when the method exists in the era (extension methods exist in both). */
export function existsIn(method: string, era: Era): boolean {
  const only = onlyIn.get(method);
  return only === undefined || only === era;
}

/** Severity of log levels, RFC 5424 order: higher is worse. */
const severities = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** True when a message of `level` is at or above the wanted `threshold`. Unknown levels pass. */
export function isLoggable(level: unknown, threshold: string): boolean {
  const severity = severities.indexOf(String(level));
  return severity < 0 || severity >= severities.indexOf(threshold);
}

/** True for one of the specification's log levels. */
export function isLogLevel(level: unknown): level is string {
  return typeof level === 'string' && severities.includes(level);
}
