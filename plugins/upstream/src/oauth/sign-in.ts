// One sign-in of a person, from the address that is put in the log to the tokens that are kept. When it is needed is decided in `authorizer.ts`.
import type * as Client from '@modelcontextprotocol/client';
import type { AuthorizationState } from './authorization-state.ts';
import { CallbackListener, portOf } from './callback-listener.ts';
import type { Callback } from './callback-listener.ts';
import { NotAuthorized } from './not-authorized.ts';
import { SignInProvider } from './sign-in-provider.ts';

export type Sdk = typeof Client;

export interface SignIn {
  readonly sdk: Sdk;
  readonly state: AuthorizationState;
  readonly discovery: Client.OAuthDiscoveryState;
  /** The authorization server, by its own name. */
  readonly issuer: string;
  readonly scope: string | undefined;
  readonly fetchFn: (url: string | URL, init?: RequestInit) => Promise<Response>;
  /** Ends the sign-in. */
  readonly signal: AbortSignal;
  /** Has somebody open the address. */
  ask(url: URL): void;
}

/** ms for a person to sign in. */
const patience = 600_000;

/** Resolves when there are new tokens. Rejects with what went wrong. */
export async function signIn(init: SignIn): Promise<void> {
  const { state, discovery, issuer, sdk } = init;
  const listener = await openListener(state, issuer);
  try {
    const provider = new SignInProvider(state, listener.url, discovery);
    const options = {
      serverUrl: state.settings.url,
      fetchFn: init.fetchFn,
      ...(init.scope === undefined ? {} : { scope: init.scope }),
      ...(discovery.resourceMetadataUrl === undefined
        ? {}
        : { resourceMetadataUrl: new URL(discovery.resourceMetadataUrl) }),
    };
    await sdk.auth(provider, { ...options, forceReauthorization: true });
    const answer = listener.answer(provider.secret);
    init.ask(addressOf(provider, state.settings.name));
    const callback = await withLimit(answer, init.signal, state.settings.name);
    try {
      const { code, iss } = read(init, callback);
      await sdk.auth(provider, { ...options, authorizationCode: code, ...(iss === undefined ? {} : { iss }) });
    } catch (error) {
      callback.finish('Signing in failed; the log of the proxy says why. You can close this page.', false);
      throw error;
    }
    callback.finish('You are signed in. You can close this page.', true);
    listener.close();
  } catch (error) {
    listener.close();
    throw error;
  }
}

async function openListener(state: AuthorizationState, issuer: string): Promise<CallbackListener> {
  const { name, redirectPort } = state.settings;
  try {
    return await CallbackListener.open(portOf(state.record(issuer)?.redirectUrl), redirectPort);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw new NotAuthorized(
      `server "${name}": port ${redirectPort} of 127.0.0.1 cannot be used for signing in (${code}): free it, or correct mcpServers.${name}.oauth.redirectPort`,
    );
  }
}

/** The address to open; nobody is sent anywhere but to a web page. */
function addressOf({ authorizationUrl }: SignInProvider, name: string): URL {
  if (authorizationUrl !== undefined && /^https?:$/.test(authorizationUrl.protocol)) return authorizationUrl;
  throw new NotAuthorized(
    `server "${name}" names an authorization server that has no web page to sign in at: tell whoever runs it`,
  );
}

/** Reads the answer of the authorization server; its issuer is checked before anything else is believed (RFC 9207). */
function read({ sdk, discovery }: SignIn, { params }: Callback): { code: string; iss: string | undefined } {
  const metadata = discovery.authorizationServerMetadata;
  const iss = params.get('iss') ?? undefined;
  sdk.validateAuthorizationResponseIssuer({
    iss,
    expectedIssuer: metadata?.issuer,
    issParameterSupported: metadata?.['authorization_response_iss_parameter_supported'] === true,
  });
  const error = params.get('error');
  if (error !== null) throw new sdk.OAuthError(error, params.get('error_description') ?? error);
  const code = params.get('code');
  if (code === null) throw new Error('the answer of the authorization server holds no code');
  return { code, iss };
}

function withLimit<Value>(promise: Promise<Value>, signal: AbortSignal, name: string): Promise<Value> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error);
    const late = () =>
      reject(new NotAuthorized(`server "${name}": nobody signed in within ${patience / 60_000} minutes; try again`));
    const timer = setTimeout(late, patience);
    timer.unref();
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    void promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    });
  });
}
