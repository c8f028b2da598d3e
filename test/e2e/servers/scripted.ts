// A stdio server of the old era, written by hand, that does what its tools and arguments say, good and bad. Without imports that cost time:
// tests start hundreds. Arguments: --exit (ends at once), --stubborn (ignores the end of its input and SIGTERM), --late=MS and --until=FILE (hears nothing before), --mark=TEXT (to find the process), --journal=FILE (+ for its start, - for its list of tools), --tools=a,b (more echoes), --description=FILE (of its echo).
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';

interface Message {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: {
    name?: string;
    arguments?: Record<string, unknown>;
    requestId?: number;
    _meta?: { progressToken?: unknown };
  };
}

type Id = Message['id'];
type Tool = (id: Id, args: Record<string, unknown>, message: Message) => void;

const argument = (name: string) => process.argv.find((each) => each.startsWith(`--${name}=`))?.slice(name.length + 3);

const write = (message: object) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const answer = (id: Id, value: unknown) =>
  write({
    id,
    result: { content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }] },
  });

const cancelled: unknown[] = [];
let mute = false;

/** In the order in which processes do something, whoever they are. */
function note(text: string): void {
  const journal = argument('journal');
  if (journal !== undefined) appendFileSync(journal, text);
}

const echo: Tool = (id, args) => answer(id, args);

const tools: Record<string, Tool> = {
  echo,
  pid: (id) => answer(id, process.pid),
  /** Answers after `ms`, with its arguments; before that with as many reports of progress as `steps` says. */
  wait: (id, args, { params }) => {
    const progressToken = params?._meta?.progressToken;
    for (let progress = 1; progress <= Number(args['steps'] ?? 0); progress += 1) {
      if (progressToken !== undefined) write({ method: 'notifications/progress', params: { progressToken, progress } });
    }
    setTimeout(() => answer(id, args), Number(args['ms'] ?? 0));
  },
  /** Says that its tools have changed, and tells nobody which they are from now on. */
  mute: (id) => {
    mute = true;
    write({ method: 'notifications/tools/list_changed' });
    answer(id, 'mute');
  },
  /** Says that its tools have changed. */
  changed: (id) => {
    write({ method: 'notifications/tools/list_changed' });
    answer(id, 'changed');
  },
  /** Never answers. */
  hang: () => {},
  /** The names of all calls that have come. */
  received: (id) => answer(id, [...callNames.values()]),
  /** What it was told to stop, by the names of the calls. */
  cancelled: (id) => answer(id, cancelled),
  twice: (id) => {
    answer(id, 'first');
    answer(id, 'second');
    answer(987_654_321, 'for nobody');
  },
  rubbish: (id) => {
    process.stdout.write('Listening…\n\n{"not": "a message"}\n[1,2]\nnull\n{"jsonrpc":"2.0","id":\n');
    process.stdout.write(Buffer.from([0xff, 0xfe, 0x00, 0x0a]));
    answer(id, 'after rubbish');
  },
  /** One line of so many megabytes, which is no message. */
  line: (_id, { megabytes }) => pour(process.stdout, Number(megabytes), 'x', () => process.stdout.write('\n')),
  /** So many megabytes of lines on stderr, then the answer. */
  flood: (id, { megabytes }) =>
    pour(process.stderr, Number(megabytes), `${'y'.repeat(1023)}\n`, () => answer(id, 'flooded')),
  /** Starts a process of its own that outlives it unless somebody takes care. */
  spawn: (id) =>
    answer(id, spawn('sleep', ['600'], { stdio: 'ignore', argv0: `sleep --mark=${argument('mark') ?? ''}` }).pid),
};
for (const name of argument('tools')?.split(',') ?? []) tools[name] = echo;

function pour(to: NodeJS.WriteStream, megabytes: number, unit: string, done: () => void): void {
  const block = Buffer.from(unit.repeat(Math.ceil((1024 * 1024) / unit.length)));
  let left = megabytes;
  const more = (): void => {
    while (left > 0) {
      left -= 1;
      if (!to.write(block)) return void to.once('drain', more);
    }
    done();
  };
  more();
}

function describe(name: string): object {
  const file = name === 'echo' ? argument('description') : undefined;
  const definition = { name, inputSchema: { type: 'object' } };
  return file === undefined ? definition : { ...definition, description: readFileSync(file, 'utf8') };
}

const callNames = new Map<unknown, unknown>();

function receive(message: Message): void {
  const { id, method, params } = message;
  if (method === 'initialize') {
    const serverInfo = { name: 'scripted', version: '1.0.0' };
    write({
      id,
      result: { protocolVersion: '2025-06-18', capabilities: { tools: { listChanged: true } }, serverInfo },
    });
  } else if (method === 'tools/list') {
    if (mute) return;
    note('-');
    write({ id, result: { tools: Object.keys(tools).map(describe) } });
  } else if (method === 'tools/call') {
    callNames.set(id, params?.arguments?.['name']);
    const run = tools[params?.name ?? ''];
    if (run === undefined) write({ id, error: { code: -32602, message: 'Unknown tool' } });
    else run(id, params?.arguments ?? {}, message);
  } else if (method === 'notifications/cancelled') {
    cancelled.push(callNames.get(params?.requestId));
  } else if (method !== undefined && id !== undefined) {
    write({ id, error: { code: -32601, message: `Method not found: ${method}` } });
  }
}

function listen(): void {
  const file = argument('until');
  if (file !== undefined && !existsSync(file)) {
    setTimeout(listen, 50);
    return;
  }
  let rest = '';
  process.stdin.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) receive(JSON.parse(line) as Message);
  });
}

if (process.argv.includes('--stubborn')) {
  process.on('SIGTERM', () => {});
  setInterval(() => {}, 60_000);
}

note('+');
if (process.argv.includes('--exit')) {
  process.stderr.write('scripted: no licence found\n');
  process.exitCode = 3;
} else setTimeout(listen, Number(argument('late') ?? 0));
