// The tools: their schemas, and what they do. What `run` throws becomes an error that the agent reads.
import { localTool, z } from 'plugboard';
import type { LocalContext } from 'plugboard';

/** What the server keeps while it is connected. */
export interface State {
  readonly greeting: string;
}

const greet = localTool({
  name: 'greet',
  title: 'Greet',
  description: 'Greets somebody by name.',
  input: z.strictObject({ name: z.string().min(1).max(100).describe('Whom to greet') }),
  output: z.strictObject({ text: z.string() }),
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  run: ({ name }, { state }: LocalContext<State>) => {
    const text = `${state.greeting}, ${name}!`;
    return { content: [{ type: 'text', text }], structuredContent: { text } };
  },
});

export const tools = [greet];
