// Asking a person yes or no.
import { createInterface } from 'node:readline/promises';
import type { Console } from './console.ts';

/** True when there is a terminal with somebody at it. */
export function canAsk(output: Console): boolean {
  return !output.json && process.stdin.isTTY && process.stderr.isTTY;
}

/** True for yes; also when there is nobody to ask: who wrote the command has decided. */
export async function confirm(question: string, output: Console): Promise<boolean> {
  if (!canAsk(output)) return true;
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await reader.question(`${question} [y/N] `);
    return /^y(?:es)?$/i.test(answer.trim());
  } finally {
    reader.close();
  }
}
