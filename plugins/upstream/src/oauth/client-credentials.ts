// Tokens for the proxy itself, without a person (OAuth 2.1, client credentials). When they are needed is decided in `authorizer.ts`.
import type { OAuthClientProvider, OAuthDiscoveryState } from '@modelcontextprotocol/client';
import type { AuthorizationState } from './authorization-state.ts';
import type { Sdk } from './sign-in.ts';

export interface ClientCredentials {
  readonly sdk: Sdk;
  readonly state: AuthorizationState;
  readonly discovery: OAuthDiscoveryState;
  readonly scope: string | undefined;
  readonly fetchFn: (url: string | URL, init?: RequestInit) => Promise<Response>;
}

/** Resolves when there are new tokens. Rejects with what went wrong. */
export async function useClientCredentials({
  sdk,
  state,
  discovery,
  scope,
  fetchFn,
}: ClientCredentials): Promise<void> {
  const never = () => {
    throw new Error('nobody signs in here');
  };
  const provider: OAuthClientProvider = {
    redirectUrl: undefined,
    clientMetadata: {
      client_name: 'Plugboard',
      redirect_uris: [],
      grant_types: ['client_credentials'],
      ...(scope === undefined ? {} : { scope }),
    },
    clientInformation: (context) => (context === undefined ? undefined : state.client(context.issuer)),
    tokens: () => undefined,
    saveTokens: (tokens, context) =>
      context === undefined ? undefined : state.saveTokens(context.issuer, tokens, scope),
    discoveryState: () => discovery,
    prepareTokenRequest: (wanted) => {
      return new URLSearchParams({
        grant_type: 'client_credentials',
        ...(wanted === undefined ? {} : { scope: wanted }),
      });
    },
    redirectToAuthorization: never,
    saveCodeVerifier: never,
    codeVerifier: never,
  };
  await sdk.auth(provider, { serverUrl: state.settings.url, fetchFn, ...(scope === undefined ? {} : { scope }) });
}
