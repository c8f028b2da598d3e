// What plugins provide to each other, by name.

/** Services of all plugins, by name. */
export class ServiceTable {
  readonly #services = new Map<string, { owner: string; service: unknown }>();

  /** Services whose provider is about to be stopped: for the next generation they are not there any more. */
  going: ReadonlySet<string> = new Set();

  provide(owner: string, name: string, service: unknown): void {
    // A word that a plugin says of itself, not a thing that others use: any number of plugins may say it.
    if (name === 'authentication') return;
    const taken = this.#services.get(name);
    if (taken !== undefined && taken.owner !== owner)
      throw new Error(`service "${name}" is already provided by plugin "${taken.owner}"`);
    this.#services.set(name, { owner, service });
  }

  get(name: string): unknown {
    return this.going.has(name) ? undefined : this.#services.get(name)?.service;
  }

  /** Removes what a stopped plugin provided, unless somebody else provides it by now. */
  withdraw(owner: string, services: ReadonlyMap<string, unknown>): void {
    for (const [name, service] of services) {
      const current = this.#services.get(name);
      if (current?.owner === owner && current.service === service) this.#services.delete(name);
    }
  }
}
