// Who a server's requests are made as: its token, and getting another when the server wants one. One flow at a time, whoever needs it.
import type { OAuthDiscoveryState } from '@modelcontextprotocol/client';
import type { Log } from 'plugboard';
import type { Reply } from '../http/exchange.ts';
import { AuthorizationState } from './authorization-state.ts';
import { boundedFetch } from './bounded-fetch.ts';
import { readChallenge } from './challenge.ts';
import type { Challenge } from './challenge.ts';
import { useClientCredentials } from './client-credentials.ts';
import { explainFailure, isOneOf } from './explain-failure.ts';
import { NotAuthorized } from './not-authorized.ts';
import type { OAuthSettings } from './oauth-settings.ts';
import { signIn } from './sign-in.ts';
import type { Sdk } from './sign-in.ts';

/** `refreshed`, `signed in`, `changed`: there is another token; `no way`: the server offers no signing in. */
export type Outcome = 'refreshed' | 'signed in' | 'changed' | 'no way' | NotAuthorized;

/** What one request has been through. */
export interface Tried {
  /** The token it was last sent with. */
  readonly token: string | undefined;
  /** What came of its challenges so far. */
  readonly outcomes: readonly Outcome[];
}

interface Flow {
  readonly outcome: Promise<Outcome>;
  /** Somebody has been asked to sign in. */
  asked: boolean;
}

const maxTries = 4;
/** Sign-ins that are asked for in so many ms; a server that is never content must not keep a person busy. */
const maxSignIns = 3;
const signInWindow = 600_000;
/** ms for which a failure is taken as the answer to the next request, too. */
const failureTime = 3000;

export class Authorizer {
  readonly #state: AuthorizationState;
  readonly #abort = new AbortController();
  #log: Log;
  #flow: Flow | undefined;
  #failure: { readonly outcome: Outcome; readonly until: number } | undefined;
  #signIns: { readonly scope: string | undefined; readonly at: number }[] = [];

  private constructor(state: AuthorizationState, log: Log) {
    this.#state = state;
    this.#log = log;
  }

  static async load(settings: OAuthSettings, log: Log): Promise<Authorizer> {
    const warn = (text: string) => log.warn(`server "${settings.name}" ${text}`, { server: settings.name });
    return new Authorizer(await AuthorizationState.load(settings, warn), log);
  }

  /** A new generation of the configuration has the same server. */
  adopt(settings: OAuthSettings, log: Log): void {
    this.#state.settings = settings;
    this.#log = log;
  }

  /** The access token of the moment. */
  get token(): string | undefined {
    return this.#state.token;
  }

