// The bench's upstream over stdio: a JSON-RPC message a line. `--era old|new|both`, `--tools N`.
import { parseArgs } from 'node:util';
import { createAnswers, type Incoming, type Spoken } from './answers.ts';

const { values } = parseArgs({ options: { era: { type: 'string' }, tools: { type: 'string' } } });
const answers = createAnswers((values.era ?? 'both') as Spoken, Number(values.tools ?? 2));
let rest = '';

process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk: string) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop() ?? '';
  let output = '';
  for (const line of lines) {
    const outgoing = answers(JSON.parse(line) as Incoming);
    if (outgoing !== undefined) output += `${outgoing.text}\n`;
  }
  if (output !== '') process.stdout.write(output);
});
process.stdin.on('end', () => process.exit());
