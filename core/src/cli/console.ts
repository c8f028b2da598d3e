// Where a command's output goes: answers to stdout, everything else to stderr; colours only on a terminal; secrets masked.
import { styleText } from 'node:util';
import { Masker } from '../masking.ts';
import { exitCodeOf } from './exit-codes.ts';

type Style = Parameters<typeof styleText>[0];

/** A file that output goes to. */
interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

/** The output of one run. */
export class Console {
  readonly json: boolean;
  /** True when there is somebody to watch a progress line. */
  readonly animated: boolean;
  readonly #masker = new Masker();
  #out: Stream = process.stdout;

  constructor(json: boolean) {
    this.json = json;
    this.animated = process.stderr.isTTY && !json && process.env['TERM'] !== 'dumb';
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

  /** A line of the answer. */
  print(text = ''): void {
    this.#out.write(`${text}\n`);
  }

  /** An answer for machines. */
  printJson(value: unknown, indent = 2): void {
    this.#out.write(`${JSON.stringify(value, undefined, indent)}\n`);
  }

  /** A line that is not part of the answer. */
  note(text: string): void {
    process.stderr.write(`${this.#masker.text(text)}\n`);
  }

  /** Text in a style, when the answer goes to a terminal that wants colours. */
  paint(style: Style, text: string): string {
    return paintFor(this.#out, style, text);
  }

  /** Rows under a header, columns padded. */
  async table(header: readonly string[], rows: readonly (readonly string[])[]): Promise<string> {
    const { default: Table } = await import('cli-table3');
    const none = {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
    };
    const chars = {
      ...none,
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '  ',
    };
    const head = header.map((title) => this.paint('bold', title));
    const table = new Table({ head, chars, style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] } });
    table.push(...rows.map((row) => row.map(oneLine)));
    return table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n');
  }

  /** Says what went wrong and returns the exit code for it. */
  fail(error: unknown): number {
    const outer = isForPeople(error) ? error : undefined;
    // A plugin that says itself what to do knows better than the general hint for plugins that fail.
    const known = isForPeople(outer?.cause) ? outer.cause : outer;
    const text = error instanceof Error ? error.message : String(error);
    const code = known?.code ?? 'UNEXPECTED';
    const message = this.#masker.text(text);
    const hint = known?.hint ?? 'this is a bug in Plugboard or in a plugin; the lines below tell where';
    // One line, as `up --json` prints one object per line.
    if (this.json) this.printJson({ error: { code, message, hint } }, 0);
    else {
      const colour = (style: Style, part: string) => paintFor(process.stderr, style, part);
      process.stderr.write(`${colour('red', `error ${code}:`)} ${message}\n${colour('dim', `→ ${hint}`)}\n`);
    }
    if (known === undefined && error instanceof Error) this.note(error.stack ?? '');
    return exitCodeOf(code);
  }
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

/** Text without control characters: names and descriptions come from servers. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for; the escape of a colour stays
  return text.replace(/\s*\n\s*/g, ' ').replace(/[\u0000-\u001a\u001c-\u001f\u007f-\u009f]/g, '');
}

function paintFor(stream: Stream, style: Style, text: string): string {
  const wanted = stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
  return wanted ? styleText(style, text) : text;
}
