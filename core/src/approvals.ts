// Approved tools: a tool whose definition is another one than the one that somebody approved is not shown and cannot be called.
import { createHash } from 'node:crypto';
import type { LockFile } from './lock-file.ts';
import { isObject } from './protocol/messages.ts';
import type { JsonObject, Tool } from './protocol/messages.ts';

/** Why a tool is held back. */
export type Quarantine = 'changed' | 'new';

/** Digests by definition: a definition is hashed once, whoever lists it. */
const digests = new WeakMap<Tool, string>();

/** The approvals of one lock file. */
export class Approvals {
  readonly #servers: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly #required: boolean;

  /** `required`: tools of servers that nobody has approved are held back too. */
  constructor(servers: LockFile['servers'], required: boolean) {
    this.#servers = new Map(Object.entries(servers).map(([name, { tools }]) => [name, new Map(Object.entries(tools))]));
    this.#required = required;
  }

  /** True when tools of this server have to be approved. */
  concerns(server: string): boolean {
    return this.#required || this.#servers.has(server);
  }

  /** Why a tool is held back; undefined: it is not. */
  quarantine(server: string, tool: Tool): Quarantine | undefined {
    const approved = this.#servers.get(server);
    if (approved === undefined) return this.#required ? 'new' : undefined;
    const digest = approved.get(tool.name);
    if (digest === undefined) return 'new';
    return digest === digestOf(tool) ? undefined : 'changed';
  }
}

/** SHA-256 of a tool's definition, whatever the order of its members. */
export function digestOf(tool: Tool): string {
  let digest = digests.get(tool);
  if (digest === undefined) {
    digest = `sha256-${createHash('sha256').update(canonical(tool)).digest('base64')}`;
    digests.set(tool, digest);
  }
  return digest;
}

/** JSON with the members of every object in order. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown): unknown => (isObject(member) ? sortedMembers(member) : member));
}

function sortedMembers(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}
