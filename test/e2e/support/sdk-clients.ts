// The official SDK's clients behind one face: version 1, version 2 in the old era, version 2 in the new one; over HTTP or stdio. What they
// are asked they answer, what they hear they keep. No expectations live here.
import {
  Client as ClientOfV2,
  LOG_LEVEL_META_KEY,
  StreamableHTTPClientTransport as HttpOfV2,
} from '@modelcontextprotocol/client';
import type { McpSubscription } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioOfV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientOfV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioOfV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as HttpOfV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  PromptListChangedNotificationSchema,
  ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { JsonObject } from 'plugboard';

export const clientKinds = ['v1', 'v2 old', 'v2 new'] as const;
export type ClientKind = (typeof clientKinds)[number] | 'v2 auto';

/** Where a client connects: to a URL, or to a command that it starts. */
export type Address =
  | { readonly url: string; readonly headers?: Readonly<Record<string, string>> }
  | { readonly command: string; readonly args: string[]; readonly cwd: string };

/** What the server said without being asked. */
export interface Heard {
  readonly logs: unknown[];
  readonly updated: string[];
  /** Number of `list_changed` notifications by list. */
  readonly changed: { tools: number; prompts: number; resources: number };
}

/** A result with a text in it. */
export interface CallResult {
  readonly text: string;
  readonly isError: boolean;
  readonly result: JsonObject;
}

export interface SdkClient {
  readonly era: 'old' | 'new';
  /** The protocol version that was agreed on. */
  readonly version: string | undefined;
  readonly heard: Heard;
  /** How often the client was asked each thing. */
  readonly asked: Record<string, number>;
  readonly instructions: string | undefined;
  tools(): Promise<JsonObject[]>;
  toolNames(): Promise<string[]>;
  /** Calls a tool; `progress` collects what is reported on the way. */
  call(name: string, args?: JsonObject, options?: { progress?: number[]; signal?: AbortSignal }): Promise<CallResult>;
  resources(): Promise<string[]>;
  templates(): Promise<string[]>;
  read(uri: string): Promise<JsonObject[]>;
  prompts(): Promise<string[]>;
  prompt(name: string, args?: Record<string, string>): Promise<JsonObject[]>;
  complete(prompt: string, argument: string, value: string): Promise<string[]>;
  /** Wants log messages from now on. */
  wantLogs(level: 'debug' | 'info' | 'error'): Promise<void>;
  /** Wants to hear of changes: of lists, and of these resources. */
  watch(uris: string[]): Promise<void>;
  close(): Promise<void>;
}

const capabilities = { sampling: {}, elicitation: { form: {} }, roots: { listChanged: true } };
const sampled = { role: 'assistant', model: 'a-model', content: { type: 'text', text: 'sampled words' } } as const;
const elicited = {
  action: 'accept',
  content: { username: 'ada', email: 'ada@example.com', name: 'Ada', ok: true },
} as const;
const roots = { roots: [{ uri: 'file:///of/the/client', name: 'of the client' }] };

const modes = { 'v2 old': 'legacy', 'v2 new': { pin: '2026-07-28' }, 'v2 auto': 'auto' } as const;

function silence(): Pick<SdkClient, 'heard' | 'asked'> {
  return { heard: { logs: [], updated: [], changed: { tools: 0, prompts: 0, resources: 0 } }, asked: {} };
}

/** Connects a client of a kind. It answers whatever it is asked: sampling, elicitation, roots. */
export function connectClient(kind: ClientKind, address: Address): Promise<SdkClient> {
  return kind === 'v1' ? connectV1(address) : connectV2(address, modes[kind]);
}

async function connectV1(address: Address): Promise<SdkClient> {
  const client = new ClientOfV1({ name: 'sdk-v1', version: '1.0.0' }, { capabilities });
  const { heard, asked } = silence();
  const count = (what: string) => (asked[what] = (asked[what] ?? 0) + 1);
  client.setRequestHandler(CreateMessageRequestSchema, () => (count('sampling'), sampled));
  client.setRequestHandler(ElicitRequestSchema, () => (count('elicitation'), elicited));
  client.setRequestHandler(ListRootsRequestSchema, () => (count('roots'), roots));
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void heard.logs.push(params.data));
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.updated.push(params.uri));
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (heard.changed.tools += 1));
  client.setNotificationHandler(PromptListChangedNotificationSchema, () => void (heard.changed.prompts += 1));
  client.setNotificationHandler(ResourceListChangedNotificationSchema, () => void (heard.changed.resources += 1));
  const transport =
    'url' in address
      ? new HttpOfV1(new URL(address.url), { requestInit: { headers: { ...address.headers } } })
      : new StdioOfV1({ ...address, stderr: 'ignore' });
  await client.connect(transport);
  return {
    era: 'old',
    version: transport instanceof HttpOfV1 ? transport.protocolVersion : undefined,
    heard,
    asked,
    instructions: client.getInstructions(),
    tools: async () => (await client.listTools()).tools,
    toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args = {}, { progress, signal } = {}) =>
      callResult(await client.callTool({ name, arguments: args }, undefined, callOptions(progress, signal))),
    resources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    templates: async () =>
      (await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    read: async (uri) => (await client.readResource({ uri })).contents,
    prompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
    prompt: async (name, args = {}) => (await client.getPrompt({ name, arguments: args })).messages,
    complete: async (prompt, name, value) =>
      (await client.complete({ ref: { type: 'ref/prompt', name: prompt }, argument: { name, value } })).completion
        .values,
    wantLogs: async (level) => void (await client.setLoggingLevel(level)),
    watch: async (uris) => {
      for (const uri of uris) await client.subscribeResource({ uri });
    },
    close: async () => {
      if (transport instanceof HttpOfV1) await transport.terminateSession();
      await client.close();
    },
  };
}

