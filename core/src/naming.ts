// Names that clients see: prefixed by the server, short enough and unambiguous. A pure function of (server, name, configured servers).
import { createHash } from 'node:crypto';

/** Clients put `mcp__<proxy>__` before a tool's name and cut at 64 characters of `[A-Za-z0-9_-]`. */
const clientLimit = 64;
const digestLength = 8;

/** Makes the exposed names of one proxy. */
export class Naming {
  readonly #limit: number;
  #servers: readonly { name: string; folded: string }[] = [];

  /** `proxy` is the name under which clients configure this proxy. */
  constructor(proxy: string) {
    this.#limit = clientLimit - `mcp__${proxy}__`.length;
  }

  /** Tells which servers are configured, in order. */
  setServers(names: readonly string[]): void {
    this.#servers = names.map((name) => ({ name, folded: fold(name) }));
  }

  /**
   * The exposed name of a tool or prompt: `server_name`, or, where that is too long, has other characters, or could be read as another
   * server's name, its beginning with a digest of the pair. The same pair always gets the same name, whichever servers are up.
   */
  expose(server: string, name: string): string {
    const plain = `${server}_${name}`;
    const clean = plain.replace(/[^A-Za-z0-9_-]/g, '_');
    return clean === plain && plain.length <= this.#limit && !this.#ambiguous(server, plain)
      ? plain
      : this.distinguish(clean, server, name);
  }

  /** A name made unique by a digest of the pair it stands for. */
  distinguish(name: string, server: string, own: string): string {
    const digest = createHash('sha256').update(`${server}\0${own}`).digest('hex').slice(0, digestLength);
    return `${name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, this.#limit - digestLength - 1)}_${digest}`;
  }

  /** True when a name may stand as it is. */
  fits(name: string): boolean {
    return name.length <= this.#limit && /^[A-Za-z0-9_-]+$/.test(name);
  }

  /** True when another server has the better claim to the name: the longest prefix wins, then the first configured. */
  #ambiguous(server: string, plain: string): boolean {
    const folded = fold(plain);
    const own = fold(server);
    let before = true;
    for (const other of this.#servers) {
      if (other.name === server) before = false;
      else if (
        folded.startsWith(`${other.folded}_`) &&
        (other.folded.length > own.length || (other.folded === own && before))
      )
        return true;
    }
    return false;
  }
}

/** Clients fold `-` to `_`; names that differ only there are the same to them. */
export function fold(name: string): string {
  return name.replaceAll('-', '_');
}
