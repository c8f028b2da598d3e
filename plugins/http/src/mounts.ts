// Paths of other plugins on the same listener. They come after the checks of Host and Origin; everything else is theirs.
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Serves one request; what it throws is logged and answered with 500. */
export type MountHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export class Mounts {
  readonly #handlers = new Map<string, MountHandler>();
  readonly #reserved: readonly string[];

  /** `reserved`: paths that this plugin serves itself. */
  constructor(reserved: readonly string[]) {
    this.#reserved = reserved;
  }

  /** Serves `path` and everything below it. Returns a function that takes it back. Throws when the path is taken or not a path. */
  add(path: string, handler: MountHandler): () => void {
    if (!/^(\/[A-Za-z0-9._~-]+)+$/.test(path))
      throw new Error(`http: cannot mount ${JSON.stringify(path)}: a path looks like /api`);
    if (this.#reserved.includes(path) || this.#handlers.has(path)) throw new Error(`http: the path ${path} is taken`);
    this.#handlers.set(path, handler);
    return () => {
      if (this.#handlers.get(path) === handler) this.#handlers.delete(path);
    };
  }

  /** The handler of the longest mounted path that a request path begins with. */
  find(path: string): MountHandler | undefined {
    if (this.#handlers.size === 0) return undefined;
    for (let prefix = path; prefix !== ''; prefix = prefix.slice(0, prefix.lastIndexOf('/'))) {
      const handler = this.#handlers.get(prefix);
      if (handler !== undefined) return handler;
    }
    return undefined;
  }
}
