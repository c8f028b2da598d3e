// The credentials of one server, in memory and in their file: which client and which tokens are good for which authorization server. No request is sent here.
import type { StoredOAuthClientInformation, StoredOAuthTokens } from '@modelcontextprotocol/client';
import { NotAuthorized } from './not-authorized.ts';
import type { OAuthSettings } from './oauth-settings.ts';
import { TokenFile } from './token-file.ts';
import type { IssuerRecord, Kept } from './token-file.ts';

const maxIssuers = 10;
/** ms before its end from which a token is as good as expired. */
const margin = 20_000;

export class AuthorizationState {
  settings: OAuthSettings;
  readonly #file: TokenFile;
  readonly #warn: (text: string) => void;
  #kept: Kept;
  /** True when memory knows what the file does not. */
  #unwritten = false;

  private constructor(settings: OAuthSettings, file: TokenFile, kept: Kept, warn: (text: string) => void) {
    this.settings = settings;
    this.#file = file;
    this.#kept = kept;
    this.#warn = warn;
  }

  /** `warn`: takes a sentence when something cannot be kept. */
  static async load(settings: OAuthSettings, warn: (text: string) => void): Promise<AuthorizationState> {
    const file = new TokenFile(settings.file, settings.url);
    return new AuthorizationState(settings, file, await file.read(), warn);
  }

  /** The access token to send. Undefined: there is none. */
  get token(): string | undefined {
    return this.#current?.tokens?.access_token;
  }

  /** True when the token's time is over, by what was said when it was issued. */
  get isExpired(): boolean {
    return (this.#current?.expiresAt ?? Number.POSITIVE_INFINITY) - margin < Date.now();
  }

  get resourceMetadataUrl(): string | undefined {
    return this.#kept.resourceMetadataUrl;
  }

  get currentIssuer(): string | undefined {
    return this.#kept.current;
  }

  record(issuer: string): IssuerRecord | undefined {
    return this.#kept.issuers.find((each) => each.issuer === issuer);
  }

  /** Another process may have been here. */
  async reload(): Promise<void> {
    if (!this.#unwritten) this.#kept = await this.#file.read();
  }

  /** Where the server describes itself; kept with the next credentials. */
  describedAt(url: string | undefined): void {
    if (url !== undefined) this.#kept.resourceMetadataUrl = url;
  }

  /** The client for an authorization server. `redirectUrl`: what it must be good for; undefined when nobody is redirected. Throws {@link NotAuthorized}. */
  client(issuer: string, redirectUrl?: string): StoredOAuthClientInformation | undefined {
    const { clientId, clientSecret, name } = this.settings;
    const record = this.record(issuer);
    if (clientId === undefined) {
      const fits = redirectUrl === undefined || record?.redirectUrl === undefined || record.redirectUrl === redirectUrl;
      return fits && record?.client !== undefined ? { ...record.client, issuer } : undefined;
    }
    const bound =
      this.settings.issuer ?? (this.#kept.configured?.clientId === clientId ? this.#kept.configured.issuer : undefined);
    if (bound !== undefined && withoutSlash(bound) !== withoutSlash(issuer)) {
      throw new NotAuthorized(
        `server "${name}" sends its users to ${issuer}, but mcpServers.${name}.oauth.clientId belongs to ${bound}: ` +
          'nothing was sent there. If the move is right, correct oauth.clientId and oauth.issuer',
      );
    }
    this.#kept.configured = { clientId, issuer };
    return { client_id: clientId, ...(clientSecret === undefined ? {} : { client_secret: clientSecret }), issuer };
  }

  /** Keeps a registration. The configured client stands in the configuration already. */
  saveClient(issuer: string, client: StoredOAuthClientInformation, redirectUrl: string): Promise<void> {
    if (this.settings.clientId !== undefined) return Promise.resolve();
    // A client that is named by the address of its description is good for every port.
    const everywhere = client.client_id === this.settings.clientMetadataUrl;
    return this.#change(issuer, { client, redirectUrl: everywhere ? undefined : redirectUrl });
  }

  saveTokens(issuer: string, tokens: StoredOAuthTokens, requested: string | undefined): Promise<void> {
    const lifetime = Number(tokens.expires_in);
    const expiresAt = lifetime > 0 ? Date.now() + lifetime * 1000 : undefined;
    this.#kept.current = issuer;
    return this.#change(issuer, { tokens, expiresAt, requested });
  }

  /** Forgets what an authorization server does not accept any more; tokens are their client's. */
  forget(issuer: string, what: 'client' | 'tokens'): Promise<void> {
    const tokens = { tokens: undefined, expiresAt: undefined, requested: undefined };
    return this.#change(issuer, what === 'client' ? { ...tokens, client: undefined, redirectUrl: undefined } : tokens);
  }

  get #current(): IssuerRecord | undefined {
    const { current } = this.#kept;
    return current === undefined ? undefined : this.record(current);
  }

  async #change(
    issuer: string,
    change: { [Key in keyof IssuerRecord]?: IssuerRecord[Key] | undefined },
  ): Promise<void> {
    const record: IssuerRecord = { ...this.record(issuer), ...change, issuer };
    const others = this.#kept.issuers.filter((each) => each.issuer !== issuer);
    this.#kept = { ...this.#kept, issuers: [record, ...others].slice(0, maxIssuers) };
    try {
      await this.#file.write(this.#kept);
      this.#unwritten = false;
    } catch (error) {
      this.#unwritten = true;
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
      this.#warn(
        `cannot keep its tokens in ${this.settings.file} (${code}): sign in again after the next start, or make the folder writable`,
      );
    }
  }
}

/** Issuers are compared as they are written, but for one closing slash, which URLs get and lose by being parsed. */
function withoutSlash(issuer: string): string {
  return issuer.replace(/\/$/, '');
}
