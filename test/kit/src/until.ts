// Waiting for something that another process does.
import { setTimeout as sleep } from 'node:timers/promises';

const poll = 10;

/**
 * Waits until `look` finds something (anything but `undefined` and `false`) and returns it. Rejects after `limit` ms with an error that
 * says `what` did not happen.
 */
export async function until<Found>(
  what: string | (() => string),
  look: () => Found | undefined | false | Promise<Found | undefined | false>,
  limit = 30_000,
): Promise<Found> {
  const deadline = Date.now() + limit;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`within ${limit} ms: ${typeof what === 'string' ? what : what()}`);
    await sleep(poll);
  }
}
