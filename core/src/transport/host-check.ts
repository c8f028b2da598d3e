// Whether a request is meant for this listener and comes from a page that may send one, by Host and Origin. Who sends it is not known here.

/** Names that always mean this machine. */
const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];

/** Different Host headers remembered; clients send one or two, attackers any number. */
const maxJudged = 100;

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** A host as it stands in a URL. */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

export interface HostCheckInit {
  /** The address that is listened on. */
  readonly host: string;
  /** Further values of Host that are served: a name, or a name with its port. */
  readonly allowedHosts: readonly string[];
  /** Origins whose pages are let in. */
  readonly allowedOrigins?: readonly string[];
  /** True: on loopback, the pages of all of this machine are let in. */
  readonly localPages?: boolean;
}

/** Checks Host and Origin against DNS rebinding and pages of other sites (2025-11-25, transports: security warning). */
export class HostCheck {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #checksHost: boolean;
  readonly #localPages: boolean;
  readonly #judged = new Map<string, boolean>();

  constructor({ host, allowedHosts, allowedOrigins = [], localPages = false }: HostCheckInit) {
    const loopback = isLoopback(host);
    this.#checksHost = loopback || allowedHosts.length > 0;
    this.#localPages = loopback && localPages;
    const names = loopback ? [...loopbackNames, urlHost(host), ...allowedHosts] : allowedHosts;
    this.#hosts = new Set(names.map((name) => name.toLowerCase()));
    this.#origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()));
  }

  /** The header for which a request is refused (HTTP 403), or undefined. */
  fault({ host, origin }: { host?: string | undefined; origin?: string | undefined }): 'host' | 'origin' | undefined {
    if (this.#checksHost && !this.#isServed(host)) return 'host';
    return origin === undefined || this.#isLetIn(origin, host) ? undefined : 'origin';
  }

  /** True for one of the configured origins. */
  isAllowed(origin: string): boolean {
    return this.#origins.has(origin.toLowerCase());
  }

  #isServed(host: string | undefined): boolean {
    if (host === undefined) return false;
    let served = this.#judged.get(host);
    if (served === undefined) {
      const whole = host.toLowerCase();
      served = this.#hosts.has(whole) || this.#hosts.has(whole.replace(/:\d{1,5}$/, ''));
      if (this.#judged.size >= maxJudged) this.#judged.clear();
      this.#judged.set(host, served);
    }
    return served;
  }

  #isLetIn(origin: string, host: string | undefined): boolean {
    if (this.isAllowed(origin)) return true;
    const name = /^https?:\/\/([^/]+)$/i.exec(origin)?.[1]?.toLowerCase();
    if (name === undefined) return false;
    if (this.#localPages && loopbackNames.includes(name.replace(/:\d{1,5}$/, ''))) return true;
    // The page was served from here. Worth something only where Host itself was checked.
    return this.#checksHost && name === host?.toLowerCase();
  }
}
