// What went wrong on the way to a token, in sentences: who, where, what to do now. Credentials never appear in them.
import { NotAuthorized } from './not-authorized.ts';
import type { OAuthSettings } from './oauth-settings.ts';
import { mask } from './secrets.ts';
import type { Sdk } from './sign-in.ts';

const maxQuote = 200;

/** The error for people behind any error of a flow. */
export function explainFailure(sdk: Sdk, settings: OAuthSettings, error: unknown): NotAuthorized {
  if (error instanceof NotAuthorized) return error;
  return new NotAuthorized(`server "${settings.name}": signing in failed: ${reason(sdk, settings, error)}`);
}

function reason(sdk: Sdk, { name }: OAuthSettings, error: unknown): string {
  const place = `mcpServers.${name}.oauth`;
  if (error instanceof sdk.IssuerMismatchError) {
    const answered = error.kind === 'metadata' ? 'describes itself as' : 'answered as';
    const received = quote(error.received ?? 'nobody');
    return `the authorization server ${quote(error.expected ?? 'that was asked')} ${answered} ${received}, so its answer was not used: tell whoever runs the server`;
  }
  if (error instanceof sdk.RegistrationRejectedError) {
    return `the authorization server registers no client by itself (HTTP ${error.status}): register one there and set ${place}.clientId`;
  }
  if (error instanceof sdk.OAuthError) {
    const said = error.message === error.code ? '' : ` (${quote(error.message)})`;
    const wrongClient = isOneOf(error.code, sdk.OAuthErrorCode.InvalidClient);
    const now = wrongClient ? `: correct ${place}.clientId and clientSecret` : ': try again';
    return `the authorization server said ${quote(error.code)}${said}${now}`;
  }
  const message = error instanceof Error ? error.message : String(error);
  if (/dynamic client registration/.test(message)) {
    return `the authorization server registers no client by itself: register one there and set ${place}.clientId`;
  }
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
  const code: unknown = cause !== undefined && 'code' in cause ? cause.code : undefined;
  return `${quote(message)}${typeof code === 'string' ? ` (${code})` : ''}: try again`;
}

/** True when an error's code is one of these; codes are plain strings on the wire. */
export function isOneOf(code: string, ...codes: string[]): boolean {
  return codes.includes(code);
}

function quote(text: string): string {
  const line = mask(text)
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
  return line.length > maxQuote ? `${line.slice(0, maxQuote)}…` : line;
}
