// Mode `remote`: GitHub's own hosted MCP server, reached through the service `upstream`, with the token of each grant.
import { createHash } from 'node:crypto';
import type { JsonObject, ServerDefinition } from 'plugboard';
import { toolsets } from './options.ts';
import type { Options } from './options.ts';
import { Tokens } from './tokens.ts';

/** The part of the service `upstream` that is used here. */
export interface Upstream {
  define(name: string, entry: JsonObject, options?: object): ServerDefinition;
}

/** One server to the outside, one upstream per token inside. A lease is opened at the upstream of its grant's token. */
export function remoteServer(options: Options, upstream: Upstream): ServerDefinition {
  const tokens = new Tokens(options.token, options.tokens);
  const definitions = new Map<string | undefined, ServerDefinition>();
  const define = (token: string | undefined): ServerDefinition => {
    const made = definitions.get(token) ?? upstream.define(options.name, entryOf(options, token), {});
    definitions.set(token, made);
    return made;
  };
  const listing = define(tokens.any);
  return {
    ...listing,
    title: 'GitHub',
    fingerprint: hash([listing.fingerprint, options]),
    open: async (key, events, signal) => {
      const token = key.grant === undefined ? tokens.any : tokens.of(key.grant);
      if (token === undefined && tokens.any !== undefined)
        throw new Error(
          `no token is configured for ${String(key.grant)}: add it to the option tokens of the plugin github`,
        );
      return define(token).open(key, events, signal);
    },
  };
}

function entryOf({ url, toolsets: chosen, readOnly }: Options, token: string | undefined): JsonObject {
  const headers: Record<string, string> = {};
  if (token !== undefined) headers['Authorization'] = `Bearer ${token}`;
  if (chosen.length < toolsets.length) headers['X-MCP-Toolsets'] = chosen.join(',');
  if (readOnly) headers['X-MCP-Readonly'] = 'true';
  return { type: 'http', url, headers };
}

function hash(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
