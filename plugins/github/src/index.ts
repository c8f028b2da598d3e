// The plugin: what it registers in each mode. Its options are in `options.ts`; the server is loaded when somebody connects.
import { definePlugin } from 'plugboard';
import type { PluginApi, ServerDefinition } from 'plugboard';
import { options } from './options.ts';
import type { Options } from './options.ts';
import type { Upstream } from './remote.ts';

export default definePlugin({
  id: 'github',
  apiVersion: 1,
  title: 'GitHub',
  description: 'GitHub through its API, a drop-in for the reference server and more; or GitHub’s own hosted server',
  wants: ['upstream'],
  options,
  apply: (api, chosen) => (chosen.mode === 'remote' ? applyRemote(api, chosen) : applyLocal(api, chosen)),
});

function applyLocal({ servers }: PluginApi, chosen: Options): void {
  let server: Promise<ServerDefinition> | undefined;
  const load = () => {
    server ??= import('./server.ts').then(({ githubServer }) => githubServer(chosen));
    return server;
  };
  servers.register({
    name: chosen.name,
    title: 'GitHub',
    kind: 'in-process',
    isolation: 'task',
    // The longest call waits its full time for each of a handful of requests.
    timeout: chosen.maxWait * mostRequests,
    maxTimeout: chosen.maxWait * mostRequests,
    open: async (key, events, signal) => (await load()).open(key, events, signal),
  });
}

const mostRequests = 5;

async function applyRemote({ servers, services, hooks }: PluginApi, chosen: Options): Promise<void> {
  const upstream = services.find<Upstream>('upstream');
  if (upstream === undefined)
    throw new Error('mode: remote is carried out by the plugin upstream: add `upstream: {}` to plugins');
  const { remoteServer } = await import('./remote.ts');
  servers.register(remoteServer(chosen, upstream));
  if (!chosen.readOnly) return;
  // The hosted server is told as well, but what it lists is its own affair.
  hooks.on('onListTools', (tools) =>
    tools.filter(
      ({ server, definition }) => server !== chosen.name || definition.annotations?.['readOnlyHint'] === true,
    ),
  );
}
