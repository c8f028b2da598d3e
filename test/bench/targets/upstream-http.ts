// The bench's upstream over Streamable HTTP. `--era old|new|both`, `--tools N`. Old era: sessions, counted at `/stats`.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseArgs } from 'node:util';
import { createAnswers, type Incoming, isNew, type Spoken } from './answers.ts';
import { listen, readBody, sendJson } from './listen.ts';

/** What `GET /stats` answers. */
export interface UpstreamStats {
  sessionsOpen: number;
  sessionsOpened: number;
  calls: number;
}

const { values } = parseArgs({ options: { era: { type: 'string' }, tools: { type: 'string' } } });
const answers = createAnswers((values.era ?? 'both') as Spoken, Number(values.tools ?? 2));
const sessions = new Set<string>();
let sessionsOpened = 0;
let calls = 0;

function refuse(response: ServerResponse, status: number, message: string): void {
  sendJson(response, status, JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message } }));
}

function receive(request: IncomingMessage, response: ServerResponse, message: Incoming): void {
  const session = request.headers['mcp-session-id'];
  const opening = message.method === 'initialize';
  if (!opening && !isNew(message)) {
    if (typeof session !== 'string') return refuse(response, 400, 'Bad Request: Mcp-Session-Id header is required');
    if (!sessions.has(session)) return refuse(response, 404, 'Session not found');
  }
  const outgoing = answers(message);
  if (outgoing === undefined) return void response.writeHead(202).end();
  if (message.method === 'tools/call') calls++;
  if (!opening || outgoing.status !== 200) return sendJson(response, outgoing.status, outgoing.text);
  const id = randomUUID();
  sessions.add(id);
  sessionsOpened++;
  sendJson(response, 200, outgoing.text, { 'Mcp-Session-Id': id });
}

listen((request, response) => {
  if (request.method === 'POST') {
    return readBody(request, (body) => receive(request, response, JSON.parse(body) as Incoming));
  }
  if (request.method === 'DELETE' && sessions.delete(String(request.headers['mcp-session-id']))) {
    return response.writeHead(204).end();
  }
  if (request.url !== '/stats') return refuse(response, 405, 'Method not allowed');
  const stats: UpstreamStats = { sessionsOpen: sessions.size, sessionsOpened, calls };
  sendJson(response, 200, JSON.stringify(stats));
});
