// From the catalogue of all servers to the lists of one grant: selection, naming, hooks, and the cache of the result. The list is the lock.
import type { Approvals } from './approvals.ts';
import type { PromptEntry, ResourceEntry, ToolEntry } from './board-api.ts';
import type { Grant, Rules } from './grant.ts';
import type { Hooks } from './hook.ts';
import { Listing } from './listing.ts';
import type { EntryOf } from './listing.ts';
import { NameScopes } from './name-scopes.ts';
import type { NameScope } from './name-scopes.ts';
import { fold } from './naming.ts';
import type { Implementation, JsonObject, Tool } from './protocol/messages.ts';
import { listMethods } from './protocol/methods.ts';
import type { ListKind } from './protocol/methods.ts';
import { mayUse } from './resource-rules.ts';
import type { RuleMatcher } from './selectors.ts';
import type { Server } from './server.ts';
import type { Servers } from './servers.ts';

/** What a grant sees at an endpoint (all servers, or one). Listings are made on demand and kept until something they depend on changes. */
export class View {
  readonly grant: Grant;
  /** Name of the one server of the endpoint. */
  readonly server: string | undefined;
  readonly #maker: ListingMaker;
  readonly #listings = new Map<ListKind, { version: number; listing: Listing<never> | Promise<Listing<never>> }>();

  constructor(grant: Grant, server: string | undefined, maker: ListingMaker) {
    this.grant = grant;
    this.server = server;
    this.#maker = maker;
  }

