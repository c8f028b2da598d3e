// A client of the management API for the command line: it finds the API and its credential by the configuration.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { findConfigFile, loadConfig } from '../config.ts';
import { PlugboardError } from '../errors.ts';
import { localCredentialFile } from '../local-files.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';
import type { Console } from './console.ts';
import { patience, send, textOf } from './http.ts';

/** Options of the commands that use the management API. */
export interface ApiOptions {
  readonly config?: string;
  /** Another proxy than the one of this machine: base URL of its API. */
  readonly api?: string;
  readonly tokenFile?: string;
}

/** An answer of the API. */
export interface ApiAnswer {
  readonly body: unknown;
  /** Without quotes. */
  readonly version: string | undefined;
}

/** Speaks to the management API of one proxy. */
export class Api {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url.replace(/\/$/, '');
    this.#token = token;
  }

  get(route: string): Promise<ApiAnswer> {
    return this.request('GET', route);
  }

  /** All items of a list, over all its pages. */
  async list(route: string): Promise<JsonObject[]> {
    const items: JsonObject[] = [];
    let next: unknown;
    do {
      const query = new URLSearchParams({ limit: '500' });
      if (typeof next === 'string') query.set('after', next);
      const { body } = await this.get(`${route}?${query.toString()}`);
      if (!isObject(body) || !Array.isArray(body['items']))
        throw new PlugboardError('REQUEST_FAILED', `${this.#url}${route} does not answer with a list`);
      items.push(...body['items'].filter(isObject));
      next = body['next'];
    } while (typeof next === 'string');
    return items;
  }

  /** Throws UNAUTHORIZED, NOT_RUNNING, and REQUEST_FAILED with what the problem document says. */
  async request(method: string, route: string, body?: unknown): Promise<ApiAnswer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.#token}`,
      accept: 'application/json, application/problem+json',
    };
    if (text !== undefined) headers['content-type'] = 'application/json';
    if (method !== 'GET') headers['idempotency-key'] = randomUUID();
    const url = `${this.#url}${route}`;
    const response = await send(url, { method, headers, agent: false, signal: AbortSignal.timeout(patience) }, text);
    const answer = parse(await textOf(response));
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return { body: answer, version: response.headers.etag?.replace(/^W\/|"/g, '') };
    throw problem(url, status, answer);
  }
}

/** Finds the API: the one named, or that of the running proxy of a configuration. Throws NOT_RUNNING, USAGE. */
export async function findApi(options: ApiOptions, output: Console): Promise<Api> {
  const { api, tokenFile } = options;
  if (api !== undefined) {
    const token =
      tokenFile === undefined ? process.env['PLUGBOARD_API_TOKEN'] : (await readFile(tokenFile, 'utf8')).trim();
    if (token === undefined || token === '')
      throw new PlugboardError('USAGE', '--api needs a token: --token-file FILE, or PLUGBOARD_API_TOKEN');
    output.hide([token]);
    return new Api(api, token);
  }
  const file = options.config === undefined ? findConfigFile(process.cwd()) : path.resolve(options.config);
  // Loading says what is wrong with a file that is missing or broken.
  const config = await loadConfig(file, { tolerant: true });
  output.hide(config.secrets);
  const credentialFile = localCredentialFile(config.directory, config.file);
  const text = await readFile(credentialFile, 'utf8').catch(() => undefined);
  const credential = text === undefined ? undefined : parse(text);
  if (!isObject(credential) || typeof credential['url'] !== 'string' || typeof credential['token'] !== 'string') {
    const why = `${credentialFile} is not there: no proxy of ${config.file} with the plugin admin runs, or it belongs to another user`;
    throw new PlugboardError('NOT_RUNNING', why);
  }
  output.hide([credential['token']]);
  return new Api(credential['url'], credential['token']);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function problem(url: string, status: number, answer: unknown): PlugboardError {
  const said = isObject(answer) && typeof answer['detail'] === 'string' ? answer['detail'] : `HTTP ${status}`;
  if (status === 401) return new PlugboardError('UNAUTHORIZED', `${url}: ${said}`);
  return new PlugboardError('REQUEST_FAILED', said);
}
