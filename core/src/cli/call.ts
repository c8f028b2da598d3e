// `plugboard call`: one call of one tool, with its result as text or JSON.
import { PlugboardError } from '../errors.ts';
import { closest } from '../nearest.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject, Tool } from '../protocol/messages.ts';
import { readArguments } from './arguments.ts';
import { Client, RpcFailure } from './client.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';
import { StopSignals } from './stop-signals.ts';
import { findTarget } from './target.ts';
import type { ClientOptions, Target } from './target.ts';

/** Calls a tool. The exit code tells a tool's own error from everything else. */
export async function call(
  name: string,
  values: readonly string[],
  options: ClientOptions,
  output: Console,
): Promise<number> {
  const target = await findTarget(options, output);
  const client = await Client.connect(target, output);
  const interrupted = new AbortController();
  const signals = new StopSignals(['SIGINT', 'SIGTERM'], () => interrupted.abort());
  try {
    const tool = findTool(name, await client.listTools(interrupted.signal), target);
    const args = await readArguments(values, tool, (text) => output.note(text));
    const params = { name: tool.name, arguments: args, _meta: { progressToken: 'call' } };
    const result = await client.request(
      'tools/call',
      params,
      (notification) => hear(notification.method, notification.params, output),
      interrupted.signal,
    );
    if (output.json) output.printJson(result);
    else for (const line of describeResult(result)) output.print(line);
    if (result['isError'] !== true) return exitCodes.ok;
    return output.json ? exitCodes.toolError : output.fail(new PlugboardError('TOOL_FAILED', `${tool.name} failed`));
  } catch (error) {
    if (error instanceof RpcFailure)
      throw new PlugboardError('REQUEST_FAILED', `${name}: ${error.rpc.message} (${error.rpc.code})`);
    throw error;
  } finally {
    await client.close();
    signals.end();
  }
}

function findTool(name: string, tools: readonly Tool[], { token, credential }: Target): Tool {
  const names = [name, name.replace(':', '_')];
  const tool = tools.find((each) => names.includes(each.name));
  if (tool !== undefined) return tool;
  const near = closest(
    name,
    tools.map((each) => each.name),
    3,
  );
  const why = tools.length === 0 && token === undefined ? `, nor any other: ${credential}` : '';
  const nearest = near.length === 0 ? '' : ` (nearest: ${near.join(', ')})`;
  throw new PlugboardError('TOOL_UNKNOWN', `this caller sees no tool "${name}"${nearest}${why}`);
}

/** Progress and log messages go to stderr, where they disturb nobody. */
function hear(method: string, params: JsonObject | undefined, output: Console): void {
  if (output.json || params === undefined) return;
  const { progress, total, message, data } = params;
  if (method === 'notifications/progress') {
    output.note(
      ['…', progress, ...(total === undefined ? [] : ['of', total]), message]
        .filter((part) => typeof part === 'string' || typeof part === 'number')
        .join(' '),
    );
  } else if (method === 'notifications/message')
    output.note(`${String(params['level'])}: ${typeof data === 'string' ? data : JSON.stringify(data)}`);
}

/** A result as text: text as it is, everything else named. */
export function describeResult(result: JsonObject): string[] {
  const content = Array.isArray(result['content']) ? result['content'].filter(isObject) : [];
  if (content.length > 0) return content.map(describeBlock);
  return result['structuredContent'] === undefined ? [] : [JSON.stringify(result['structuredContent'], undefined, 2)];
}

function describeBlock(block: JsonObject): string {
  const { type, text, data, mimeType, uri, resource } = block;
  if (type === 'text') return String(text);
  if (typeof data === 'string')
    return `[${String(type)} ${String(mimeType)}, ${Buffer.byteLength(data, 'base64')} bytes]`;
  if (type === 'resource_link') return `[resource ${String(uri)}]`;
  if (isObject(resource))
    return typeof resource['text'] === 'string' ? resource['text'] : `[resource ${String(resource['uri'])}]`;
  return JSON.stringify(block);
}
