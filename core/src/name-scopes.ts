// Which servers there are when names are read and made: one scope for all grants, and one for each grant that has servers of its own.
// A server that only one grant has must change neither the names nor the selectors of another.
import type { Grant, Rules } from './grant.ts';
import { Naming } from './naming.ts';
import { compileRules } from './selectors.ts';
import type { RuleMatcher } from './selectors.ts';
import type { Servers } from './servers.ts';

/** A set of servers, and what depends on it. */
export class NameScope {
  /** Unique among all scopes there ever were. */
  readonly key: string;
  readonly naming: Naming;
  readonly #servers: readonly string[];
  readonly #proxy: string;
  readonly #matchers = new WeakMap<Rules, RuleMatcher>();

  constructor(key: string, servers: readonly string[], proxy: string) {
    this.key = key;
    this.#servers = servers;
    this.#proxy = proxy;
    this.naming = new Naming(proxy);
    this.naming.setServers(servers);
  }

  /** Compiled rules; bare selectors are read by the servers of this scope. */
  matcher(rules: Rules): RuleMatcher {
    let matcher = this.#matchers.get(rules);
    if (matcher === undefined) {
      matcher = compileRules(rules, { servers: this.#servers, proxy: this.#proxy });
      this.#matchers.set(rules, matcher);
    }
    return matcher;
  }
}

/** The scopes of one proxy, made anew when their servers change. */
export class NameScopes {
  readonly #servers: Servers;
  readonly #proxy: string;
  #common: NameScope | undefined;
  readonly #own = new Map<string, NameScope>();
  #count = 0;

  /** `proxy` is the name under which clients configure this proxy. */
  constructor(servers: Servers, proxy: string) {
    this.#servers = servers;
    this.#proxy = proxy;
  }

  /** The servers of a grant changed; without one, the common ones. */
  changed(grant?: string): void {
    if (grant !== undefined) this.#own.delete(grant);
    else {
      this.#common = undefined;
      this.#own.clear();
    }
  }

  of(grant: Grant): NameScope {
    if (!this.#servers.hasOwn(grant)) {
      this.#common ??= this.#make(this.#servers.all().map(({ name }) => name));
      return this.#common;
    }
    let own = this.#own.get(grant.id);
    if (own === undefined) {
      own = this.#make([...new Set([...this.#servers.all(), ...this.#servers.of(grant)].map(({ name }) => name))]);
      this.#own.set(grant.id, own);
    }
    return own;
  }

  #make(servers: readonly string[]): NameScope {
    this.#count += 1;
    return new NameScope(String(this.#count), servers, this.#proxy);
  }
}
