// What a proxy is to the bench: something that can be started in front of upstreams and reached by URL.
import { Child, compiled } from '../process.ts';
import { startPlugboard } from './plugboard.ts';

/** Where an upstream is: an URL, or a command whose stdio it speaks. */
export type ServerAddress = { url: string } | { command: string; args: string[] };

export type Isolation = 'shared' | 'session';

/** `isolation` is how the proxy shares upstream connections; `noOpPlugins` is how many plugins that do nothing it loads. */
export interface ProxyOptions {
  isolation?: Isolation;
  noOpPlugins?: number;
}

/** A started target. `url` is its base without a trailing slash; MCP is at `/mcp`. */
export interface Running {
  child: Child;
  url: string;
}

/** `eras`: the pairs (client → upstream) it can serve. `features`: which other entries of the bench make sense for it. */
export interface Proxy {
  pairs: readonly string[];
  features: readonly ('stdio' | 'server-path' | 'plugins' | 'isolation' | 'start')[];
  start(servers: Record<string, ServerAddress>, options?: ProxyOptions): Promise<Running>;
}

/** Starts one of the bench's own targets and waits until it listens. */
export async function startTarget(name: string, args: string[] = []): Promise<Running> {
  const child = new Child(compiled(`targets/${name}.js`), args);
  return { child, url: `http://127.0.0.1:${await child.port()}` };
}

function reference(name: string, pairs: Proxy['pairs'], features: Proxy['features']): Proxy {
  return { pairs, features, start: (servers) => startTarget(name, ['--servers', JSON.stringify(servers)]) };
}

/** Every proxy the bench can measure; `plugboard` is the one the limits are for. */
export const proxies = {
  plugboard: {
    pairs: ['old → old', 'new → new', 'old → new', 'new → old'],
    features: ['stdio', 'server-path', 'plugins', 'isolation', 'start'],
    start: startPlugboard,
  },
  relay: reference('relay', ['old → old', 'new → new'], ['server-path']),
  'sdk-v1': reference('sdk-v1', ['old → old'], ['stdio']),
  'sdk-v2': reference('sdk-v2', ['old → old', 'new → new', 'old → new', 'new → old'], ['stdio']),
} satisfies Record<string, Proxy>;

export type ProxyName = keyof typeof proxies;
