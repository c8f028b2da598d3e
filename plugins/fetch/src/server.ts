// The server of the plugin. Loaded when somebody connects, not when the proxy starts.
import { localServer } from 'plugboard';
import type { ServerDefinition } from 'plugboard';
import type { Resolve } from './exchange.ts';
import { Lease } from './lease.ts';
import type { Settings } from './settings.ts';
import { prompts, tools } from './tool.ts';

/** Also in package.json; a test compares them. */
export const version = '0.1.0';

const ownName = `Plugboard-Fetch/${version} (+https://github.com/plugboard/plugboard)`;

/** Makes the server; `resolve` finds the addresses of hosts, by default as the system does. */
export function fetchServer(settings: Settings, resolve?: Resolve): ServerDefinition {
  return localServer<Lease>({
    name: settings.name,
    title: 'Fetch',
    version,
    isolation: 'task',
    tools,
    prompts,
    open: () => new Lease(settings, settings.userAgent ?? ownName, resolve),
    close: (lease) => lease.close(),
  });
}
