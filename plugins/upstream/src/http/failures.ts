// What went wrong with an HTTP server, in sentences: who, where, what to do now. Header values and credentials never appear in them.
import type { UpstreamCall } from 'plugboard';
import type { HttpSettings } from '../settings.ts';
import { NotAuthorized } from '../oauth/not-authorized.ts';
import { headerOf, TooLong } from './exchange.ts';
import type { Reply } from './exchange.ts';

const maxQuote = 200;

/** The sentence for a reply that is not an answer. */
export function explain(settings: HttpSettings, reply: Reply): string {
  const who = `server "${settings.name}"`;
  if (reply.error !== undefined) return broken(settings, who, reply.error, reply.status !== 0);
  const said = quote(settings, reply);
  const { status } = reply;
  const place = `mcpServers.${settings.name}`;
  if (status >= 300 && status < 400)
    return `${who} has moved (HTTP ${status}${target(settings, reply)}): correct ${place}.url`;
  switch (status) {
    case 401:
      return `${who} wants to know who is calling (HTTP 401): set headers.Authorization under ${place}${said}`;
    case 403:
      return `${who} refused the caller (HTTP 403): check headers.Authorization under ${place} and what it may do${said}`;
    case 404:
      return `${who} has nothing at ${settings.shown} (HTTP 404): correct ${place}.url${said}`;
    case 407:
      return `a proxy before ${who} wants to know who is calling (HTTP 407)${said}`;
    case 413:
      return `${who} finds the message too large (HTTP 413): send less${said}`;
    case 429:
      return `${who} wants fewer requests (HTTP 429): try again later${said}`;
    default:
  }
  if (status >= 500) return `${who} failed (HTTP ${status}): see its own log, then try again${said}`;
  if (status >= 400) return `${who} refused the request (HTTP ${status}): check ${place}${said}`;
  return `${who} gave no answer that can be read (HTTP ${status}, ${contentType(reply)}): check that ${settings.shown} is an MCP endpoint${said}`;
}

/** True when a server was not reached at all, so that nothing can have happened there. */
export function isUnreachable(error: Error | undefined): boolean {
  return error !== undefined && unreachable.has(codeOf(error));
}

const unreachable = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'CONNECT_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** True when a connection was closed before anything of an answer came. Whether the request was read is not known. */
export function isLost(reply: Reply): boolean {
  return reply.status === 0 && reply.error !== undefined && lost.has(codeOf(reply.error));
}

const lost = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/** True for requests that may reach a server twice: they change nothing there. */
export function isRepeatable(call: UpstreamCall): boolean {
  if (call.method !== 'tools/call') return repeatable.has(call.method);
  return call.tool?.annotations?.['readOnlyHint'] === true || call.tool?.annotations?.['idempotentHint'] === true;
}

const repeatable = new Set([
  'completion/complete',
  'ping',
  'prompts/get',
  'prompts/list',
  'resources/list',
  'resources/read',
  'resources/templates/list',
  'tasks/get',
  'tools/list',
]);

function broken(settings: HttpSettings, who: string, error: Error, answering: boolean): string {
  if (error instanceof NotAuthorized) return error.message;
  if (error instanceof TooLong)
    return `${who} sent ${error.message}; raise maxMessageBytes of plugin "upstream" if that is meant`;
  const code = codeOf(error);
  if (isUnreachable(error)) {
    const why =
      code === 'ECONNREFUSED' ? 'nothing listens there' : code === 'ENOTFOUND' ? 'the name is not known' : code;
    return `${who} cannot be reached at ${settings.origin} (${why}): start it, or correct mcpServers.${settings.name}.url`;
  }
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(code)) {
    return `${who} cannot be trusted at ${settings.origin} (${code}): correct its certificate, or name its authority in NODE_EXTRA_CA_CERTS`;
  }
  const when = answering ? 'while it was answering' : 'before it answered';
  return `${who} broke the connection off ${when} (${code === '' ? settings.redact(error.message) : code}): try again`;
}

function codeOf(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (typeof code === 'string') return code;
  const errors = (error as { errors?: unknown }).errors;
  return Array.isArray(errors) && errors[0] instanceof Error ? codeOf(errors[0]) : '';
}

function quote(settings: HttpSettings, reply: Reply): string {
  // A page for people says nothing in one line.
  if (reply.text === '' || contentType(reply).includes('html')) return '';
  const text = settings.redact(messageOf(reply.text)).replace(/\s+/g, ' ').trim();
  return text === '' ? '' : `; it said: ${text.length > maxQuote ? `${text.slice(0, maxQuote)}…` : text}`;
}

function messageOf(text: string): string {
  try {
    const body = JSON.parse(text) as {
      error?: { message?: unknown } | string;
      error_description?: unknown;
      message?: unknown;
    } | null;
    const nested = typeof body?.error === 'object' ? body.error.message : body?.error;
    const found = [body?.error_description, nested, body?.message].find((each) => typeof each === 'string');
    return typeof found === 'string' ? found : '';
  } catch {
    return text;
  }
}

function contentType(reply: Reply): string {
  return headerOf(reply.headers, 'content-type') ?? 'no content type';
}

function target(settings: HttpSettings, reply: Reply): string {
  const location = headerOf(reply.headers, 'location');
  if (location === undefined || !URL.canParse(location, settings.shown)) return '';
  const url = new URL(location, settings.shown);
  return ` to ${url.origin}${url.pathname}`;
}
