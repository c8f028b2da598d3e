// A stand for the plugin: applies it as the host does and calls its server as the core does, against a GitHub of its own. No expectations
// live here, but that GitHub saw and said only what its description allows.

import { answerOf, leaseKey, registeredServer, ServerLease } from '@plugboard/test-kit/stand';
import type { ExecutionContext } from 'ava';
import type { Connection, JsonObject, RpcResponse, ServerDefinition, Tool } from 'plugboard';
import plugin from '../src/index.ts';
import { Description } from './github/description.ts';
import { LocalGitHub } from './github/local-github.ts';
import type { Answer } from './github/local-github.ts';

export interface Client {
  call(name: string, args?: JsonObject, signal?: AbortSignal): Promise<Result>;
  list(): Promise<Tool[]>;
  readonly connection: Connection;
}

/** The result of a call. */
export interface Result {
  readonly failed: boolean;
  /** Of the first block. */
  readonly text: string;
  /** Of the second block. */
  readonly note: string | undefined;
  readonly structured: JsonObject;
  readonly whole: RpcResponse;
}

export interface Stand {
  readonly github: LocalGitHub;
  readonly server: ServerDefinition;
  open(grant?: string): Promise<Client>;
}

export const token = 'ghp_test_token_that_must_not_be_seen';

let description: Description | undefined;

/** GitHub's description; read once, it is large. */
export function githubDescription(): Description {
  description ??= new Description();
  return description;
}

/** Starts a GitHub and the plugin. Grants `g:NAME` have tokens of their own, so that calls of different ones need not take turns. */
export async function stand(t: ExecutionContext, options: JsonObject = {}): Promise<Stand> {
  t.timeout(240_000);
  const github = await LocalGitHub.start(githubDescription());
  t.teardown(() => github.close());
  const server = await register({ baseUrl: github.url, token, ...options });
  return { github, server, open: (grant = 'default') => openFor(t, server, grant) };
}

/** Ends a test: GitHub has nothing to complain of. */
export function checkGitHub(t: ExecutionContext, github: LocalGitHub): void {
  t.deepEqual(github.violations, []);
}

/** Applies the plugin as the host does; returns what it registers. */
export function register(options: JsonObject, services: Record<string, unknown> = {}): Promise<ServerDefinition> {
  const find = <Service>(name: string) => services[name] as Service | undefined;
  return registeredServer(plugin, options, { services: { find }, hooks: { on: () => {} } });
}

/** Opens a server for a grant; for the catalogue without one. */
export async function openFor(t: ExecutionContext, server: ServerDefinition, grant?: string): Promise<Client> {
  const lease = await ServerLease.open(server, leaseKey(grant));
  t.teardown(() => lease.close());
  return {
    connection: lease.connection,
    call: async (name, args = {}, signal) => {
      const call = lease.start('tools/call', { name, arguments: args });
      signal?.addEventListener('abort', () => call.onCancel?.({ kind: 'client', message: 'cancelled' }), {
        once: true,
      });
      return resultOf(await answerOf(call));
    },
    list: () => lease.list(),
  };
}

function resultOf(whole: RpcResponse): Result {
  const { content, isError, structuredContent } = (whole.result ?? {}) as {
    content?: { text: string }[];
    isError?: boolean;
    structuredContent?: JsonObject;
  };
  return {
    failed: whole.error !== undefined || isError === true,
    text: content?.[0]?.text ?? whole.error?.message ?? '',
    note: content?.[1]?.text,
    structured: structuredContent ?? {},
    whole,
  };
}

/** The answer for a file; without bytes, as GitHub answers from 1 MB on. */
export function fileAnswer(bytes: Buffer | undefined, size: number): Answer {
  const content =
    bytes === undefined ? { content: '', encoding: 'none' } : { content: bytes.toString('base64'), encoding: 'base64' };
  return { from: (example: JsonObject) => ({ ...example, type: 'file', size, ...content }) };
}
