// The door: which grant a credential stands for. What a grant may do is the toolset's business.
import { createHash } from 'node:crypto';
import { Unauthorized } from './errors.ts';
import type { AuthenticationContext, Credential, Grant } from './grant.ts';
import type { Hooks } from './hook.ts';

/** Who may call: set anew with every configuration. */
export interface Callers {
  readonly defaultGrant: Grant;
  /** Named grants by name. */
  readonly grants: ReadonlyMap<string, Grant>;
  /** Grants by the SHA-256 (hex) of their token. */
  readonly tokens: ReadonlyMap<string, Grant>;
  readonly protected: boolean;
}

/** Closed until the first generation is whole: transports may listen before the last plugin is applied. */
export class Door {
  readonly #hooks: () => Hooks;
  #callers: Callers | undefined;
  #isOpen = false;
  #opened!: () => void;
  readonly #opening = new Promise<void>((resolve) => (this.#opened = resolve));

  constructor(hooks: () => Hooks) {
    this.#hooks = hooks;
  }

  get callers(): Callers {
    if (this.#callers === undefined) throw new Error('the board has no callers yet');
    return this.#callers;
  }

  set callers(callers: Callers) {
    this.#callers = callers;
  }

  /** From now on somebody may get in. */
  open(): void {
    this.#isOpen = true;
    this.#opened();
  }

  /** The grant of a credential: the configured one, or what a plugin says. Throws `Unauthorized`. */
  authenticate(credential: Credential, context: AuthenticationContext): Grant | Promise<Grant> {
    if (!this.#isOpen) return this.#opening.then(() => this.authenticate(credential, context));
    if (credential.kind === 'bearer') {
      const grant = this.callers.tokens.get(createHash('sha256').update(credential.token).digest('hex'));
      if (grant !== undefined) return grant;
    }
    if (this.#hooks().onAuthenticate.used) return this.#askPlugins(credential, context);
    if (credential.kind === 'none') return this.callers.defaultGrant;
    throw new Unauthorized();
  }

  async #askPlugins(credential: Credential, context: AuthenticationContext): Promise<Grant> {
    const grant = await this.#hooks().onAuthenticate.run(credential, context);
    if (grant !== undefined) return grant;
    if (credential.kind === 'none') return this.callers.defaultGrant;
    throw new Unauthorized();
  }
}
