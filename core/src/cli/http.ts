// One HTTP request to a proxy of this machine, with errors for people. What is asked and answered is the business of its callers.
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { PlugboardError } from '../errors.ts';

/** ms for the proxy to answer what it answers itself. */
export const patience = 15_000;

/** Resolves when the answer begins. Throws NOT_RUNNING when nothing listens there, REQUEST_FAILED when it takes too long. */
export function send(
  url: string,
  options: Parameters<typeof httpRequest>[1],
  body: string | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, options, resolve);
    request.on('error', (error: NodeJS.ErrnoException) => reject(explain(url, error)));
    request.end(body);
  });
}

function explain(url: string, error: NodeJS.ErrnoException): Error {
  if (error.name === 'AbortError') return new PlugboardError('REQUEST_FAILED', `${url}: given up`);
  if (error.name === 'TimeoutError')
    return new PlugboardError('REQUEST_FAILED', `${url}: no answer within ${patience} ms`);
  return new PlugboardError('NOT_RUNNING', `nothing answers at ${url} (${error.code ?? error.message})`, {
    cause: error,
  });
}

/** The whole body of an answer. */
export async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
