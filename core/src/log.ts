// The log: lines by plugin on stderr, as JSON or for people, with secrets masked. What is logged is everybody else's business.
import type { LogLine, LogQuery } from './host-control.ts';
import { LogMemory } from './log-memory.ts';
import type { Log } from './plugin.ts';
import { Masker, shorten } from './masking.ts';
import { oneLine } from './plain-text.ts';
import { isObject } from './protocol/messages.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Where lines go: one line of text with its line break per call. */
export interface LogDestination {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

export interface LogInit {
  readonly level: LogLevel;
  readonly format: 'auto' | 'json' | 'pretty';
  readonly secrets?: Iterable<string>;
  /** Default: stderr. Stdout belongs to the protocol and to answers. */
  readonly destination?: LogDestination;
}

/** Makes the logs of the proxy and of each plugin. */
export interface Logs {
  /** A log whose lines carry the name of a plugin (or `plugboard`). */
  scope(name: string): Log;
  /** Adds values to mask; those known before stay masked. */
  setSecrets(secrets: Iterable<string>): void;
  setLevel(level: LogLevel): void;
  /** The text with every known secret masked, for what is not a log line. */
  mask(text: string): string;
  /** The newest lines, oldest first. */
  recent(query: LogQuery): readonly LogLine[];
  /** Resolves when every line is written. */
  flush(): Promise<void>;
}

const severity = { debug: 20, info: 30, warn: 40, error: 50, silent: 100 } as const;
type LineLevel = keyof Log & keyof typeof severity;

/** ms until pino is loaded: it takes 30 ms of a start, and nobody waits for the first line. */
const loadAfter = 300;

/** One line, masked and plain. */
export interface Line {
  readonly level: LineLevel;
  readonly time: number;
  readonly scope: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>> | undefined;
}

type Writer = (line: Line) => void;

/** Makes the logs. JSON lines are kept, in order, until pino is loaded; a process that ends before writes them all the same. */
export function createLog(init: LogInit): Logs {
  const masker = new Masker();
  masker.add(init.secrets ?? []);
  const destination = init.destination ?? standardError();
  const pretty = init.format === 'pretty' || (init.format === 'auto' && destination.isTTY === true);
  const lines = pretty ? prettyLines(destination) : new JsonLines(destination);
  const memory = new LogMemory();
  let least: number = severity[init.level];
  const write = (scope: string, level: LineLevel, message: string, fields?: object) => {
    if (severity[level] < least) return;
    const line: Line = {
      level,
      time: Date.now(),
      scope,
      message: shorten(masker.text(message)),
      fields: copyFields(masker, fields),
    };
    memory.add(line);
    lines.add(line);
  };
  return {
    scope: (name) => ({
      debug: (message, fields) => write(name, 'debug', message, fields),
      info: (message, fields) => write(name, 'info', message, fields),
      warn: (message, fields) => write(name, 'warn', message, fields),
      error: (message, fields) => write(name, 'error', message, fields),
    }),
    setSecrets: (secrets) => masker.add(secrets),
    setLevel: (level) => {
      least = severity[level];
    },
    mask: (text) => masker.text(text),
    recent: (query) => memory.recent(query),
    flush: () => lines.flush(),
  };
}

interface Lines {
  add(line: Line): void;
  flush(): Promise<void>;
}

/** Writes by pino, and keeps lines until it is loaded. */
class JsonLines implements Lines {
  readonly #destination: LogDestination;
  #waiting: Line[] = [];
  #writer: Writer | undefined;
  #loading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #atExit = () => this.#writeWaiting(writerWithoutPino(this.#destination));

  constructor(destination: LogDestination) {
    this.#destination = destination;
  }

  add(line: Line): void {
    if (this.#writer !== undefined) {
      this.#writer(line);
      return;
    }
    this.#waiting.push(line);
    if (this.#waiting.length === 1) process.once('exit', this.#atExit);
    if (severity[line.level] >= severity.warn) void this.#load();
    else this.#timer ??= setTimeout(() => void this.#load(), loadAfter).unref();
  }

  async flush(): Promise<void> {
    if (this.#waiting.length > 0) await this.#load();
  }

  #load(): Promise<void> {
    this.#loading ??= this.#start();
    return this.#loading;
  }

  async #start(): Promise<void> {
    clearTimeout(this.#timer);
    // A line must not get lost because its writer cannot be loaded.
    const writer = await pinoWriter(this.#destination).catch(() => writerWithoutPino(this.#destination));
    this.#writeWaiting(writer);
    this.#writer = writer;
    process.off('exit', this.#atExit);
  }

  #writeWaiting(writer: Writer): void {
    for (const line of this.#waiting.splice(0)) writer(line);
  }
}

async function pinoWriter(destination: LogDestination): Promise<Writer> {
  const { pino } = await import('pino');
  const stream = { write: (text: string) => destination.write(text) };
  const logger = pino({ level: 'debug', base: null, messageKey: 'message', timestamp: false }, stream);
  return ({ level, time, scope, message, fields }) => logger[level]({ time, scope, ...fields }, message);
}

/** The same lines, for a process that ends before pino was loaded. */
function writerWithoutPino(destination: LogDestination): Writer {
  return ({ level, time, scope, message, fields }) => {
    destination.write(`${JSON.stringify({ level: severity[level], time, scope, ...fields, message })}\n`);
  };
}

function prettyLines(destination: LogDestination): Lines {
  const colours = destination.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
  return { add: (line) => destination.write(`${formatPretty(line, colours)}\n`), flush: () => Promise.resolve() };
}

const colourOf = { debug: 90, info: 36, warn: 33, error: 31 } as const;

/** `12:01:02.345 warn  http  message  key=value`, always one line. */
function formatPretty({ level, time, scope, message, fields }: Line, colours: boolean): string {
  const paint = (code: number, text: string) => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  const extra = Object.entries(fields ?? {}).map(([key, value]) => paint(90, `${key}=${formatField(value)}`));
  const parts = [
    paint(90, formatTime(time)),
    paint(colourOf[level], level.padEnd(5)),
    paint(1, scope),
    harmless(message),
    ...extra,
  ];
  return parts.join(' ');
}

function formatField(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'stack' in value && 'message' in value)
    return JSON.stringify(value.message);
  return harmless(
    typeof value === 'string' && /^[\w./:@*-]+$/.test(value) ? value : (JSON.stringify(value) ?? String(value)),
  );
}

function formatTime(time: number): string {
  const date = new Date(time);
  const two = (number: number) => String(number).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** Control characters could forge lines and move the cursor; what servers write ends up here. */
function harmless(text: string): string {
  return oneLine(text, ' ⏎ ', '�');
}

/** Names that a line uses itself. */
const reserved = new Set(['level', 'time', 'scope', 'message']);

function copyFields(masker: Masker, fields: object | undefined): Record<string, unknown> | undefined {
  if (fields === undefined) return undefined;
  const copy = masker.value(fields instanceof Error ? { error: fields } : fields);
  if (!isObject(copy)) return { value: copy };
  return Object.fromEntries(Object.entries(copy).map(([key, value]) => [reserved.has(key) ? `${key}_` : key, value]));
}

function standardError(): LogDestination {
  // Whoever read stderr may be gone; the proxy goes on.
  process.stderr.on('error', () => {});
  return process.stderr;
}
