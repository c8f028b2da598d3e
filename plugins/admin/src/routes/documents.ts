// The endpoints that are not about the proxy but about the API: its document, the page made of it, and the stream of events.
import { version, z } from 'plugboard';
import type { JsonObject } from 'plugboard';
import { docsPage, pagePolicy } from '../docs-page.ts';
import type { Endpoint, RawEndpoint } from '../endpoint.ts';
import type { EventStreams } from '../event-streams.ts';
import { openApiOf } from '../openapi.ts';
import { jsonObject, time } from './shapes.ts';

/** What the endpoints describe: everything there is at the moment. */
export interface Described {
  readonly endpoints: readonly Endpoint[];
  /** Changes with the endpoints. */
  readonly version: number;
}

/** `open`: whether nobody needs a credential for them now. */
export function documentEndpoints(described: Described, open: () => boolean): RawEndpoint[] {
  let made: { readonly version: number; readonly json: string; readonly page: string } | undefined;
  const documents = () => {
    if (made?.version !== described.version) {
      const document: JsonObject = openApiOf(described.endpoints, version);
      made = { version: described.version, json: JSON.stringify(document), page: docsPage(document) };
    }
    return made;
  };
  return [
    {
      method: 'GET',
      path: '/openapi.json',
      role: 'viewer',
      operation: 'showDocument',
      summary: 'The OpenAPI 3.1 document of this API',
      description:
        'With the routes of all plugins that run. On a loopback listener it needs no token, unless the option `docs` says so.',
      group: 'document',
      media: 'application/json; charset=utf-8',
      result: jsonObject,
      open,
      respond: () => ({ body: documents().json }),
    },
    {
      method: 'GET',
      path: '/docs',
      role: 'viewer',
      operation: 'showDocs',
      summary: 'The same as a page to read',
      group: 'document',
      media: 'text/html; charset=utf-8',
      open,
      respond: () => ({ body: documents().page, headers: { 'Content-Security-Policy': pagePolicy } }),
    },
  ];
}

/** Data of an event as it stands on the stream. */
export const eventShape = z
  .strictObject({
    type: z.string().describe('`server.changed`, `session.started`, `call.settled`, …'),
    subject: z.string().describe('What it happened to'),
    at: time,
    data: jsonObject.optional(),
  })
  .meta({ id: 'Event' });

const eventQuery = z.strictObject({
  types: z
    .string()
    .regex(/^[\w.*-]+(?:,[\w.*-]+)*$/)
    .max(1000)
    .optional()
    .describe('Only these types, separated by commas; `task.*` stands for all that begin so'),
});

export function eventEndpoint(streams: EventStreams): RawEndpoint {
  return {
    method: 'GET',
    path: '/events',
    role: 'viewer',
    operation: 'streamEvents',
    summary: 'What happens, as server-sent events',
    description:
      'Each event has an `id`, its type as `event`, and an object of type `Event` as `data`. A client that sends the last id it had as `Last-Event-ID` misses nothing, as long as the events since are kept; otherwise it first hears `reset` and must read anew what it shows. `reset` comes whatever `types` says. A reader that is too slow is disconnected, and resumes in the same way.',
    media: 'text/event-stream',
    result: eventShape,
    query: eventQuery,
    headers: { 'Last-Event-ID': 'Id of the last event that was received' },
    refusals: [503],
    respond: ({ request, response, query }) => {
      const { types } = query as z.output<typeof eventQuery>;
      const last = request.headers['last-event-id'];
      if (request.method === 'HEAD') return { body: '' };
      streams.open(response, typeof last === 'string' && last !== '' ? last : undefined, filterOf(types));
      return undefined;
    },
  };
}

function filterOf(types: string | undefined): (type: string) => boolean {
  if (types === undefined) return () => true;
  const wanted = types.split(',');
  const exact = new Set(wanted.filter((each) => !each.endsWith('*')));
  const prefixes = wanted.flatMap((each) => (each.endsWith('*') ? [each.slice(0, -1)] : []));
  return (type) => exact.has(type) || prefixes.some((prefix) => type.startsWith(prefix));
}
