// Lists of hosts and networks as options hold them. What may be done with a match is in `policy.ts`.
import { BlockList, isIP } from 'node:net';
import { domainToASCII } from 'node:url';

export class Places {
  readonly #hosts = new Set<string>();
  readonly #suffixes: string[] = [];
  readonly #networks = new BlockList();

  /** Entries: `example.com`, `*.example.com` (whatever is below it, not itself), an address, address/bits. */
  constructor(entries: readonly string[]) {
    for (const entry of entries) this.#add(entry);
  }

  #add(entry: string): void {
    const [address = '', bits] = entry.split('/');
    const family = isIP(address);
    if (family !== 0) {
      const widest = family === 4 ? 32 : 128;
      this.#networks.addSubnet(address, bits === undefined ? widest : Number(bits), family === 4 ? 'ipv4' : 'ipv6');
    } else if (entry.startsWith('*.')) this.#suffixes.push(`.${hostName(entry.slice(2))}`);
    else this.#hosts.add(hostName(entry));
  }

  /** Whether a host is listed by its name. */
  hasHost(host: string): boolean {
    const name = hostName(host);
    return this.#hosts.has(name) || this.#suffixes.some((suffix) => name.endsWith(suffix));
  }

  /** Whether an address, in any notation that `node:net` reads, lies in a listed network. */
  hasAddress(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#networks.check(address, family === 4 ? 'ipv4' : 'ipv6');
  }
}

/** The one spelling of a host's name: ASCII, lower case, without the dot of the root. */
export function hostName(host: string): string {
  return domainToASCII(host).toLowerCase().replace(/\.$/, '');
}
