// Lists of a server that changes them for one grant, as the connection of that grant gives them. The server's common lists: `live-catalogue.ts`.
import type { Catalogue } from './catalogue.ts';
import type { Connection } from './connection.ts';
import type { Lease } from './lease.ts';
import type { LiveCatalogue } from './live-catalogue.ts';
import type { ListKind } from './protocol/methods.ts';

/** By grant, from the connection that said that its lists have changed. */
export class Variants {
  readonly #make: (connection: Connection) => LiveCatalogue;
  readonly #byGrant = new Map<string, LiveCatalogue>();

  /** `make`: the lists of a connection, beginning with the common ones. */
  constructor(make: (connection: Connection) => LiveCatalogue) {
    this.#make = make;
  }

  /** What one grant is offered; undefined: what all are. */
  of(grant: string): Catalogue | undefined {
    return this.#byGrant.get(grant)?.current;
  }

  /** Lists have changed on a lease's connection: they are fetched there, and count for the lease's grant. */
  changed({ key: { grant }, connection }: Lease, kinds: readonly ListKind[]): void {
    if (grant === undefined) return;
    let variant = this.#byGrant.get(grant);
    if (variant?.connection !== connection) {
      variant?.stop();
      variant = this.#make(connection);
      this.#byGrant.set(grant, variant);
    }
    variant.refreshSoon(kinds);
  }

  /** A lease's connection has gone. True when its grant had lists from there. */
  closed({ key: { grant }, connection }: Lease): boolean {
    const variant = grant === undefined ? undefined : this.#byGrant.get(grant);
    if (grant === undefined || variant?.connection !== connection) return false;
    variant.stop();
    return this.#byGrant.delete(grant);
  }

  /** Stops following all of them. */
  stop(): void {
    for (const variant of this.#byGrant.values()) variant.stop();
  }
}