  /** True when the grant's rules let it use a URI of a server, listed or not. */
  mayUse(server: Server, uri: string): boolean {
    return (this.server === undefined || this.server === server.name) && mayUse(this.#maker, this.grant, server, uri);
  }

  /** True when a listing was made and something has changed since. */
  outdated(kind: ListKind): boolean {
    const kept = this.#listings.get(kind);
    return kept !== undefined && kept.version !== this.#maker.version(this.grant);
  }

  /** The current listing; a promise only while it is being made. Rejects with a plugin's fault: no list is better than a wrong one. */
  list<Kind extends ListKind>(kind: Kind): Listing<EntryOf[Kind]> | Promise<Listing<EntryOf[Kind]>> {
    const version = this.#maker.version(this.grant);
    const kept = this.#listings.get(kind);
    if (kept !== undefined && kept.version === version) return kept.listing;
    const made = this.#maker.make(this, kind);
    const slot = { version, listing: made as never as Promise<Listing<never>> | Listing<never> };
    this.#listings.set(kind, slot);
    made.then(
      (listing) => {
        slot.listing = listing as never;
      },
      () => {
        if (this.#listings.get(kind) === slot) this.#listings.delete(kind);
      },
    );
    return made;
  }
}

/** Makes listings, and knows when they are out of date. */
export class ListingMaker {
  readonly #servers: Servers;
  readonly #scopes: NameScopes;
  readonly #hooks: () => Hooks;
  readonly #serverInfo: Implementation;
  #epoch = 1;
  readonly #grantEpochs = new Map<string, number>();
  readonly #views = new WeakMap<Grant, Map<string, View>>();
  readonly #entries = new WeakMap<JsonObject, Map<string, ToolEntry | PromptEntry | ResourceEntry>>();

  /** Which tools somebody has approved; undefined: nobody has to. */
  approvals: Approvals | undefined;

  constructor(servers: Servers, hooks: () => Hooks, serverInfo: Implementation) {
    this.#servers = servers;
    this.#scopes = new NameScopes(servers, serverInfo.name);
    this.#hooks = hooks;
    this.#serverInfo = serverInfo;
  }

  /** The view of a grant on an endpoint; the same object for the same pair. */
  view(grant: Grant, server: string | undefined): View {
    let views = this.#views.get(grant);
    if (views === undefined) {
      views = new Map();
      this.#views.set(grant, views);
    }
    let view = views.get(server ?? '');
    if (view === undefined) {
      view = new View(grant, server, this);
      views.set(server ?? '', view);
    }
    return view;
  }

  /** Increases whenever a listing of the grant may look different. */
  version(grant: Grant): number {
    return this.#epoch * 1e6 + (this.#grantEpochs.get(grant.id) ?? 0);
  }

  /** The catalogue of a common server, or the hooks, changed. */
  catalogueChanged(): void {
    this.#epoch += 1;
  }

  /** The set of common servers changed. */
  serversChanged(): void {
    this.#scopes.changed();
    this.#epoch += 1;
  }

  /** The rules of a grant changed, or what one of its own servers offers. */
  grantChanged(grant: string): void {
    this.#grantEpochs.set(grant, (this.#grantEpochs.get(grant) ?? 0) + 1);
  }

  /** The set of servers that only this grant has changed. */
  ownServersChanged(grant: string): void {
    this.#scopes.changed(grant);
    this.grantChanged(grant);
  }

  /** The grant is no longer valid: nothing is kept of it. */
  forget(grant: Grant): void {
    this.#views.delete(grant);
    this.#scopes.changed(grant.id);
  }

  /** True when the rules of a grant let it see an item of a server. */
  allows(grant: Grant, kind: ListKind, server: string, own: string): boolean {
    return this.#servers.find(server, grant) !== undefined && this.#selection(grant, kind, server)(own);
  }

  /** The servers a grant can see at all: the common ones and its own. */
  serversOf(grant: Grant): Server[] {
    return this.#servers.of(grant);
  }

  /** The servers of which a grant may use anything. The others do not exist for it. */
  visibleTo(grant: Grant): Server[] {
    const tools = [grant.tools, ...(grant.within ?? [])].map((rules) => this.matcher(rules, grant));
    const others = [grant.resources, grant.prompts].flatMap((rules) =>
      rules === undefined ? [] : [this.matcher(rules, grant)],
    );
    return this.serversOf(grant).filter(
      ({ name }) =>
        tools.every((matcher) => matcher.mayAllow(name)) || others.some((matcher) => matcher.mayAllow(name)),
    );
  }

  /** True when a grant may use all tools of a server, those included that it does not offer yet. */
  wholeServer(grant: Grant, server: string): boolean {
    return [grant.tools, ...(grant.within ?? [])].every((rules) => this.matcher(rules, grant).wholeServer(server));
  }

  /** The approvals that a server's tools need, if they need any; a grant's own servers come with its owner's word. */
  approvalsFor({ name, definition }: Server): Approvals | undefined {
    return definition.owner === undefined && this.approvals?.concerns(name) === true ? this.approvals : undefined;
  }

  /** Compiled rules, as the grant means them. */
  matcher(rules: Rules, grant: Grant): RuleMatcher {
    return this.#scopes.of(grant).matcher(rules);
  }

  /** Makes one listing: select by the grant's rules, run the hook, check what it returned, make names unique. */
  async make<Kind extends ListKind>(view: View, kind: Kind): Promise<Listing<EntryOf[Kind]>> {
    const servers = this.serversOf(view.grant).filter(
      (server) => view.server === undefined || server.name === view.server,
    );
    const scope = this.#scopes.of(view.grant);
    const selected: EntryOf[Kind][] = [];
    for (const server of servers) {
      const allows = this.#selection(view.grant, kind, server.name);
      const approvals = kind === 'tools' ? this.approvalsFor(server) : undefined;
      for (const definition of server.catalogueFor(view.grant.id)[kind]) {
        const own = String(definition[listMethods[kind].key]);
        if (!allows(own) || approvals?.quarantine(server.name, definition as Tool) !== undefined) continue;
        selected.push(this.#entry(kind, server.name, own, definition, view.server === undefined ? scope : undefined));
      }
    }
    const entries = this.#unique(kind, view, await this.#throughHooks(kind, view, selected));
    const ttlMs = servers.length === 0 ? 0 : Math.min(...servers.map((server) => server.catalogue.ttlMs));
    return new Listing<EntryOf[Kind]>(kind, entries, ttlMs, this.#serverInfo);
  }

  /** Whether the grant may see an item. Resources and prompts follow rules of their own, or those of servers whose tools are allowed whole. */
  #selection(grant: Grant, kind: ListKind, server: string): (own: string) => boolean {
    if (kind === 'tools') {
      const matchers = [grant.tools, ...(grant.within ?? [])].map((rules) => this.matcher(rules, grant));
      return (name) => matchers.every((matcher) => matcher.allows(server, name));
    }
    const rules = kind === 'prompts' ? grant.prompts : grant.resources;
    if (rules !== undefined) {
      const matcher = this.matcher(rules, grant);
      return (name) => matcher.allows(server, name);
    }
    const whole = this.wholeServer(grant, server);
    return () => whole;
  }

  /** The entry of an item under its exposed name; the same object for every grant. */
  #entry<Kind extends ListKind>(
    kind: Kind,
    server: string,
    own: string,
    definition: JsonObject,
    scope: NameScope | undefined,
  ): EntryOf[Kind] {
    let entries = this.#entries.get(definition);
    if (entries === undefined) {
      entries = new Map();
      this.#entries.set(definition, entries);
    }
    const naming = kind === 'tools' || kind === 'prompts' ? scope : undefined;
    const key = `${naming?.key ?? ''} ${server}`;
    let entry = entries.get(key);
    if (entry === undefined) {
      const name = naming?.naming.expose(server, own) ?? own;
      if (kind === 'tools') entry = Object.freeze({ name, server, tool: own, definition: definition as never });
      else if (kind === 'prompts')
        entry = Object.freeze({ name, server, prompt: own, definition: definition as never });
      else entry = Object.freeze({ name, server, definition: definition as never });
      entries.set(key, entry);
    }
    return entry as EntryOf[Kind];
  }

  async #throughHooks<Kind extends ListKind>(
    kind: Kind,
    view: View,
    entries: EntryOf[Kind][],
  ): Promise<readonly EntryOf[Kind][]> {
    const hooks = this.#hooks();
    const hook = kind === 'tools' ? 'onListTools' : kind === 'prompts' ? 'onListPrompts' : 'onListResources';
    if (!hooks[hook].used) return entries;
    const context = Object.freeze({ grant: view.grant, server: view.server });
    const returned: unknown = await hooks[hook].run(Object.freeze(entries) as never, context);
    if (!Array.isArray(returned)) throw new TypeError(`${hook} must return an array of entries`);
    // A hook selects and renames; it cannot conjure up an item that the grant's rules did not select.
    const allowed = new Set(entries.map((entry) => identity(kind, entry)));
    return returned.filter((entry: EntryOf[Kind]) => isEntry(entry) && allowed.has(identity(kind, entry)));
  }

  /** Gives every entry a name that no other has; the first keeps its own. On the endpoint of all servers names must also fit clients. */
  #unique<Kind extends ListKind>(kind: Kind, view: View, entries: readonly EntryOf[Kind][]): EntryOf[Kind][] {
    const taken = new Set<string>();
    const unique: EntryOf[Kind][] = [];
    const prefixed = view.server === undefined && (kind === 'tools' || kind === 'prompts');
    const { naming } = this.#scopes.of(view.grant);
    for (const entry of entries) {
      let { name } = entry;
      if (prefixed && (taken.has(fold(name)) || !naming.fits(name)))
        name = naming.distinguish(name, entry.server, ownName(entry));
      const folded = prefixed ? fold(name) : name;
      if (taken.has(folded)) continue;
      taken.add(folded);
      unique.push(name === entry.name ? entry : { ...entry, name });
    }
    return unique;
  }
}

function ownName(entry: ToolEntry | PromptEntry | ResourceEntry): string {
  if ('tool' in entry) return entry.tool;
  return 'prompt' in entry ? entry.prompt : entry.name;
}

function identity(kind: ListKind, entry: ToolEntry | PromptEntry | ResourceEntry): string {
  return `${kind} ${entry.server} ${ownName(entry)}`;
}

function isEntry(entry: unknown): boolean {
  const candidate = entry as Partial<ToolEntry> | null;
  return (
    typeof candidate === 'object' &&
    candidate !== null &&
    typeof candidate.name === 'string' &&
    typeof candidate.server === 'string' &&
    typeof candidate.definition === 'object'
  );
}
