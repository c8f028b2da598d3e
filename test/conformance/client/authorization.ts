// A user's browser and a client's memory in one: an OAuth provider that follows the redirect itself and keeps what it
// is given, per authorization server. For tests against servers that ask nobody.
import type {
  OAuthClientInformationContext,
  OAuthClientMetadata,
  OAuthClientProvider,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from '@modelcontextprotocol/client';

const redirectUrl = 'http://127.0.0.1:9/callback';

/** An OAuth provider without a user. */
export class AutomaticProvider implements OAuthClientProvider {
  readonly redirectUrl = redirectUrl;
  // The suites know a client by this address; nothing is fetched from it.
  readonly clientMetadataUrl = 'https://conformance-test.local/client-metadata.json';
  readonly clientMetadata: OAuthClientMetadata = {
    client_name: 'plugboard-conformance-client',
    redirect_uris: [redirectUrl],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    application_type: 'native',
  };
  /** The answer of the last authorization: `code` and what came with it. */
  callback: URLSearchParams | undefined;
  readonly #clients = new Map<string | undefined, StoredOAuthClientInformation>();
  #tokens: { issuer: string | undefined; tokens: StoredOAuthTokens } | undefined;
  #verifier = '';

  /** @param known a client that is registered beforehand, if there is one */
  constructor(known?: StoredOAuthClientInformation) {
    if (known !== undefined) this.#clients.set(known.issuer, known);
  }

  clientInformation(context?: OAuthClientInformationContext): StoredOAuthClientInformation | undefined {
    return this.#clients.get(context?.issuer);
  }

  saveClientInformation(information: StoredOAuthClientInformation, context?: OAuthClientInformationContext): void {
    this.#clients.set(context?.issuer, information);
  }

  tokens(context?: OAuthClientInformationContext): StoredOAuthTokens | undefined {
    if (context !== undefined && context.issuer !== this.#tokens?.issuer) return undefined;
    return this.#tokens?.tokens;
  }

  saveTokens(tokens: StoredOAuthTokens, context?: OAuthClientInformationContext): void {
    this.#tokens = { issuer: context?.issuer, tokens };
  }

  async redirectToAuthorization(url: URL): Promise<void> {
    const response = await fetch(url, { redirect: 'manual' });
    const location = response.headers.get('location');
    if (location === null) throw new Error(`${url.origin} answered an authorization request with ${response.status}`);
    this.callback = new URL(location).searchParams;
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }

  codeVerifier(): string {
    return this.#verifier;
  }
}
