// The server of the plugin. Loaded when somebody connects, not when the proxy starts.
import { localServer } from 'plugboard';
import type { ServerDefinition } from 'plugboard';
import { Lease } from './lease.ts';
import { readTools } from './read-tools.ts';
import type { Settings } from './settings.ts';
import { writeTools } from './write-tools.ts';

/** Also in package.json; a test compares them. */
export const version = '0.1.0';

/** Opening a lease rejects when its root is not a folder. */
export function gitServer(settings: Settings): ServerDefinition {
  return localServer<Lease>({
    name: settings.name,
    title: 'Git',
    version,
    isolation: 'task',
    tools: settings.readOnly ? readTools : [...readTools, ...writeTools],
    open: (key) => Lease.open(key, settings),
    close: (lease) => lease.close(),
  });
}
