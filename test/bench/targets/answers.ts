// What the bench's own upstream answers, in both eras, over any transport. Knows no sockets and no sessions.

/** The eras an upstream speaks. */
export type Spoken = 'old' | 'new' | 'both';

/** A JSON-RPC message as it came in; only what is read here. */
export interface Incoming {
  id?: string | number;
  method?: string;
  params?: {
    name?: string;
    arguments?: { text?: string; kib?: number };
    protocolVersion?: string;
    _meta?: Record<string, unknown>;
  };
}

/** An answer as JSON text, with the HTTP status that belongs to it. */
export interface Outgoing {
  status: number;
  text: string;
}

const newVersion = '2026-07-28';
const oldVersions = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];
const serverInfo = { name: 'bench-upstream', version: '1.0.0' };
const capabilities = { tools: { listChanged: true } };
const mark = { resultType: 'complete', _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo } };
const cacheable = { ...mark, ttlMs: 600_000, cacheScope: 'public' };

const fillers = new Map<number, string>();

/** `text` followed by a constant filler, `kib` KiB in all; ASCII that needs no escaping in JSON. */
export function blobText(text: string, kib: number): string {
  let filler = fillers.get(kib);
  if (filler === undefined) fillers.set(kib, (filler = 'abcdefghijklmnopqrstuvwxyz012345'.repeat(kib * 32)));
  return text + filler.slice(text.length);
}

function tool(name: string, description: string): object {
  return {
    name,
    title: name,
    description,
    inputSchema: {
      type: 'object',
      properties: {
        text: { type: 'string', description: 'The text that comes back, unchanged' },
        kib: { type: 'integer', minimum: 1, maximum: 1024, description: 'Size of the answer in KiB' },
      },
      required: ['text'],
    },
    annotations: { readOnlyHint: true, idempotentHint: true },
  };
}

function toolList(count: number): object[] {
  const list = [tool('echo', 'Answers with its argument'), tool('blob', 'Answers with its argument and a filler')];
  while (list.length < count) list.push(tool(`tool_${list.length}`, `Tool number ${list.length}, there to be listed`));
  return list;
}

/** A server of `count` tools (at least `echo` and `blob`): a function from message to answer, undefined for none. */
export function createAnswers(spoken: Spoken, count: number): (message: Incoming) => Outgoing | undefined {
  const tools = toolList(count);
  const lists = { old: JSON.stringify({ tools }), new: JSON.stringify({ tools, ...cacheable }) };
  return (message) => {
    if (message.id === undefined || message.method === undefined) return undefined;
    const id = JSON.stringify(message.id);
    const fresh = isNew(message);
    const respond = (result: string): Outgoing => ({
      status: 200,
      text: `{"jsonrpc":"2.0","id":${id},"result":${result}}`,
    });
    const refuse = (status: number, code: number, text: string, data?: object): Outgoing => {
      return { status, text: `{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify({ code, message: text, data })}}` };
    };
    if (fresh ? spoken === 'old' : spoken === 'new') {
      const supported = fresh ? oldVersions : [newVersion];
      return refuse(400, fresh ? -32000 : -32022, 'Bad Request: unsupported protocol version', { supported });
    }
    const result = answer(message, fresh, lists);
    return result === undefined ? refuse(fresh ? 404 : 200, -32601, 'Method not found') : respond(result);
  };
}

/** Whether the message carries the 2026-07-28 envelope. */
export function isNew(message: Incoming): boolean {
  return message.params?._meta?.['io.modelcontextprotocol/protocolVersion'] === newVersion;
}

function answer(message: Incoming, fresh: boolean, lists: { old: string; new: string }): string | undefined {
  switch (message.method) {
    case 'tools/call':
      return JSON.stringify(call(message.params, fresh));
    case 'tools/list':
      return fresh ? lists.new : lists.old;
    case 'server/discover':
      if (!fresh) return undefined;
      return JSON.stringify({ supportedVersions: [newVersion], capabilities, ...cacheable });
    case 'initialize': {
      if (fresh) return undefined;
      const asked = message.params?.protocolVersion ?? '';
      const protocolVersion = oldVersions.includes(asked) ? asked : oldVersions[0];
      return JSON.stringify({ protocolVersion, capabilities, serverInfo });
    }
    case 'ping':
      return fresh ? undefined : '{}';
    default:
      return undefined;
  }
}

function call(params: Incoming['params'], fresh: boolean): object {
  const given = params?.arguments?.text ?? '';
  const known = params?.name === 'echo' || params?.name === 'blob';
  const text = params?.name === 'blob' ? blobText(given, params.arguments?.kib ?? 1) : given;
  const content = [{ type: 'text', text: known ? text : `no tool named ${params?.name}` }];
  return { content, ...(known ? {} : { isError: true }), ...(fresh ? mark : {}) };
}
