// A server as the core is told of it. How it is opened is loaded with the first connection: the proxy is listening by then.
import type { Log, ServerDefinition } from 'plugboard';
import type { Options } from '../options.ts';
import type { ServerSettings } from './entry.ts';

/** What connections to servers have in common. */
export type ServerLimits = Pick<
  Options,
  'connectTimeout' | 'probeTimeout' | 'reconnectFor' | 'heartbeat' | 'maxServerMessageBytes' | 'maxQueuedBytes'
>;

export function defineServer(settings: ServerSettings, options: ServerLimits, log: Log): ServerDefinition {
  const { name, title, isolation, timeout, maxTimeout, definition } = settings;
  const { connectTimeout, probeTimeout, reconnectFor, heartbeat, maxServerMessageBytes, maxQueuedBytes } = options;
  const limits = { connectTimeout, probeTimeout, reconnectFor, heartbeat, maxServerMessageBytes, maxQueuedBytes };
  return {
    name,
    title,
    kind: 'websocket',
    isolation,
    timeout,
    maxTimeout,
    fingerprint: `${definition} ${Object.values(limits).join(' ')}`,
    open: async (key, events, signal) => {
      const { openServer } = await import('./open.ts');
      return openServer({ settings, limits, log, key }, events, signal);
    },
  };
}
