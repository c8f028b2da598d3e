// Asking a person yes or no. Without a terminal nobody can be asked: who wrote the command has decided.
import { createInterface } from 'node:readline/promises';
import type { Console } from './console.ts';

/** True for yes; also when there is nobody to ask. */
export async function confirm(question: string, output: Console): Promise<boolean> {
  if (output.json || !process.stdin.isTTY || !process.stderr.isTTY) return true;
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await reader.question(`${question} [y/N] `);
    return /^y(?:es)?$/i.test(answer.trim());
  } finally {
    reader.close();
  }
}
