// Which server serves a URI to a grant: who lists it, whose listed template fits it, or the one server of an endpoint that is open as a whole.
import type { Exchange } from './exchange.ts';
import type { Hooks } from './hook.ts';
import type { Listing } from './listing.ts';
import type { ResourceEntry } from './board-api.ts';
import { Answer } from './protocol/answer.ts';
import { rpcCode } from './protocol/messages.ts';
import { isRuledOut } from './resource-rules.ts';
import type { Servers } from './servers.ts';
import type { ListingMaker, View } from './toolset.ts';
import { spellingsOf } from './uri-spellings.ts';
import { matchesTemplate } from './uri-template.ts';

export interface ResourceRouteParts {
  readonly servers: Servers;
  readonly maker: ListingMaker;
  readonly hooks: () => Hooks;
}

/** Finds the servers of URIs. A URI that is served is listed, or fits a listed template and is kept from the grant by nobody. */
export class ResourceRoutes {
  readonly #parts: ResourceRouteParts;

  constructor(parts: ResourceRouteParts) {
    this.#parts = parts;
  }

  /** The server of a URI. Rejects with a plugin's fault. */
  async serverOf(view: View, uri: string): Promise<string | undefined> {
    const resources = await view.list('resources');
    const listed = resources.byName.get(uri);
    if (listed !== undefined) return listed.server;
    const templates = await view.list('resourceTemplates');
    const fitting = templates.entries.find(
      ({ name, server }) => name === uri || (matchesTemplate(name, uri) && !this.#isKept(view, server, uri, resources)),
    );
    return fitting?.server ?? this.#unlisted(view);
  }

  /** The one server of an endpoint, for grants that may use all of it and are shown resources by no other rule. */
  wholeServer({ server, grant }: View): string | undefined {
    const { maker, servers } = this.#parts;
    if (server === undefined || servers.find(server, grant) === undefined) return undefined;
    return maker.wholeServer(grant, server) && grant.resources === undefined ? server : undefined;
  }

  /** What nobody lists is served only where nothing can have been taken out of the list. */
  #unlisted(view: View): string | undefined {
    return this.#parts.hooks().onListResources.used ? undefined : this.wholeServer(view);
  }

  /** True when a URI is kept from the grant although a template fits it: by a rule, or by a hook that took it out of the list. */
  #isKept({ grant }: View, server: string, uri: string, shown: Listing<ResourceEntry>): boolean {
    const { maker, servers, hooks } = this.#parts;
    if (isRuledOut(maker, grant, server, uri)) return true;
    if (!hooks().onListResources.used) return false;
    const spellings = new Set(spellingsOf(uri));
    const offered = servers.find(server, grant)?.catalogueFor(grant.id).resources ?? [];
    return offered.some(
      ({ uri: own }) => spellings.has(own) && !shown.byName.has(own) && maker.allows(grant, 'resources', server, own),
    );
  }
}

/** The answer for a URI that the grant does not see, or that there is not. */
export function unknownResource(uri: string, { caller }: Exchange): Answer {
  return Answer.error(
    caller.era === 'old' ? rpcCode.resourceNotFound : rpcCode.invalidParams,
    `Resource not found: ${uri}`,
    { uri },
  );
}
