// What a grant's rules say of a URI that its server need not list. What is listed, and what hooks take out: `toolset.ts`, `resource-routes.ts`.
import type { Grant } from './grant.ts';
import type { Server } from './server.ts';
import type { ListingMaker } from './toolset.ts';
import { climbs, spellingsOf } from './uri-spellings.ts';
import { matchesTemplate } from './uri-template.ts';

/**
 * True when the rules keep a URI from a grant, whatever template fits it: a deny pattern means it in one of its spellings, or it goes up
 * and may end anywhere. A template speaks for its URIs where rules allow it; they need not be allowed one by one.
 */
export function isRuledOut(maker: ListingMaker, grant: Grant, server: string, uri: string): boolean {
  const { resources } = grant;
  if (resources === undefined) return false;
  const matcher = maker.matcher(resources, grant);
  return climbs(uri) || spellingsOf(uri).some((spelling) => matcher.denies(server, spelling));
}

/** True when the rules let a grant use a URI of a server: by its own name, or by a template that fits it. */
export function mayUse(maker: ListingMaker, grant: Grant, server: Server, uri: string): boolean {
  // A grant's own server hides the common one of the same name.
  if (!maker.serversOf(grant).includes(server)) return false;
  const { name } = server;
  if (maker.allows(grant, 'resources', name, uri)) return true;
  const templates = server.catalogueFor(grant.id).resourceTemplates.map(({ uriTemplate }) => uriTemplate);
  return (
    templates.some((each) => matchesTemplate(each, uri) && maker.allows(grant, 'resourceTemplates', name, each)) &&
    !isRuledOut(maker, grant, name, uri)
  );
}
