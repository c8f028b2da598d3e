// How this program was started, so that what it tells people to type works where they are.
import path from 'node:path';
import { shellWord } from './shell-word.ts';

/** `npx plugboard`, `plugboard`, or `node ../plugboard/core/bin/plugboard.js`: what stands before the name of a command. */
export function invocation(): string {
  const script = process.argv[1];
  if (script === undefined || process.env['npm_command'] !== undefined) return 'npx plugboard';
  const search = (process.env['PATH'] ?? '').split(path.delimiter).map((folder) => path.resolve(folder));
  const isProgram = path.extname(script) === '';
  if (isProgram && search.includes(path.dirname(script))) return path.basename(script);
  const near = path.relative(process.cwd(), script);
  const shorter = near.length < script.length ? near : script;
  const file = shellWord(shorter.includes(path.sep) ? shorter : `.${path.sep}${shorter}`);
  return isProgram ? file : `node ${file}`;
}

/** The text with commands as they are typed here; it names them as `plugboard COMMAND` in backticks. */
export function withInvocation(text: string): string {
  return text.replace(/`plugboard(?= )/g, () => `\`${invocation()}`);
}
