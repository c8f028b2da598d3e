// Where a command's output goes: answers to stdout, everything else to stderr; colours only on a terminal; secrets masked.
import { hints } from '../errors.ts';
import { describeFileFailure } from '../file-failure.ts';
import { Masker } from '../masking.ts';
import { oneLine } from '../plain-text.ts';
import { exitCodeOf } from './exit-codes.ts';
import { paint, reveal, seal } from './ink.ts';
import type { Style } from './ink.ts';
import { withInvocation } from './invocation.ts';
import { renderTable } from './table.ts';

/** A file that output goes to. */
interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

const eraseLine = '\r\u001b[K';

/** The output of one run. */
export class Console {
  readonly json: boolean;
  /** True when there is somebody to watch a line of progress. */
  readonly animated: boolean;
  /** The command that runs, as it is typed: `task list`. Undefined until one is known. */
  command: string | undefined;
  readonly #masker = new Masker();
  #out: Stream = process.stdout;
  #inProgress = false;

  constructor(json: boolean) {
    this.json = json;
    this.animated = !json && process.env['TERM'] !== 'dumb' && isColourful(process.stderr);
    // Whoever read the output may be gone (`plugboard tools | head`): no fault, and no reason for a proxy to end.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  }

  /** Hides these values in everything that is written from now on. */
  hide(secrets: Iterable<string>): void {
    this.#masker.add(secrets);
  }

  /** Sends everything to stderr from now on: stdout belongs to the protocol. */
  leaveStdout(): void {
    this.#out = process.stderr;
  }

  /** Stderr for the log: a line of progress gives way to its lines. */
  get logDestination(): Stream {
    const write = (text: string) => this.#write(process.stderr, text);
    return { write, isTTY: process.stderr.isTTY };
  }

  /** A line of the answer. On a terminal it moves nothing and hides nothing, whoever wrote it; elsewhere it is what it is. */
  print(text = ''): void {
    this.#write(this.#out, `${this.#out.isTTY === true ? reveal(text, isColourful(this.#out)) : text}\n`);
  }

  /** An answer for machines. */
  printJson(value: unknown, indent = 2): void {
    this.#write(this.#out, `${JSON.stringify(value, undefined, indent)}\n`);
  }

  /** A line that is not part of the answer. */
  note(text: string): void {
    this.#toStderr(this.#masker.text(withInvocation(text)));
  }

  /** A line on stderr that the next one writes over; nothing where nobody watches. Undefined takes it away. */
  progress(text: string | undefined): void {
    if (!this.animated) return;
    this.#clear();
    if (text === undefined) return;
    const width = Math.max(20, (process.stderr.columns ?? 80) - 1);
    process.stderr.write(oneLine(reveal(text, false)).slice(0, width));
    this.#inProgress = true;
  }

  /** Text in a style, when the answer goes to a terminal that wants colours. */
  paint(style: Style, text: string): string {
    return isColourful(this.#out) ? paint(style, text) : text;
  }

  /** Rows under a header, columns padded; no wider than the terminal where words allow it. */
  async table(header: readonly string[], rows: readonly (readonly string[])[]): Promise<string> {
    // What is a colour of ours stays one through all of it; what servers wrote is none.
    const cell = (text: string) => reveal(text.replace(/\r?\n\s*|\t/g, ' '), true);
    const head = header.map((title) => cell(this.paint('bold', title)));
    const body = rows.map((row) => row.map(cell));
    return seal(await renderTable(head, body, this.#out.isTTY === true ? this.#out.columns : undefined));
  }

  /** Says what went wrong and returns the exit code for it. */
  fail(error: unknown): number {
    const outer = forPeople(error);
    // A plugin that says itself what to do knows better than the general hint for plugins that fail.
    const cause = error instanceof Error && outer?.code === 'PLUGIN_FAILED' ? forPeople(error.cause) : undefined;
    const known = cause ?? outer;
    const text = outer?.message ?? (error instanceof Error ? error.message : String(error));
    const code = known?.code ?? 'UNEXPECTED';
    const message = this.#masker.text(withInvocation(text));
    const hint = this.#hint(known?.hint ?? 'this is a bug in Plugboard or in a plugin; the lines below tell where');
    // One line, as `up --json` prints one object per line.
    if (this.json) this.printJson({ error: { code, message, hint } }, 0);
    else {
      const colour = (style: Style, part: string) => (isColourful(process.stderr) ? paint(style, part) : part);
      this.#toStderr(`${colour('red', `error ${code}:`)} ${message}\n${colour('dim', `→ ${hint}`)}`);
    }
    if (known === undefined && error instanceof Error) this.note(error.stack ?? '');
    return exitCodeOf(code);
  }

  #hint(text: string): string {
    return withInvocation(this.command === undefined ? text : text.replace('COMMAND', this.command));
  }

  #toStderr(text: string): void {
    this.#write(process.stderr, `${reveal(text, isColourful(process.stderr))}\n`);
  }

  #write(stream: Stream, text: string): void {
    this.#clear();
    stream.write(text);
  }

  #clear(): void {
    if (this.#inProgress) process.stderr.write(eraseLine);
    this.#inProgress = false;
  }
}

interface ForPeople {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** What a person is told of an error; undefined for one that nobody has foreseen. */
function forPeople(error: unknown): ForPeople | undefined {
  if (isForPeople(error)) return error;
  const failure = describeFileFailure(error);
  return failure === undefined ? undefined : { code: 'FILE_FAILED', message: failure, hint: hints.FILE_FAILED };
}

/** By its parts, because a plugin may throw the class of another copy of this package. */
function isForPeople(error: unknown): error is Error & { code: string; hint: string } {
  return (
    error instanceof Error &&
    'code' in error &&
    'hint' in error &&
    typeof error.code === 'string' &&
    typeof error.hint === 'string'
  );
}

function isColourful(stream: Stream): boolean {
  return stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
}
