// One server as it is configured, and made definite. How it is opened is in `open.ts`.
import { createHash } from 'node:crypto';
import { z } from 'plugboard';

const maxHeaders = 64;
const headerToken = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Headers that the handshake itself sets. */
const reservedHeaders = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'origin',
  'te',
  'transfer-encoding',
  'upgrade',
]);

export const serverName = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/, 'a name has 1 to 40 letters, digits, _ and -');

/** One entry of `servers`. */
export const entrySchema = z
  .strictObject({
    type: z.literal('websocket').optional().describe('Always `websocket`; may be left out here'),
    url: z.string().min(1).describe('Address of the server: `ws://…` or `wss://…`'),
    headers: z
      .record(z.string(), z.string())
      .default({})
      .describe('Headers sent with the handshake, such as Authorization'),
    isolation: z
      .enum(['shared', 'task', 'session'])
      .default('task')
      .describe('Who shares a connection: everybody, the sessions of one grant, or nobody'),
    timeout: z.int().min(1).default(60_000).describe('ms without an answer or progress before a call fails'),
    maxTimeout: z.int().min(1).default(600_000).describe('ms before a call fails, whatever progress says'),
    era: z
      .enum(['auto', 'old', 'new'])
      .default('auto')
      .describe('Protocol generation: `old` is 2024-11-05 to 2025-11-25, `new` is 2026-07-28; `auto` finds out'),
    title: z.string().optional().describe('A name for people'),
    disabled: z.boolean().default(false).describe('`true`: the entry is read and ignored'),
  })
  .superRefine((entry, context) => {
    const fault = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    if (!URL.canParse(entry.url)) fault('url', 'is not a complete URL; write it as wss://host/path');
    else if (!/^wss?:$/.test(new URL(entry.url).protocol)) fault('url', 'must begin with ws:// or wss://');
    else if (new URL(entry.url).hash !== '') fault('url', 'must not have a #fragment');
    for (const message of headerFaults(entry.headers)) fault('headers', message);
    if (entry.maxTimeout < entry.timeout) fault('maxTimeout', 'must not be smaller than `timeout`');
  });

/** An entry after validation, with its defaults. */
export type Entry = z.output<typeof entrySchema>;

function* headerFaults(headers: Readonly<Record<string, string>>): Iterable<string> {
  const entries = Object.entries(headers);
  if (entries.length > maxHeaders) yield `at most ${maxHeaders} headers`;
  for (const [name, value] of entries) {
    if (!headerToken.test(name)) yield `${JSON.stringify(name)} is not a header name`;
    else if (reservedHeaders.has(name.toLowerCase()) || /^sec-websocket-/i.test(name))
      yield `\`${name}\` is set by the proxy; remove it`;
    else if (/[^\t\x20-\x7e\x80-\xff]/.test(value))
      yield `the value of \`${name}\` holds characters that no header may hold (a line break?)`;
  }
}

/** One server as this plugin works with it. */
export interface ServerSettings {
  readonly name: string;
  readonly title: string | undefined;
  readonly isolation: Entry['isolation'];
  readonly timeout: number;
  readonly maxTimeout: number;
  readonly era: Entry['era'];
  /** What is dialled: without credentials and fragment. */
  readonly url: string;
  /** The address without query and credentials, for messages. */
  readonly shown: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Identifies the server for what is remembered of it: the same address, whatever its secrets are. */
  readonly fingerprint: string;
  /** Changes with every part of the definition. A hash. */
  readonly definition: string;
  /** Hides this server's secrets in text that it wrote. */
  readonly redact: (text: string) => string;
}

/** Makes an entry definite. */
export function settingsOf(name: string, entry: Entry): ServerSettings {
  const url = new URL(entry.url);
  const headers = { ...entry.headers };
  const secrets = [...Object.values(headers), decodeURIComponent(url.password), ...url.searchParams.values()];
  // Credentials in a URL are sent as what they are, a header, and never appear in a message.
  if (url.username !== '' && !Object.keys(headers).some((each) => each.toLowerCase() === 'authorization')) {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  url.username = '';
  url.password = '';
  const shown = `${url.protocol}//${url.host}${url.pathname}`;
  const { title, isolation, timeout, maxTimeout, era } = entry;
  return {
    name,
    title,
    isolation,
    timeout,
    maxTimeout,
    era,
    url: url.href,
    shown,
    headers,
    fingerprint: hash([shown, Object.keys(headers)]),
    definition: hash([entry]),
    redact: redactor(secrets.flatMap((secret) => [secret, secret.replace(/^\w+ +/, '')])),
  };
}

const shortestSecret = 6;

function redactor(secrets: readonly string[]): (text: string) => string {
  const known = [...new Set(secrets)].filter((secret) => secret.length >= shortestSecret);
  return (text) => known.reduce((masked, secret) => masked.replaceAll(secret, '***'), text);
}

function hash(parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
