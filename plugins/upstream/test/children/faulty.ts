// A stdio server of the old era, written by hand, that goes wrong in the ways its arguments and tools say.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

interface Message {
  id?: number | string;
  method?: string;
  params?: {
    name?: string;
    arguments?: Record<string, unknown>;
    _meta?: { progressToken?: number };
    requestId?: number;
  };
  result?: unknown;
}

type Tool = (id: Message['id'], args: Record<string, unknown>, message: Message) => void;

const has = (flag: string) => process.argv.includes(flag);
const write = (message: object) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const text = (id: Message['id'], value: unknown) =>
  write({
    id,
    result: { content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }] },
  });
/** Answers to questions that nobody here waits for. */
const heard: (number | string | undefined)[] = [];
const pending = new Map<number | string, (message: Message) => void>();
let initialized = false;
let probed = false;
let asked = 0;
let toolTable: Record<string, Tool> | undefined;

if (has('--exit-at-start')) {
  console.error('first line');
  console.error(`no licence found for ${process.env['API_TOKEN']}`);
  process.exit(7);
}
if (has('--ignore-eof')) {
  process.on('SIGTERM', () => console.error('SIGTERM ignored'));
  setInterval(() => {}, 1000);
}
if (has('--grandchild')) {
  const grandchild = spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'], {
    stdio: 'inherit',
  });
  setInterval(() => {}, 1000);
  tools()['pids'] = (id) => text(id, { self: process.pid, grandchild: grandchild.pid });
}

const delay = Number(process.argv.find((each) => each.startsWith('--slow='))?.slice(7) ?? 0);
setTimeout(() => {
  createInterface({ input: process.stdin }).on('line', (line) => receive(JSON.parse(line) as Message));
}, delay);

function receive(message: Message): void {
  const { id, method } = message;
  if (method === undefined) {
    const waiting = pending.get(id ?? '');
    if (waiting === undefined) heard.push(id);
    else waiting(message);
  } else if (method === 'initialize') {
    if (probed && has('--spoilt-by-probe')) return;
    initialized = true;
    write({
      id,
      result: {
        protocolVersion: '2025-06-18',
        capabilities: { tools: {} },
        serverInfo: { name: 'faulty', version: '1' },
      },
    });
  } else if (!initialized && id !== undefined) {
    probed = true;
    if (has('--exit-on-unknown')) process.exit(1);
    if (!has('--silent-on-unknown')) write({ id, error: { code: -32601, message: 'Method not found' } });
  } else if (method === 'notifications/cancelled') {
    console.error(`cancelled ${String(message.params?.requestId)}`);
    if (has('--late')) text(message.params?.requestId, 'late');
  } else if (method === 'tools/call') {
    const run = tools()[message.params?.name ?? ''];
    if (run === undefined) write({ id, error: { code: -32602, message: 'Unknown tool' } });
    else run(id, message.params?.arguments ?? {}, message);
  } else if (id !== undefined) write({ id, error: { code: -32601, message: `Method not found: ${method}` } });
}

function tools(): Record<string, Tool> {
  toolTable ??= {
    echo: (id, args) => text(id, args),
    hang: (id) => console.error(`hanging ${String(id)}`),
    pid: (id) => text(id, { self: process.pid }),
    environment: (id) => text(id, process.env),
    crash: () => {
      console.error('about to crash');
      process.kill(process.pid, 'SIGKILL');
    },
    answerAndExit: (id) => {
      text(id, 'last answer');
      process.stdout.end(() => process.exit(0));
    },
    closeInput: (id) => {
      process.stdin.destroy();
      text(id, 'deaf now');
    },
    twice: (id) => {
      text(id, 'once');
      text(id, 'twice');
      text(987_654_321, 'for nobody');
    },
    rubbish: (id) => {
      process.stdout.write('Listening…\n\n{"not": "a message"}\n[1,2]\nnull\n{"jsonrpc":"2.0","id":\n');
      process.stdout.write(Buffer.from([0xff, 0xfe, 0x00, 0x0a]));
      text(id, 'after rubbish');
    },
    /** Writes lines as they are, but for `$ID`; nothing else. */
    say: (id, { lines }) => {
      for (const line of lines as string[]) process.stdout.write(`${line.replaceAll('$ID', String(id))}\n`);
    },
    heard: (id) => text(id, heard),
    /** Reads nothing for so long. */
    busy: (id, { ms }) => {
      const end = Date.now() + Number(ms);
      while (Date.now() < end);
      text(id, 'was busy');
    },
    split: (id) => {
      const line = Buffer.from(
        `${JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: 'zwölf → 12' }] } })}\r\n`,
      );
      for (const byte of line) process.stdout.write(Buffer.from([byte]));
    },
    large: (id, { bytes }) => text(id, 'x'.repeat(Number(bytes))),
    endlessLine: (_id, { bytes }) => {
      const block = Buffer.alloc(1024 * 1024, 0x78);
      let left = Number(bytes);
      const more = () => {
        while (left > 0) {
          left -= block.length;
          if (!process.stdout.write(block)) {
            process.stdout.once('drain', more);
            return;
          }
        }
      };
      more();
    },
    flood: (id, { lines }) => {
      for (let line = 0; line < Number(lines); line += 1)
        process.stderr.write(`\u001b[31mflood ${line}\u001b[0m ${'y'.repeat(200)}\n`);
      process.stderr.write('end of the flood\n', () => text(id, 'flooded'));
    },
    progress: (id, _args, message) => {
      const progressToken = message.params?._meta?.progressToken;
      for (let progress = 1; progress <= 3; progress += 1)
        write({ method: 'notifications/progress', params: { progressToken, progress, total: 3 } });
      text(id, String(progressToken));
    },
    notice: (id) => {
      write({ method: 'notifications/tools/list_changed' });
      write({ method: 'notifications/message', params: { level: 'info', data: 'hello' } });
      text(id, 'noticed');
    },
    elicit: (id) => {
      asked += 1;
      const question = `ask-${asked}`;
      pending.set(question, (answer) => text(id, answer.result));
      write({
        id: question,
        method: 'elicitation/create',
        params: { message: 'Who?', requestedSchema: { type: 'object', properties: {} } },
      });
    },
  };
  return toolTable;
}
