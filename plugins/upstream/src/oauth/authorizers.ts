// The authorizers of all servers, one per server, so that all connections to it use one token. What they do is in `authorizer.ts`.
import type { Log } from 'plugboard';
import { Authorizer } from './authorizer.ts';
import type { OAuthSettings } from './oauth-settings.ts';

export class Authorizers {
  readonly #byFile = new Map<string, Promise<Authorizer>>();
  #closed = false;

  /** The authorizer of a server; made with the first connection. Undefined settings: none. */
  async of(settings: OAuthSettings | undefined, log: Log): Promise<Authorizer | undefined> {
    if (settings === undefined || this.#closed) return undefined;
    let loading = this.#byFile.get(settings.file);
    if (loading === undefined) {
      loading = Authorizer.load(settings, log);
      this.#byFile.set(settings.file, loading);
    }
    const authorizer = await loading;
    authorizer.adopt(settings, log);
    return authorizer;
  }

  /** Gives up whatever is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const authorizer of await Promise.all(this.#byFile.values())) authorizer.close();
  }
}
