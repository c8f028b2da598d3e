// Headers that mirror a request's body in the new era (2026-07-28, Streamable HTTP: `Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`). Nothing is sent here.
import { encodeHeader, scanHeaders, writeParamHeaders } from 'plugboard';
import type { JsonObject, Tool, UpstreamCall } from 'plugboard';

/** Which member of the params `Mcp-Name` mirrors. */
const nameSources: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};

const prefix = 'mcp-param-';
const maxForwarded = 64;

/** The headers of a call, names and values in turn: those its tool declares, and those of the client that the tool does not declare. */
export function callHeaders(call: UpstreamCall): string[] {
  const headers = mirrorHeaders(call.method, call.params);
  const scan = call.tool === undefined ? undefined : scanHeaders(call.tool.inputSchema);
  const declarations = scan?.fault === undefined ? (scan?.declarations ?? []) : [];
  for (const [name, value] of Object.entries(writeParamHeaders(declarations, call.params?.['arguments'])))
    headers.push(name, value);
  if (call.headers === undefined) return headers;
  const declared = new Set(declarations.map(({ name }) => prefix + name.toLowerCase()));
  const unknown = Object.entries(call.headers).filter(([name]) => name.startsWith(prefix) && !declared.has(name));
  for (const [name, value] of unknown.slice(0, maxForwarded)) headers.push(name, value);
  return headers;
}

/** True when the headers of a tool's calls depend on their arguments. */
export function declaresHeaders(tool: Tool): boolean {
  const { declarations } = scanHeaders(tool.inputSchema) as { declarations?: readonly unknown[] };
  return declarations !== undefined && declarations.length > 0;
}

/** True when the client sent headers with a call that are passed on. */
export function forwardsHeaders({ headers }: UpstreamCall): boolean {
  for (const name in headers) if (name.startsWith(prefix)) return true;
  return false;
}

/** `Mcp-Method` and `Mcp-Name` of a request. */
export function mirrorHeaders(method: string, params: JsonObject | undefined): string[] {
  const headers = ['mcp-method', encodeHeader(method)];
  const source = Object.hasOwn(nameSources, method) ? nameSources[method] : undefined;
  const name = source === undefined ? undefined : params?.[source];
  if (typeof name === 'string') headers.push('mcp-name', encodeHeader(name));
  return headers;
}
