// OAuth of one server as the configuration wants it, made definite. Tokens and flows live elsewhere.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'plugboard';

const details = z
  .strictObject({
    grant: z
      .enum(['authorization_code', 'client_credentials'])
      .optional()
      .describe(
        'authorization_code: a person signs in once, in a browser. client_credentials: the proxy has an account of its own.',
      ),
    clientId: z.string().min(1).optional().describe('The client registered beforehand with the authorization server.'),
    clientSecret: z.string().min(1).optional().describe('Its secret, if it has one; write it as ${env:NAME}.'),
    issuer: z
      .string()
      .min(1)
      .optional()
      .describe('The authorization server that `clientId` belongs to. Left out: the first one the server names.'),
    scope: z
      .string()
      .min(1)
      .optional()
      .describe('Scopes to ask for, beside those the server names; separated by spaces.'),
    clientMetadataUrl: z
      .url({ protocol: /^https$/ })
      .optional()
      .describe(
        'Address of a client metadata document, for authorization servers that take one instead of a registration.',
      ),
    redirectPort: z
      .number()
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe('Port on 127.0.0.1 for http://127.0.0.1:PORT/callback. Left out: any free one.'),
  })
  .superRefine(({ grant, clientId, clientSecret }, context) => {
    const fault = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    if (clientSecret !== undefined && clientId === undefined) fault('clientId', '`clientSecret` needs `clientId`');
    if (grant === 'client_credentials' && clientSecret === undefined)
      fault('clientSecret', 'client_credentials needs `clientId` and `clientSecret`');
  });

/** The member `oauth` of an entry. */
export const oauthSchema = z
  .union([z.boolean(), details])
  .optional()
  .describe('http, sse: signing in. Left out or true: when the server asks for it. false: never. An object says how.');

export type OAuthDetails = z.output<typeof details>;

export interface OAuthSettings extends OAuthDetails {
  /** The entry’s name, for messages. */
  readonly name: string;
  /** The whole address of the server, without credentials. */
  readonly url: string;
  /** The file that keeps tokens and registrations. */
  readonly file: string;
}

/** Reads the member `oauth`. Undefined: no signing in. `directory`: where the proxy keeps what is its own. */
export function oauthSettings(
  name: string,
  url: URL,
  oauth: boolean | OAuthDetails | undefined,
  directory: string,
): OAuthSettings | undefined {
  if (oauth === false) return undefined;
  const address = url.origin + url.pathname + url.search;
  // Two entries with one address are two accounts.
  const key = createHash('sha256')
    .update(JSON.stringify([name, address]))
    .digest('hex')
    .slice(0, 16);
  const readable = name.replace(/[^\w.-]+/g, '-').slice(0, 40);
  const file = join(directory, '.plugboard', 'oauth', `${readable}-${key}.json`);
  return { ...(typeof oauth === 'object' ? oauth : {}), name, url: address, file };
}
