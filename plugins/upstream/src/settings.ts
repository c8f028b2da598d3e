// One server as this plugin works with it: an entry of the configuration, made definite. Reading of the entry is in `options.ts`.
import { resolve } from 'node:path';
import { basicAuthorization, credentialRedactor, hashOf, redactor } from 'plugboard';
import type { CommonSettings } from 'plugboard';
import { oauthSettings } from './oauth/oauth-settings.ts';
import type { OAuthSettings } from './oauth/oauth-settings.ts';
import type { Entry } from './options.ts';

export interface StdioSettings extends CommonSettings {
  readonly kind: 'stdio';
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Absolute. */
  readonly cwd: string;
}

export interface HttpSettings extends CommonSettings {
  readonly kind: 'http';
  readonly origin: string;
  /** Path and query. */
  readonly path: string;
  /** The address without query and credentials, for messages. */
  readonly shown: string;
  /** Names and values in turn, as undici takes them. */
  readonly headers: readonly string[];
  /** `sse`: the transport of 2024-11-05 only; `http`: Streamable HTTP, falling back to it. */
  readonly transport: 'http' | 'sse';
  /** How somebody signs in; undefined: nobody can. */
  readonly oauth: OAuthSettings | undefined;
}

export type ServerSettings = StdioSettings | HttpSettings;

/** Makes an entry definite. `directory`: where relative paths start. */
export function settingsOf(name: string, entry: Entry, directory: string): ServerSettings {
  return entry.command === undefined ? httpSettings(name, entry, directory) : stdioSettings(name, entry, directory);
}

function stdioSettings(name: string, entry: Entry, directory: string): StdioSettings {
  const env = Object.fromEntries(Object.entries(entry.env ?? {}).map(([key, value]) => [key, String(value)]));
  const args = (entry.args ?? []).map(String);
  const cwd = resolve(directory, entry.cwd ?? '.');
  const command = entry.command ?? '';
  return {
    ...common(name, entry, directory),
    kind: 'stdio',
    command,
    args,
    env,
    cwd,
    fingerprint: hashOf(['stdio', command, args, cwd, Object.keys(env)]),
    redact: redactor(Object.entries(env).flatMap(([key, value]) => (secretName.test(key) ? [value] : []))),
  };
}

function httpSettings(name: string, entry: Entry, directory: string): HttpSettings {
  const url = new URL(entry.url ?? '');
  const headers = Object.entries(entry.headers ?? {}).flat();
  const named = new Set(Object.keys(entry.headers ?? {}).map((key) => key.toLowerCase()));
  // Credentials in a URL are sent as what they are, a header, and never appear in a message.
  if (url.username !== '' && !named.has('authorization')) headers.push('authorization', basicAuthorization(url));
  const secrets = [...Object.values(entry.headers ?? {}), url.password, ...url.searchParams.values()];
  if (typeof entry.oauth === 'object') secrets.push(entry.oauth.clientSecret ?? '');
  // Whoever is named in the configuration needs nobody to sign in.
  const oauth = named.has('authorization') || url.username !== '' ? false : entry.oauth;
  return {
    ...common(name, entry, directory),
    kind: 'http',
    origin: url.origin,
    path: url.pathname + url.search,
    shown: url.origin + url.pathname,
    headers,
    transport: entry.type === 'sse' ? 'sse' : 'http',
    oauth: oauthSettings(name, url, oauth, directory),
    fingerprint: hashOf(['http', entry.type === 'sse', url.origin, url.pathname, [...named]]),
    redact: credentialRedactor(secrets),
  };
}

function common(name: string, entry: Entry, directory: string) {
  const { title, isolation, timeout, maxTimeout, era } = entry;
  return { name, title, isolation, timeout, maxTimeout, era, definition: hashOf([entry, directory]) };
}

const secretName = /key|token|secret|passw|auth|credential|cookie/i;
