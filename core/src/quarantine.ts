// Tools that are held back because nobody has approved their definition: which they are, and saying so once. Hiding them is the toolset's business.
import type { QuarantinedTool } from './board-api.ts';
import type { Log } from './plugin.ts';
import type { Server } from './server.ts';
import type { ListingMaker } from './toolset.ts';

export class QuarantineWatch {
  readonly #maker: ListingMaker;
  readonly #log: Log;
  readonly #said = new Map<string, string>();

  constructor(maker: ListingMaker, log: Log) {
    this.#maker = maker;
    this.#log = log;
  }

  /** The tools of a server that are held back. */
  of(server: Server): QuarantinedTool[] {
    const approvals = this.#maker.approvalsFor(server);
    if (approvals === undefined) return [];
    return server.catalogue.tools.flatMap((tool) => {
      const why = approvals.quarantine(server.name, tool);
      return why === undefined ? [] : [{ server: server.name, tool, why }];
    });
  }

  /** A server's tools have changed: logs what is held back, when it is something else than before. */
  changed(server: Server): void {
    const { name } = server;
    const names = this.of(server)
      .map(({ tool, why }) => `${tool.name} (${why})`)
      .join(', ');
    if ((this.#said.get(name) ?? '') === names) return;
    this.#said.set(name, names);
    if (names === '') return;
    this.#log.warn(`server "${name}": held back until approved (plugboard approve ${name}): ${names}`, {
      server: name,
    });
  }
}
