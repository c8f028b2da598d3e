// One list as one grant sees it, and its bytes, written once. What is in it has been decided in `toolset.ts`.
import { createHash } from 'node:crypto';
import type { PromptEntry, ResourceEntry, ToolEntry } from './board-api.ts';
import type { Era, Implementation, JsonObject } from './protocol/messages.ts';
import { listMethods } from './protocol/methods.ts';
import type { ListKind } from './protocol/methods.ts';
import { resultForNew } from './protocol/translate.ts';

/** The entry type of each list. */
export interface EntryOf {
  tools: ToolEntry;
  prompts: PromptEntry;
  resources: ResourceEntry;
  resourceTemplates: ResourceEntry;
}

/** One list as one grant sees it at one endpoint: what is listed, and the lookup by which calls are resolved. */
export class Listing<Entry extends { readonly name: string; readonly definition: JsonObject }> {
  readonly kind: ListKind;
  readonly entries: readonly Entry[];
  readonly byName: ReadonlyMap<string, Entry>;
  readonly #ttlMs: number;
  readonly #serverInfo: Implementation;
  #members: string | undefined;
  #digest: string | undefined;
  readonly #written = new Map<Era, Buffer>();

  constructor(kind: ListKind, entries: readonly Entry[], ttlMs: number, serverInfo: Implementation) {
    this.kind = kind;
    this.entries = entries;
    this.byName = new Map(entries.map((entry) => [entry.name, entry]));
    this.#ttlMs = ttlMs;
    this.#serverInfo = serverInfo;
  }

  /** The bytes of the list's result for an era, written once. */
  written(era: Era): Buffer {
    let bytes = this.#written.get(era);
    if (bytes === undefined) {
      const frame =
        era === 'old'
          ? {}
          : { ...resultForNew(listMethods[this.kind].method, {}, this.#serverInfo), ttlMs: this.#ttlMs };
      const rest = JSON.stringify(frame).slice(1);
      bytes = Buffer.from(`{"${this.kind}":[${this.#json()}]${rest === '}' ? '}' : `,${rest}`}`);
      this.#written.set(era, bytes);
    }
    return bytes;
  }

  /** Two listings with the same digest look the same to a client. */
  get digest(): string {
    this.#digest ??= createHash('sha1').update(this.#json()).digest('base64');
    return this.#digest;
  }

  #json(): string {
    this.#members ??= this.entries.map(entryJson).join(',');
    return this.#members;
  }
}

/** The JSON of an entry is the same for every grant that sees it under the same name, so it is kept with the entry. */
const jsonOfEntry = new WeakMap<object, string>();

function entryJson(entry: { readonly name: string; readonly definition: JsonObject }): string {
  let json = jsonOfEntry.get(entry);
  if (json === undefined) {
    const { definition } = entry;
    // The name of a resource entry is its URI, which clients see under a member of its own.
    json = JSON.stringify('tool' in entry || 'prompt' in entry ? { ...definition, name: entry.name } : definition);
    jsonOfEntry.set(entry, json);
  }
  return json;
}
