// One server as it is configured, and made definite. How it is opened is in `open.ts`.
import { basicAuthorization, credentialRedactor, hashOf, headerFaults, serverFields, z } from 'plugboard';
import type { CommonSettings } from 'plugboard';

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
    ...serverFields(),
  })
  .superRefine((entry, context) => {
    const fault = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    if (!URL.canParse(entry.url)) fault('url', 'is not a complete URL; write it as wss://host/path');
    else if (!/^wss?:$/.test(new URL(entry.url).protocol)) fault('url', 'must begin with ws:// or wss://');
    else if (new URL(entry.url).hash !== '') fault('url', 'must not have a #fragment');
    for (const message of headerFaults(entry.headers, isReserved)) fault('headers', message);
    if (entry.maxTimeout < entry.timeout) fault('maxTimeout', 'must not be smaller than `timeout`');
  });

/** An entry after validation, with its defaults. */
export type Entry = z.output<typeof entrySchema>;

function isReserved(name: string): boolean {
  return reservedHeaders.has(name) || name.startsWith('sec-websocket-');
}

/** One server as this plugin works with it. */
export interface ServerSettings extends CommonSettings {
  /** What is dialled: without credentials and fragment. */
  readonly url: string;
  /** The address without query and credentials, for messages. */
  readonly shown: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Makes an entry definite. */
export function settingsOf(name: string, entry: Entry): ServerSettings {
  const url = new URL(entry.url);
  const headers = { ...entry.headers };
  const secrets = [...Object.values(headers), decodeURIComponent(url.password), ...url.searchParams.values()];
  // Credentials in a URL are sent as what they are, a header, and never appear in a message.
  if (url.username !== '' && !Object.keys(headers).some((each) => each.toLowerCase() === 'authorization')) {
    headers['authorization'] = basicAuthorization(url);
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
    fingerprint: hashOf([shown, Object.keys(headers)]),
    definition: hashOf([entry]),
    redact: credentialRedactor(secrets),
  };
}
