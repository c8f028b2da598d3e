// A server that is to be opened, and for whom. How it is opened is in `stdio/open.ts` and `http/open.ts`.
import type { AttemptInit, ConnectionEvents, LeaseKey } from 'plugboard';
import type { ServerSettings } from './settings.ts';
import type { Shared } from './shared.ts';

export interface Target<Settings extends ServerSettings> {
  readonly shared: Shared;
  readonly settings: Settings;
  readonly key: LeaseKey;
  readonly events: ConnectionEvents;
}

/** What bounds an attempt to open it. `signal`: aborted when the core does not want it any more. */
export function attemptAt(
  { shared, settings }: Pick<Target<ServerSettings>, 'shared' | 'settings'>,
  signal: AbortSignal,
): AttemptInit {
  const option = 'connectTimeout of plugin "upstream"';
  return { server: settings.name, limit: shared.limits.connectTimeout, outer: signal, option };
}
