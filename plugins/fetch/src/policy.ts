// What may be fetched: by its URL, and by the address that it leads to. Asks nobody and connects to nothing.
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Places } from './places.ts';
import { Refusal } from './settings.ts';
import type { Settings } from './settings.ts';

/** Longest URL that is fetched, in characters. */
const longestUrl = 8192;

/** A well-known service of a cloud's machines, although its address is a public one. */
const publicMetadata = new Set(['168.63.129.16']);

/** What a host listed by its name may lead to; metadata services and the like need to be listed by address. */
const namedRanges = new Set(['loopback', 'private', 'uniqueLocal', 'carrierGradeNat']);

const globalIpv6 = ipaddr.IPv6.parseCIDR('2000::/3');
const translatedIpv4 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

export class Policy {
  readonly #allow: Places | undefined;
  readonly #deny: Places;
  readonly #private: Places;
  readonly #ports: ReadonlySet<number>;

  constructor(settings: Pick<Settings, 'allow' | 'deny' | 'allowPrivate' | 'ports'>) {
    this.#allow = settings.allow.length === 0 ? undefined : new Places(settings.allow);
    this.#deny = new Places(settings.deny);
    this.#private = new Places(settings.allowPrivate);
    this.#ports = new Set(settings.ports);
  }

  /** Throws a {@link Refusal} when this URL is not fetched, whatever it leads to. */
  checkUrl(url: URL): void {
    const host = bareHost(url);
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      throw new Refusal(`${url.protocol}// is not fetched: only http and https are`);
    if (url.username !== '' || url.password !== '')
      throw new Refusal('a URL with a user name or password is not fetched: leave out what stands before the @');
    if (url.href.length > longestUrl) throw new Refusal(`the URL has more than ${longestUrl} characters`);
    const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
    if (!this.#ports.has(port))
      throw new Refusal(`port ${port} is not fetched from: allowed are ${[...this.#ports].join(', ')} (option ports)`);
    if (this.#deny.hasHost(host)) throw new Refusal(`${host} is not fetched: it is in the option deny`);
    if (this.#allow?.hasHost(host) === false && !this.#allow.hasAddress(host))
      throw new Refusal(`${host} is not fetched: it is not in the option allow`);
    if (isIP(host) !== 0) this.checkAddresses(host, [host]);
  }

  /** Throws a {@link Refusal} unless every address that a host resolved to may be connected to. */
  checkAddresses(host: string, addresses: readonly string[]): void {
    if (addresses.length === 0) throw new Refusal(`${host} has no address: check the spelling of the host`);
    for (const address of addresses) this.#checkAddress(host, address);
  }

  #checkAddress(host: string, written: string): void {
    const address = plainAddress(written);
    const text = address.toString();
    if (this.#deny.hasAddress(text) || this.#deny.hasAddress(written))
      throw new Refusal(`${host} is not fetched: its address is in the option deny`);
    const range = rangeOf(address);
    if (range === 'public') return;
    if (this.#private.hasAddress(text) || this.#private.hasAddress(written)) return;
    if (namedRanges.has(range) && this.#private.hasHost(host)) return;
    // Not which address: that would show agents the names of an inner network one by one.
    throw new Refusal(
      `${host} is not fetched: it leads to an address that is not public (${range}). ` +
        'Where that is wanted, the option allowPrivate has to list it',
    );
  }
}

/** The host of a URL without the brackets of IPv6. */
export function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/** The address that is really connected to: IPv4 where IPv6 only wraps it. */
function plainAddress(written: string): ipaddr.IPv4 | ipaddr.IPv6 {
  const address = ipaddr.process(written);
  if (address.kind() === 'ipv4') return address;
  const wide = address as ipaddr.IPv6;
  return wide.match(translatedIpv4) ? new ipaddr.IPv4(wide.toByteArray().slice(12)) : wide;
}

/** `public`, or the word for why not. What is not known to be public is not. */
function rangeOf(address: ipaddr.IPv4 | ipaddr.IPv6): string {
  const range = address.range();
  if (range !== 'unicast') return range;
  if (publicMetadata.has(address.toString())) return 'metadata';
  if (address.kind() === 'ipv6' && !(address as ipaddr.IPv6).match(globalIpv6)) return 'reserved';
  return 'public';
}
