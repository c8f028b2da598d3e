// `plugboard tools`: what a caller of the running proxy sees.
import { PlugboardError } from '../errors.ts';
import { compileGlob } from '../glob.ts';
import type { Tool } from '../protocol/messages.ts';
import { Client } from './client.ts';
import type { Console } from './console.ts';
import { counted } from './counted.ts';
import { exitCodes } from './exit-codes.ts';
import { findTarget } from './target.ts';
import type { ClientOptions } from './target.ts';

/** Lists tools, all or those that a selector matches. */
export async function tools(selector: string | undefined, options: ClientOptions, output: Console): Promise<number> {
  const target = await findTarget(options, output);
  const client = await Client.connect(target, output);
  try {
    const all = await client.listTools();
    const shown = selector === undefined ? all : all.filter(matcherOf(selector));
    if (output.json) output.printJson({ tools: shown });
    else await print(shown, all.length, output);
    if (all.length === 0 && target.token === undefined) output.note(target.credential);
  } finally {
    await client.close();
  }
  return exitCodes.ok;
}

async function print(shown: readonly Tool[], count: number, output: Console): Promise<void> {
  if (shown.length > 0)
    output.print(
      await output.table(
        ['tool', 'what it does'],
        shown.map((tool) => [tool.name, summaryOf(tool)]),
      ),
    );
  output.note(shown.length === count ? counted(count, 'tool') : `${shown.length} of ${counted(count, 'tool')}`);
}

/** The first sentence of a tool's description. */
function summaryOf(tool: Tool): string {
  const text = typeof tool['description'] === 'string' ? tool['description'].trim() : '';
  const [sentence = ''] = /^.*?(?:[.!?](?=\s|$)|\n|$)/s.exec(text) ?? [];
  return sentence.length > 100 ? `${sentence.slice(0, 99)}…` : sentence;
}

/** Names are listed as `server_tool`; a selector has a colon between the two. */
function matcherOf(selector: string): (tool: Tool) => boolean {
  try {
    const globs = compileGlob(selector.replace(':', '_'));
    return ({ name }) => globs.some((glob) => glob.matches(name));
  } catch (error) {
    throw new PlugboardError('USAGE', `selector ${JSON.stringify(selector)}: ${(error as Error).message}`);
  }
}
