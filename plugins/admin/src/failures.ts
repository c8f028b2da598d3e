// Wrong tokens by address: how many there were lately, and whether the address has to wait. Judging tokens lives elsewhere.

/** ms that a failure counts. */
const window = 60_000;

/** Addresses remembered; the one that failed longest ago goes first. */
const maxAddresses = 10_000;

/** A table of failures, bounded. */
export class Failures {
  /** Times of the latest failures by address, the address that failed last at the end. */
  readonly #times = new Map<string, number[]>();
  readonly #most: number;
  readonly #now: () => number;

  /** `most`: failures within a minute after which an address waits. */
  constructor(most: number, now: () => number = () => performance.now()) {
    this.#most = most;
    this.#now = now;
  }

  /** Seconds that an address has to wait; 0: it may try. */
  wait(address: string | undefined): number {
    const times = this.#times.get(keyOf(address));
    if (times === undefined || times.length < this.#most) return 0;
    const oldest = times[times.length - this.#most] ?? 0;
    return Math.max(0, Math.ceil((oldest + window - this.#now()) / 1000));
  }

  /** Notes a wrong token. */
  add(address: string | undefined): void {
    const key = keyOf(address);
    const now = this.#now();
    const times = (this.#times.get(key) ?? []).filter((time) => time > now - window);
    this.#times.delete(key);
    this.#times.set(key, [...times, now].slice(-this.#most));
    for (const oldest of this.#times.keys()) {
      if (this.#times.size <= maxAddresses) break;
      this.#times.delete(oldest);
    }
  }

  get size(): number {
    return this.#times.size;
  }
}

/** One customer has a whole /64 of IPv6 addresses; one IPv4 address has two spellings. */
function keyOf(address: string | undefined): string {
  if (address === undefined) return '';
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = plain.replace(/%.*$/, '').split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups =
    tail === undefined ? front : [...front, ...Array<string>(8 - front.length - back.length).fill('0'), ...back];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
