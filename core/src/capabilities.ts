// What a plugin's package declares to need, and the part of it that the core can hold it to: hooks, services, the board.
// What a plugin does with Node itself (network, files, processes) is declared for people; see docs/trust.md.
import { isObject } from './protocol/messages.ts';
import type { JsonObject } from './protocol/messages.ts';

/** The declaration of one plugin: `plugboard.capabilities` of its package.json. */
export class Capabilities {
  readonly #plugin: string;
  readonly declared: JsonObject;

  constructor(plugin: string, declared: JsonObject) {
    this.#plugin = plugin;
    this.declared = declared;
  }

  /** Reads a package's manifest. A package that declares nothing gets nothing. */
  static of(plugin: string, manifest: JsonObject): Capabilities {
    const own = isObject(manifest['plugboard']) ? manifest['plugboard'] : {};
    return new Capabilities(plugin, isObject(own['capabilities']) ? own['capabilities'] : {});
  }

  /** Throws when a hook or service is not declared. */
  demand(kind: 'hooks' | 'services', name: string): void {
    const list = this.declared[kind];
    if (Array.isArray(list) && list.includes(name)) return;
    throw new Error(
      `${kind === 'hooks' ? 'hook' : 'service'} "${name}" is not declared: add it to plugboard.capabilities.${kind} in the package.json of "${this.#plugin}"`,
    );
  }

  /** Throws when the plugin does not declare that it acts as a transport or as management. */
  demandBoard(): void {
    if (this.declared['board'] === true) return;
    throw new Error(
      `api.board is not declared: add "board": true to plugboard.capabilities in the package.json of "${this.#plugin}"`,
    );
  }
}
