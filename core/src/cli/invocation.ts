// How this program was started, so that what it tells people to type works where they are.
import path from 'node:path';
import { shellWord } from './shell-word.ts';

/** `npx plugboard`, `plugboard`, or `node /path/to/plugboard/core/bin/plugboard.js`: what stands before the name of a command. */
export function invocation(): string {
  const script = process.argv[1];
  if (script === undefined || process.env['npm_command'] !== undefined) return 'npx plugboard';
  const search = (process.env['PATH'] ?? '').split(path.delimiter).map((folder) => path.resolve(folder));
  const isProgram = path.extname(script) === '';
  if (isProgram && search.includes(path.dirname(script))) return path.basename(script);
  // Whole, for it may be typed in another folder.
  const file = shellWord(path.resolve(script));
  return isProgram ? file : `node ${file}`;
}

/** The text with commands as they are typed here; it names them as `plugboard COMMAND` in backticks. */
export function withInvocation(text: string): string {
  return text.replace(/`plugboard(?= )/g, () => `\`${invocation()}`);
}
