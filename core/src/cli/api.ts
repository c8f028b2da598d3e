// A client of the management API for the command line: it finds the API and its credential by the configuration.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { findConfigFile, isEntryOf, loadConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { PlugboardError } from '../errors.ts';
import { localCredentialFile } from '../local-files.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';
import type { Console } from './console.ts';
import { patience, send } from './http.ts';
import type { Ask } from './http.ts';
import { readToken } from './target.ts';

const exampleUrl = 'http://127.0.0.1:8807/api/v1';

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
  readonly #output: Console;

  constructor(url: string, token: string, output: Console) {
    this.#url = url.replace(/\/$/, '');
    this.#token = token;
    this.#output = output;
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
  async request(method: Ask['method'], route: string, value?: unknown): Promise<ApiAnswer> {
    const body = value === undefined ? undefined : JSON.stringify(value);
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.#token}`,
      accept: 'application/json, application/problem+json',
    };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (method !== 'GET') headers['idempotency-key'] = randomUUID();
    const url = `${this.#url}${route}`;
    const reply = await send(url, { method, headers, body, limit: patience, output: this.#output });
    const { status } = reply;
    const answer = parse(await reply.text());
    if (status >= 200 && status < 300) return { body: answer, version: reply.headers.etag?.replace(/^W\/|"/g, '') };
    throw problem(url, status, answer);
  }
}

/** Finds the API: the one named, or that of the running proxy of a configuration. Throws NOT_RUNNING, PLUGIN_NOT_FOUND, USAGE. */
export async function findApi(options: ApiOptions, output: Console): Promise<Api> {
  const { api, tokenFile } = options;
  if (api !== undefined) return remoteApi(api, tokenFile, output);
  if (tokenFile !== undefined)
    throw new PlugboardError('USAGE', '--token-file goes with --api; for the proxy of this machine none is needed');
  const file = options.config === undefined ? findConfigFile(process.cwd()) : path.resolve(options.config);
  // Loading says what is wrong with a file that is missing or broken.
  const config = await loadConfig(file, { tolerant: true });
  output.hide(config.secrets);
  const found = await localApi(config, output);
  if (found !== undefined) return found;
  if (!config.plugins.some((entry) => isEntryOf(entry, 'admin')))
    throw new PlugboardError(
      'PLUGIN_NOT_FOUND',
      `${config.file}: this goes through the management API, and the plugin admin is not configured: \`plugboard add admin\``,
    );
  throw new PlugboardError('NOT_RUNNING', `no proxy of ${config.file} runs, or it belongs to another user`);
}

/** The API of the running proxy of a configuration, by the credential that it leaves beside its file; undefined without one. */
export async function localApi({ directory, file }: Config, output: Console): Promise<Api | undefined> {
  const text = await readFile(localCredentialFile(directory, file), 'utf8').catch(() => undefined);
  const credential = text === undefined ? undefined : parse(text);
  if (!isObject(credential) || typeof credential['url'] !== 'string' || typeof credential['token'] !== 'string')
    return undefined;
  output.hide([credential['token']]);
  return new Api(credential['url'], credential['token'], output);
}

async function remoteApi(url: string, tokenFile: string | undefined, output: Console): Promise<Api> {
  if (!URL.canParse(url) || new URL(url).protocol !== 'http:')
    throw new PlugboardError('USAGE', `--api: ${JSON.stringify(url)} is no address such as ${exampleUrl}`);
  const token = tokenFile === undefined ? process.env['PLUGBOARD_API_TOKEN'] : await readToken(tokenFile);
  if (token === undefined || token === '')
    throw new PlugboardError('USAGE', '--api needs a token: --token-file FILE, or PLUGBOARD_API_TOKEN');
  output.hide([token]);
  return new Api(url, token, output);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function problem(url: string, status: number, answer: unknown): PlugboardError {
  const said = isObject(answer) && typeof answer['detail'] === 'string' ? answer['detail'] : undefined;
  if (status === 401) return new PlugboardError('UNAUTHORIZED', `${url}: ${said ?? 'the token is not valid'}`);
  return new PlugboardError(
    'REQUEST_FAILED',
    said ?? `${url} answers with HTTP ${status}: it is no management API, whose address is like ${exampleUrl}`,
  );
}
