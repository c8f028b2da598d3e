// What a plugin may leave behind in its process: handles that keep it alive, listeners, another console. Looked at before and after.
import { setTimeout as sleep } from 'node:timers/promises';

/** What there is in this process, by name with its number. */
export type Surroundings = ReadonlyMap<string, number>;

/** Looks around. */
export function lookAround(): Surroundings {
  const found = new Map<string, number>();
  const count = (name: string, number = 1) => found.set(name, (found.get(name) ?? 0) + number);
  // The streams first: the first look at one opens it.
  const emitters = {
    process,
    'process.stdin': process.stdin,
    'process.stdout': process.stdout,
    'process.stderr': process.stderr,
  };
  for (const [name, emitter] of Object.entries(emitters)) {
    for (const event of emitter.eventNames())
      count(`listener of ${name} for "${String(event)}"`, emitter.listenerCount(event));
  }
  for (const name of process.getActiveResourcesInfo()) count(`handle ${name}`);
  return found;
}

/** Looks around several times, and counts what was there every time: a timer that is about to end hides one that stays. */
export async function lookAroundQuietly(): Promise<Surroundings> {
  const least = new Map(lookAround());
  for (let look = 0; look < 10; look += 1) {
    await sleep(30);
    const now = lookAround();
    for (const [name, number] of least) least.set(name, Math.min(number, now.get(name) ?? 0));
  }
  return least;
}

/**
 * What is there now and was not before: `2 × handle TCPServerWrap`. Listeners of standard streams count only where there are more of them
 * than in `once`: one that ignores late errors may be left for good.
 */
export function leftBehind(before: Surroundings, once: Surroundings | undefined): string[] {
  return [...lookAround()].flatMap(([name, number]) => {
    const isOfStream = name.startsWith('listener of process.std');
    if (isOfStream && once === undefined) return [];
    const more = number - ((isOfStream ? once : before)?.get(name) ?? 0);
    return more > 0 ? [`${more} × ${name}`] : [];
  });
}
