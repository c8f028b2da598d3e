// Who a token stands for. Where the token comes from, and what wrong ones lead to, is not known here.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Actor, Role } from 'plugboard';
import { localName } from './options.ts';
import type { Options } from './options.ts';

const ranks: Readonly<Record<Role, number>> = { viewer: 0, operator: 1, admin: 2 };

/** True when a role may do what asks for another. */
export function mayDo(role: Role, needed: Role): boolean {
  return ranks[role] >= ranks[needed];
}

interface Known {
  readonly actor: Actor;
  readonly digest: Buffer;
}

/** The tokens of the options, and the one that this process has made for its own machine. Only digests are kept. */
export class Credentials {
  readonly #known: readonly Known[];
  readonly #local: Known | undefined;
  /** Secret; undefined: none was asked for. */
  readonly localToken: string | undefined;

  constructor({ tokens, localCredential }: Pick<Options, 'tokens' | 'localCredential'>) {
    this.#known = tokens.map(({ name, role, token }) => ({ actor: { name, role }, digest: digestOf(token) }));
    if (!localCredential) return;
    this.localToken = randomBytes(32).toString('base64url');
    this.#local = { actor: { name: localName, role: 'admin' }, digest: digestOf(this.localToken) };
  }

  /** The actor of the local credential. It has 256 random bits, so nobody finds it by trying. */
  identifyLocal(token: string): Actor | undefined {
    return find(digestOf(token), this.#local === undefined ? [] : [this.#local]);
  }

  /** The actor of a configured token. */
  identify(token: string): Actor | undefined {
    return find(digestOf(token), this.#known);
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Takes the same time whether and where it finds one: equal lengths, every byte and every token compared. */
function find(digest: Buffer, all: readonly Known[]): Actor | undefined {
  let found: Actor | undefined;
  for (const known of all) if (timingSafeEqual(known.digest, digest)) found = known.actor;
  return found;
}
