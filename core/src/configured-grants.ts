// The grants that the configuration names, and the one of callers without a credential. Grants of plugins are their own business.
import { createHash } from 'node:crypto';
import type { Config } from './config.ts';
import type { Callers } from './door.ts';
import type { Grant, Rules } from './grant.ts';

const nothing: Rules = { allow: [], deny: [] };

/** A grant of the configuration. One object for as long as it is named, so that sessions see its new rules. */
class ConfiguredGrant implements Grant {
  readonly id: string;
  tools: Rules = nothing;
  resources: Rules | undefined;
  prompts: Rules | undefined;
  constructor(id: string) {
    this.id = id;
  }
}

/** All of them, from one configuration to the next. */
export class ConfiguredGrants {
  readonly #grants = new Map<string, ConfiguredGrant>();
  readonly #changed: (grant: Grant) => void;
  #gone: Grant[] = [];

  /** `changed` hears of every grant whose rules may be other ones now. */
  constructor(changed: (grant: Grant) => void) {
    this.#changed = changed;
  }

  /** Gives all grants the rules of a configuration; those that it no longer names see nothing from now on, and are gone. */
  callersOf(config: Config, isProtected: boolean): Callers {
    const open = config.grants.length === 0 && !isProtected;
    const allow = config.tools.allow ?? (open ? ['*'] : []);
    const defaultGrant = this.#set('default', { allow, deny: config.tools.deny }, config.resources, config.prompts);
    const grants = new Map<string, Grant>();
    const tokens = new Map<string, Grant>();
    for (const { name, token, tools, resources, prompts } of config.grants) {
      const grant = this.#set(`grant:${name}`, tools, resources, prompts);
      grants.set(name, grant);
      tokens.set(createHash('sha256').update(token).digest('hex'), grant);
    }
    const kept = new Set<Grant>([defaultGrant, ...grants.values()]);
    for (const grant of this.#grants.values()) if (!kept.has(grant)) this.#drop(grant);
    return { defaultGrant, grants, tokens, protected: isProtected };
  }

  /** Those that have gone since this was last asked. */
  takeGone(): Grant[] {
    return this.#gone.splice(0);
  }

  #drop(grant: Grant): void {
    this.#set(grant.id, nothing, nothing, nothing);
    this.#grants.delete(grant.id);
    this.#gone.push(grant);
  }

  #set(id: string, tools: Rules, resources: Rules | undefined, prompts: Rules | undefined): Grant {
    let grant = this.#grants.get(id);
    if (grant === undefined) {
      grant = new ConfiguredGrant(id);
      this.#grants.set(id, grant);
    }
    Object.assign(grant, { tools, resources, prompts });
    this.#changed(grant);
    return grant;
  }
}
