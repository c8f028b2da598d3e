// A bare message relay on node:http and undici: what forwarding costs when nothing is kept, checked or translated.
// `--servers JSON`. `/mcp/<server>` passes bytes on; `/mcp` takes the server from the tool's prefix and renames.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { parseArgs } from 'node:util';
import { type Dispatcher, Pool } from 'undici';
import type { Incoming } from './answers.ts';
import { listen, readBody } from './listen.ts';

const { values } = parseArgs({ options: { servers: { type: 'string', default: '{}' } } });
const servers = JSON.parse(values.servers) as Record<string, { url: string }>;
const pools = new Map(Object.entries(servers).map(([name, { url }]) => [name, new Pool(new URL(url).origin)]));
const passed = ['content-type', 'accept', 'mcp-protocol-version', 'mcp-session-id', 'mcp-method', 'mcp-name'];

function pick(headers: IncomingHttpHeaders): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const name of passed) if (typeof headers[name] === 'string') picked[name] = headers[name];
  return picked;
}

/** Streams the upstream's answer back as it comes. */
function pipe(response: ServerResponse): Dispatcher.DispatchHandler {
  return {
    onRequestStart: () => {},
    onResponseStart: (_controller, status, headers) => {
      const kept = ['content-type', 'content-length', 'mcp-session-id'].filter((name) => headers[name] !== undefined);
      response.writeHead(status, Object.fromEntries(kept.map((name) => [name, headers[name]])));
    },
    onResponseData: (_controller, chunk) => void response.write(chunk),
    onResponseEnd: () => void response.end(),
    onResponseError: (_controller, error) => void response.writeHead(502).end(String(error)),
  };
}

function forward(request: IncomingMessage, response: ServerResponse, name: string, body: string): void {
  const pool = pools.get(name) ?? [...pools.values()][0];
  const headers = pick(request.headers);
  const method = request.method === 'DELETE' ? 'DELETE' : 'POST';
  if (request.url !== '/mcp' || method === 'DELETE') {
    return void pool?.dispatch({ path: '/mcp', method, headers, body }, pipe(response));
  }
  const message = JSON.parse(body) as Incoming;
  if (message.params?.name !== undefined) {
    message.params.name = message.params.name.slice(name.length + 1);
    if (headers['mcp-name'] !== undefined) headers['mcp-name'] = message.params.name;
  }
  pool?.dispatch({ path: '/mcp', method, headers, body: JSON.stringify(message) }, pipe(response));
}

listen((request, response) => {
  readBody(request, (body) => {
    const path = request.url ?? '';
    // One session serves all: it is opened at, and ended at, the first server, which has to be the old-era one.
    const prefix = /"name":"([a-z]+)_/.exec(body)?.[1];
    const era = request.headers['mcp-protocol-version'] === '2026-07-28' ? 'new' : '';
    forward(request, response, path === '/mcp' ? (prefix ?? era) : path.slice('/mcp/'.length), body);
  });
});
