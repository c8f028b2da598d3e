// What a client is told when it arrives: the answers to `initialize` (old era) and `server/discover` (new era).
import { RefusedRequest } from './errors.ts';
import { Answer } from './protocol/answer.ts';
import { metaKey, newVersions, rpcCode } from './protocol/messages.ts';
import type { Capabilities, Implementation, JsonObject } from './protocol/messages.ts';
import type { Server } from './server.ts';
import type { ListingMaker, View } from './toolset.ts';

/** Servers come and go, so the endpoint of all servers offers everything from the start. */
const everything: Capabilities = {
  tools: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  prompts: { listChanged: true },
  completions: {},
};

const maxInstructions = 16_384;

/** Makes the greetings of all endpoints. */
export class Welcome {
  readonly #maker: ListingMaker;
  readonly #serverInfo: Implementation;
  readonly #patience: number;

  /** `patience`: ms to wait for the one server of an endpoint. */
  constructor(maker: ListingMaker, serverInfo: Implementation, patience: number) {
    this.#maker = maker;
    this.#serverInfo = serverInfo;
    this.#patience = patience;
  }

  /** The result of `initialize`. Throws {@link RefusedRequest} when the endpoint's one server is not there. */
  async initialize(view: View, protocolVersion: string): Promise<JsonObject> {
    const { capabilities, serverInfo, instructions } = await this.#introduce(view);
    // Logging is the proxy's to offer in the old era: it keeps the level of each session.
    const result: JsonObject = { protocolVersion, capabilities: { ...capabilities, logging: {} }, serverInfo };
    if (instructions !== undefined) result['instructions'] = instructions;
    return result;
  }

  /** The result of `server/discover` (2026-07-28). */
  async discover(view: View): Promise<JsonObject> {
    const { capabilities, serverInfo, instructions } = await this.#introduce(view);
    const result: JsonObject = {
      resultType: 'complete',
      supportedVersions: [...newVersions],
      capabilities,
      ttlMs: 0,
      cacheScope: 'private',
      _meta: { [metaKey.serverInfo]: serverInfo },
    };
    if (instructions !== undefined) result['instructions'] = instructions;
    return result;
  }

  async #introduce(
    view: View,
  ): Promise<{ capabilities: Capabilities; serverInfo: Implementation; instructions: string | undefined }> {
    // What a grant may use nothing of is not there for it, neither its extensions nor why it does not start.
    const servers = this.#maker.visibleTo(view.grant);
    if (view.server === undefined) {
      return {
        capabilities: withExtensions(everything, servers),
        serverInfo: this.#serverInfo,
        instructions: await this.#gather(view, servers),
      };
    }
    const server = servers.find(({ name }) => name === view.server);
    await server?.settled(this.#patience);
    if (server?.info === undefined) {
      const why = server?.reason ?? 'it is still starting';
      throw new RefusedRequest(
        Answer.error(rpcCode.serverGone, `server "${view.server}" is not running: ${why}`, undefined, 503),
      );
    }
    const { capabilities, serverInfo, instructions } = server.info;
    return { capabilities: announcing(capabilities), serverInfo, instructions };
  }

  /** The instructions of the servers whose tools the grant sees, each under its name. */
  async #gather(view: View, servers: readonly Server[]): Promise<string | undefined> {
    // A faulty filter is reported when the client lists; it does not keep anybody from arriving.
    const entries = await Promise.resolve(view.list('tools')).then(
      (listing) => listing.entries,
      () => [],
    );
    const seen = new Set(entries.map((entry) => entry.server));
    const parts = servers.flatMap(({ name, info }) =>
      seen.has(name) && info?.instructions !== undefined ? [`# ${name}\n${info.instructions}`] : [],
    );
    return parts.length === 0 ? undefined : parts.join('\n\n').slice(0, maxInstructions);
  }
}

/** A server's capabilities as the proxy offers them: list changes come from the proxy, which changes lists by itself. */
function announcing(capabilities: Capabilities): Capabilities {
  const offered: Capabilities = { ...capabilities };
  for (const name of ['tools', 'resources', 'prompts']) {
    if (offered[name] !== undefined) offered[name] = { ...offered[name], listChanged: true };
  }
  return offered;
}

/** Extensions that some server offers. */
function withExtensions(capabilities: Capabilities, servers: readonly Server[]): Capabilities {
  const extensions = Object.assign({}, ...servers.map(({ info }) => info?.capabilities['extensions'])) as JsonObject;
  return Object.keys(extensions).length === 0 ? capabilities : { ...capabilities, extensions };
}