  /** Before a request: a promise when its token is being replaced, because its time is over. Never rejects. */
  ready(): Promise<unknown> | undefined {
    if (this.token === undefined || !this.#state.isExpired || this.#failure !== undefined) return undefined;
    const { currentIssuer } = this.#state;
    if (currentIssuer === undefined || this.#state.record(currentIssuer)?.tokens?.refresh_token === undefined)
      return undefined;
    return this.#join() ?? this.#start((flow) => this.#renew(flow));
  }

  /** True while a token is being got. */
  get busy(): boolean {
    return this.#flow !== undefined;
  }

  /** Resolves when the flow that is under way has ended. Never rejects. */
  async settled(): Promise<void> {
    await this.#flow?.outcome;
  }

  /** Answers a challenge: gets another token if there is one to be had. Never rejects. */
  async answer(reply: Reply, { token, outcomes }: Tried): Promise<Outcome> {
    const challenge = await readChallenge(reply);
    const running = this.#join();
    if (running !== undefined) return running;
    if (token !== this.token && this.token !== undefined) return 'changed';
    if (outcomes.length >= maxTries || (challenge.kind === 'unauthorized' && outcomes.at(-1) === 'signed in')) {
      return new NotAuthorized(
        `server "${this.#name}" refuses the token that was got for it (HTTP ${reply.status}): check what the account may do, then try again`,
      );
    }
    if (this.#failure !== undefined && this.#failure.until > Date.now()) return this.#failure.outcome;
    // A refreshed token that is refused at once will not be better for being refreshed again.
    const force = challenge.kind === 'scope' || outcomes.includes('refreshed');
    return this.#start((flow) => this.#authorize(challenge, token, force, flow));
  }

  /** Why a request that cannot wait any longer has no answer. */
  get waiting(): NotAuthorized {
    const why =
      this.#flow?.asked === true
        ? 'waits for you to sign in: open the address that the log shows, then try again'
        : 'is still being signed in to: try again';
    return new NotAuthorized(`server "${this.#name}" ${why}`);
  }

  close(): void {
    this.#abort.abort(
      new NotAuthorized(
        `server "${this.#name}": signing in was given up, because the proxy stops or has another configuration`,
      ),
    );
  }

  get #name(): string {
    return this.#state.settings.name;
  }

  #join(): Promise<Outcome> | undefined {
    return this.#flow?.outcome.then((outcome) =>
      outcome === 'refreshed' || outcome === 'signed in' ? 'changed' : outcome,
    );
  }

  #start(run: (flow: { asked: boolean }) => Promise<Outcome>): Promise<Outcome> {
    const progress = { asked: false };
    const outcome = run(progress).then((result) => {
      const failed = result === 'no way' || result instanceof NotAuthorized;
      this.#failure = failed ? { outcome: result, until: Date.now() + failureTime } : undefined;
      this.#flow = undefined;
      if (result instanceof NotAuthorized && progress.asked) this.#log.warn(result.message, { server: this.#name });
      return result;
    });
    this.#flow = Object.assign(progress, { outcome });
    return outcome;
  }

  /** A token whose time is over is replaced without asking anybody. What does not work here is tried again after the server's challenge. */
  async #renew(flow: { asked: boolean }): Promise<Outcome> {
    const challenge: Challenge = { kind: 'unauthorized', resourceMetadataUrl: undefined, scope: undefined };
    const outcome = await this.#authorize(challenge, this.token, false, flow, false);
    return outcome instanceof NotAuthorized ? 'changed' : outcome;
  }

  async #authorize(
    challenge: Challenge,
    used: string | undefined,
    force: boolean,
    flow: { asked: boolean },
    mayAsk = true,
  ): Promise<Outcome> {
    const sdk = await import('@modelcontextprotocol/client');
    const { settings } = this.#state;
    try {
      await this.#state.reload();
      // Another process has been faster.
      if (!force && this.token !== undefined && this.token !== used && !this.#state.isExpired) return 'changed';
      this.#state.describedAt(challenge.resourceMetadataUrl);
      const fetchFn = boundedFetch(settings.url, this.#abort.signal);
      const discovery = await this.#discover(sdk, fetchFn);
      if (discovery === undefined) return 'no way';
      const issuer = discovery.authorizationServerMetadata?.issuer ?? discovery.authorizationServerUrl;
      if (!force && (await this.#refresh(sdk, discovery, issuer, fetchFn))) return 'refreshed';
      if (!mayAsk) return 'changed';
      const scope = this.#scopeFor(sdk, challenge, issuer);
      if (settings.grant === 'client_credentials') {
        await useClientCredentials({ sdk, state: this.#state, discovery, scope, fetchFn });
        return 'signed in';
      }
      this.#admit(challenge, scope);
      const { signal } = this.#abort;
      const ask = (url: URL) => {
        flow.asked = true;
        this.#ask(url);
      };
      await signIn({ sdk, state: this.#state, discovery, issuer, scope, fetchFn, signal, ask });
      this.#log.info(`server "${settings.name}" is signed in`, { server: settings.name });
      return 'signed in';
    } catch (error) {
      return explainFailure(sdk, settings, this.#abort.signal.aborted ? this.#abort.signal.reason : error);
    }
  }

  /** Undefined: neither the server nor its host knows of OAuth. */
  async #discover(sdk: Sdk, fetchFn: ReturnType<typeof boundedFetch>): Promise<OAuthDiscoveryState | undefined> {
    const { resourceMetadataUrl, settings } = this.#state;
    const found = await sdk.discoverOAuthServerInfo(settings.url, {
      fetchFn,
      ...(resourceMetadataUrl === undefined ? {} : { resourceMetadataUrl: new URL(resourceMetadataUrl) }),
    });
    const { authorizationServerUrl, authorizationServerMetadata, resourceMetadata } = found;
    if (authorizationServerMetadata === undefined && resourceMetadata === undefined) return undefined;
    return {
      authorizationServerUrl,
      ...(resourceMetadataUrl === undefined ? {} : { resourceMetadataUrl }),
      ...(resourceMetadata === undefined ? {} : { resourceMetadata }),
      ...(authorizationServerMetadata === undefined ? {} : { authorizationServerMetadata }),
    };
  }

  /** False: there is nothing to refresh, or the authorization server takes it no more. Throws when it could not be asked. */
  async #refresh(
    sdk: Sdk,
    discovery: OAuthDiscoveryState,
    issuer: string,
    fetchFn: ReturnType<typeof boundedFetch>,
  ): Promise<boolean> {
    const record = this.#state.record(issuer);
    const refreshToken = record?.tokens?.refresh_token;
    const clientInformation = this.#state.client(issuer);
    if (refreshToken === undefined || clientInformation === undefined) return false;
    const { resourceMetadata, authorizationServerMetadata: metadata } = discovery;
    await sdk.selectResourceURL(
      this.#state.settings.url,
      { validateResourceURL: undefined } as never,
      resourceMetadata,
    );
    try {
      const tokens = await sdk.refreshAuthorization(discovery.authorizationServerUrl, {
        clientInformation,
        refreshToken,
        fetchFn,
        ...(metadata === undefined ? {} : { metadata }),
        ...(resourceMetadata === undefined ? {} : { resource: resourceMetadata.resource }),
      });
      await this.#state.saveTokens(issuer, { scope: record?.tokens?.scope, ...tokens, issuer }, record?.requested);
      return true;
    } catch (error) {
      const { InvalidClient, ServerError, UnauthorizedClient } = sdk.OAuthErrorCode;
      if (!(error instanceof sdk.OAuthError) || isOneOf(error.code, ServerError)) throw error;
      const isClient = isOneOf(error.code, InvalidClient, UnauthorizedClient);
      await this.#state.forget(issuer, isClient ? 'client' : 'tokens');
      return false;
    }
  }

  /** What to ask for: what the server names, and at a step up what there was before (2026-07-28, scope challenges). */
  #scopeFor(sdk: Sdk, { kind, scope }: Challenge, issuer: string): string | undefined {
    const { settings } = this.#state;
    const record = this.#state.record(issuer);
    if (kind === 'unauthorized' && scope === undefined) return settings.scope;
    return sdk.computeScopeUnion(
      settings.scope,
      record?.requested,
      kind === 'scope' ? record?.tokens?.scope : undefined,
      scope,
    );
  }

  /** Throws when asking somebody (again) would lead nowhere. */
  #admit(challenge: Challenge, scope: string | undefined): void {
    const now = Date.now();
    this.#signIns = this.#signIns.filter(({ at }) => at > now - signInWindow);
    if (challenge.kind === 'scope' && this.#signIns.some((each) => each.scope === scope)) {
      throw new NotAuthorized(
        `server "${this.#name}" says that the scope ${JSON.stringify(challenge.scope ?? '')} is missing, though it was just asked for: ` +
          'check what the account may do, then try again later',
      );
    }
    if (this.#signIns.length >= maxSignIns) {
      throw new NotAuthorized(
        `server "${this.#name}" asked for ${maxSignIns} sign-ins within ${signInWindow / 60_000} minutes and is still not content: try again later, or tell whoever runs it`,
      );
    }
    this.#signIns.push({ scope, at: now });
  }

  #ask(url: URL): void {
    const server = this.#name;
    // The field is for whoever opens the address by program; the text is for people.
    this.#log.warn(`server "${server}" wants you to sign in: open ${url.href} in a browser on this machine`, {
      server,
      signIn: url.href,
    });
  }
}
