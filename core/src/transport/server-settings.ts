// What transports to servers make alike of a configured server: its common members, its secrets, how it is told from others. Addresses are theirs.
import { createHash } from 'node:crypto';
import { mask, minSecretLength } from '../masking.ts';
import type { Era } from '../protocol/messages.ts';
import { boolean, enum as oneOf, int, string } from '../z.ts';

/** What is known of a server, whatever its transport is. */
export interface CommonSettings {
  readonly name: string;
  readonly title: string | undefined;
  readonly isolation: 'shared' | 'task' | 'session';
  /** ms without an answer or progress before a call fails. */
  readonly timeout: number;
  /** ms before a call fails, whatever progress says. */
  readonly maxTimeout: number;
  readonly era: Era | 'auto';
  /** Identifies the server for what is remembered of it: the same program or address, whatever its secrets are. */
  readonly fingerprint: string;
  /** Changes with every part of the definition. A hash. */
  readonly definition: string;
  /** Hides this server's secrets in text that it wrote. */
  readonly redact: (text: string) => string;
}

/** The members that a server's entry has in the configuration, whatever its transport is. */
export function serverFields() {
  const ms = (initial: number, text: string) => int().min(1).default(initial).describe(text);
  return {
    isolation: oneOf(['shared', 'task', 'session'])
      .default('task')
      .describe('Who shares a connection: everybody, the sessions of one grant, or nobody'),
    timeout: ms(60_000, 'ms without an answer or progress before a call fails'),
    maxTimeout: ms(600_000, 'ms before a call fails, whatever progress says'),
    era: oneOf(['auto', 'old', 'new'])
      .default('auto')
      .describe('Protocol generation: `old` is 2024-11-05 to 2025-11-25, `new` is 2026-07-28; `auto` finds out'),
    title: string().optional().describe('A name for people'),
    disabled: boolean().default(false).describe('`true`: the entry is read and ignored'),
  };
}

const maxHeaders = 64;
const headerToken = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** What is wrong with configured headers, a sentence each. `isReserved` tells of a lower-case name whether the transport sets it. */
export function* headerFaults(
  headers: Readonly<Record<string, string>>,
  isReserved: (name: string) => boolean,
): Iterable<string> {
  const entries = Object.entries(headers);
  if (entries.length > maxHeaders) yield `at most ${maxHeaders} headers`;
  for (const [name, value] of entries) {
    if (!headerToken.test(name)) yield `${JSON.stringify(name)} is not a header name`;
    else if (isReserved(name.toLowerCase())) yield `\`${name}\` is set by the proxy; remove it`;
    else if (/[^\t\x20-\x7e\x80-\xff]/.test(value))
      yield `the value of \`${name}\` holds characters that no header may hold (a line break?)`;
  }
}

/** The credentials of a URL as they are sent: the value of the header Authorization. */
export function basicAuthorization({ username, password }: URL): string {
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

/** Makes what hides secrets in a text; those too short to be told from other words are left alone. */
export function redactor(secrets: readonly string[]): (text: string) => string {
  const known = [...new Set(secrets)].filter((secret) => secret.length >= minSecretLength);
  if (known.length === 0) return (text) => text;
  return (text) => known.reduce((masked, secret) => masked.replaceAll(secret, mask), text);
}

/** The same for values of headers and URLs: of `Bearer …`, the second word alone is secret as well. */
export function credentialRedactor(secrets: readonly string[]): (text: string) => string {
  return redactor(secrets.flatMap((secret) => [secret, secret.replace(/^\w+ +/, '')]));
}

/** A short hash of some values, for telling definitions apart. */
export function hashOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