async function connectV2(address: Address, mode: (typeof modes)[keyof typeof modes]): Promise<SdkClient> {
  const client = new ClientOfV2({ name: 'sdk-v2', version: '2.0.0' }, { capabilities, versionNegotiation: { mode } });
  const { heard, asked } = silence();
  const count = (what: string) => (asked[what] = (asked[what] ?? 0) + 1);
  client.setRequestHandler('sampling/createMessage', () => (count('sampling'), sampled));
  client.setRequestHandler('elicitation/create', () => (count('elicitation'), elicited));
  client.setRequestHandler('roots/list', () => (count('roots'), roots));
  client.setNotificationHandler('notifications/message', ({ params }) => void heard.logs.push(params.data));
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void heard.updated.push(params.uri));
  client.setNotificationHandler('notifications/tools/list_changed', () => void (heard.changed.tools += 1));
  client.setNotificationHandler('notifications/prompts/list_changed', () => void (heard.changed.prompts += 1));
  client.setNotificationHandler('notifications/resources/list_changed', () => void (heard.changed.resources += 1));
  const transport =
    'url' in address
      ? new HttpOfV2(new URL(address.url), { requestInit: { headers: { ...address.headers } } })
      : new StdioOfV2({ ...address, stderr: 'ignore' });
  await client.connect(transport);
  const era = client.getProtocolEra() === 'modern' ? 'new' : 'old';
  let level: string | undefined;
  let subscription: McpSubscription | undefined;
  // The package may answer a list from its cache; here it is always asked for.
  const fresh = { cacheMode: 'refresh' } as const;
  return {
    era,
    version: client.getNegotiatedProtocolVersion(),
    heard,
    asked,
    instructions: client.getInstructions(),
    tools: async () => (await client.listTools(undefined, fresh)).tools,
    toolNames: async () => (await client.listTools(undefined, fresh)).tools.map(({ name }) => name),
    call: async (name, args = {}, { progress, signal } = {}) => {
      const meta = level === undefined ? {} : { _meta: { [LOG_LEVEL_META_KEY]: level } };
      return callResult(await client.callTool({ name, arguments: args, ...meta }, callOptions(progress, signal)));
    },
    resources: async () => (await client.listResources(undefined, fresh)).resources.map(({ uri }) => uri),
    templates: async () =>
      (await client.listResourceTemplates(undefined, fresh)).resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    read: async (uri) => (await client.readResource({ uri }, fresh)).contents,
    prompts: async () => (await client.listPrompts(undefined, fresh)).prompts.map(({ name }) => name),
    prompt: async (name, args = {}) => (await client.getPrompt({ name, arguments: args })).messages,
    complete: async (prompt, name, value) =>
      (await client.complete({ ref: { type: 'ref/prompt', name: prompt }, argument: { name, value } })).completion
        .values,
    wantLogs: async (wanted) => {
      if (era === 'old') await client.setLoggingLevel(wanted);
      else level = wanted;
    },
    watch: async (uris) => {
      const lists = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
      if (era === 'new')
        subscription = await client.listen({ ...lists, ...(uris.length > 0 && { resourceSubscriptions: uris }) });
      else for (const uri of uris) await client.subscribeResource({ uri });
    },
    close: async () => {
      await subscription?.close();
      if (era === 'old' && transport instanceof HttpOfV2) await transport.terminateSession();
      await client.close();
    },
  };
}

function callOptions(progress: number[] | undefined, signal: AbortSignal | undefined) {
  return {
    ...(progress !== undefined && { onprogress: (each: { progress: number }) => void progress.push(each.progress) }),
    ...(signal !== undefined && { signal }),
  };
}

function callResult(result: unknown): CallResult {
  const { content, isError } = result as { content?: { type: string; text?: string }[]; isError?: boolean };
  const text = (content ?? []).flatMap((block) => (block.type === 'text' ? [block.text ?? ''] : [])).join('\n');
  return { text, isError: isError === true, result: result as JsonObject };
}
