// What the SDK's OAuth flow asks for and hands over during one sign-in. The flow itself is in `sign-in.ts`, what outlives it in `token-file.ts`.
import { randomBytes } from 'node:crypto';
import type {
  OAuthClientInformationContext,
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from '@modelcontextprotocol/client';
import type { AuthorizationState } from './authorization-state.ts';

export class SignInProvider implements OAuthClientProvider {
  readonly redirectUrl: string;
  readonly clientMetadataUrl?: string;
  readonly clientMetadata: OAuthClientMetadata;
  /** Unguessable; whoever brings it back comes from this sign-in. */
  readonly secret = randomBytes(32).toString('base64url');
  /** Where the person has to go. */
  authorizationUrl: URL | undefined;
  readonly #state: AuthorizationState;
  #discovery: OAuthDiscoveryState;
  #verifier = '';

  constructor(state: AuthorizationState, redirectUrl: string, discovery: OAuthDiscoveryState) {
    const { scope, clientMetadataUrl } = state.settings;
    this.#state = state;
    this.#discovery = discovery;
    this.redirectUrl = redirectUrl;
    if (clientMetadataUrl !== undefined) this.clientMetadataUrl = clientMetadataUrl;
    this.clientMetadata = {
      client_name: 'Plugboard',
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      application_type: 'native',
      ...(scope === undefined ? {} : { scope }),
    };
  }

  state(): string {
    return this.secret;
  }

  clientInformation(context?: OAuthClientInformationContext): StoredOAuthClientInformation | undefined {
    return context === undefined ? undefined : this.#state.client(context.issuer, this.redirectUrl);
  }

  saveClientInformation(
    client: StoredOAuthClientInformation,
    context?: OAuthClientInformationContext,
  ): Promise<void> | undefined {
    return context && this.#state.saveClient(context.issuer, client, this.redirectUrl);
  }

  /** None: a sign-in is only begun when those at hand do not do. */
  tokens(): undefined {
    return undefined;
  }

  saveTokens(tokens: StoredOAuthTokens, context?: OAuthClientInformationContext): Promise<void> | undefined {
    return context && this.#state.saveTokens(context.issuer, tokens, this.requestedScope);
  }

  redirectToAuthorization(url: URL): void {
    this.authorizationUrl = url;
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }

  codeVerifier(): string {
    return this.#verifier;
  }

  discoveryState(): OAuthDiscoveryState {
    return this.#discovery;
  }

  saveDiscoveryState(discovery: OAuthDiscoveryState): void {
    this.#discovery = discovery;
  }

  invalidateCredentials(scope: 'all' | 'client' | 'tokens' | 'verifier' | 'discovery'): Promise<void> | undefined {
    const issuer = this.#discovery.authorizationServerMetadata?.issuer ?? this.#discovery.authorizationServerUrl;
    return scope === 'client' || scope === 'all' ? this.#state.forget(issuer, 'client') : undefined;
  }

  /** The scope that the authorization request asked for. */
  get requestedScope(): string | undefined {
    return this.authorizationUrl?.searchParams.get('scope') ?? undefined;
  }
}
