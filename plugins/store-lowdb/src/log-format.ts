// The lines of a log: checksums, numbers, and what a last line that was cut off looks like. Files are opened and written elsewhere.
import { crc32 } from 'node:zlib';
import type { Storable } from 'plugboard';
import type { Change } from './contents.ts';
import { DamagedFile } from './damaged-file.ts';

const format = 'plugboard-store-log/1';

/** The first line of a log. */
export interface LogHeader {
  readonly format: string;
  readonly namespace: string;
  readonly schemaVersion: number;
  readonly generation: number;
  /** How many changes there had been before this log. */
  readonly after: number;
}

/** What a log says. */
export interface LogContents {
  /** Undefined when its creation was cut off: then nothing was ever written to it. */
  readonly header: LogHeader | undefined;
  readonly changes: readonly Change[];
  /** Bytes of the header and the changes. */
  readonly length: number;
  /** Bytes behind them, of writes that were cut off before they were acknowledged. */
  readonly torn: number;
}

/** A change as it stands in a line. */
interface Line {
  /** Counts the changes of the namespace from 1. */
  readonly change: number;
  /** The first change of the same write to the disk: all before it had been acknowledged when this line was written. */
  readonly since: number;
  readonly key: string;
  readonly version: number;
  /** Missing: the entry was deleted. */
  readonly value?: Storable | undefined;
}

export function headerLine(header: Omit<LogHeader, 'format'>): string {
  return sealed(JSON.stringify({ format, ...header }));
}

/** Lines of changes that are written together; `before` is how many there had been. */
export function changeLines(changes: readonly Change[], before: number): string {
  let lines = '';
  for (const [index, { key, version, text }] of changes.entries()) {
    const head = `{"change":${before + index + 1},"since":${before + 1},"key":${JSON.stringify(key)},"version":${version}`;
    lines += sealed(text === undefined ? `${head}}` : `${head},"value":${text}}`);
  }
  return lines;
}

function sealed(text: string): string {
  return `${checksum(text)} ${text}\n`;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

/**
 * Reads a log. What a process or machine that died in mid-write left at the end is told as `torn`: a line without its end, or blocks of zeros
 * that the disk never got, if no later line shows that they had been acknowledged. Throws {@link DamagedFile} for everything else.
 */
export function readLog(bytes: Buffer, path: string): LogContents {
  const reader = new LineReader(bytes);
  const first = reader.next();
  if (first === undefined || first.text === undefined) {
    if (first === undefined || isTorn(first)) return { header: undefined, changes: [], length: 0, torn: bytes.length };
    throw damaged(path, first, 'its checksum does not match');
  }
  const header = JSON.parse(first.text) as LogHeader;
  if (header.format !== format) {
    throw new Error(
      `${path} has format ${header.format}, which this store-lowdb does not know. Nothing was changed: use the one that wrote it`,
    );
  }
  const changes: Change[] = [];
  let good = first.end;
  let fault: RawLine | undefined;
  for (let raw = reader.next(); raw !== undefined; raw = reader.next()) {
    const line = raw.text === undefined ? undefined : (JSON.parse(raw.text) as Line);
    const expected = header.after + changes.length + 1;
    if (fault !== undefined) {
      if (line !== undefined && line.since > expected) throw damaged(path, fault, 'its checksum does not match');
    } else if (line === undefined) {
      if (!isTorn(raw)) throw damaged(path, raw, 'its checksum does not match');
      fault = raw;
    } else if (line.change === expected) {
      changes.push({
        key: line.key,
        version: line.version,
        text: line.value === undefined ? undefined : JSON.stringify(line.value),
      });
      good = raw.end;
    } else throw damaged(path, raw, `it is change ${line.change}, not ${expected}`);
  }
  return { header, changes, length: good, torn: bytes.length - good };
}

interface RawLine {
  readonly number: number;
  readonly at: number;
  readonly end: number;
  readonly bytes: Buffer;
  /** False for what stands behind the last line feed. */
  readonly ended: boolean;
  /** Undefined: it has no checksum, or a wrong one. */
  readonly text: string | undefined;
}

function isTorn({ ended, bytes }: RawLine): boolean {
  return !ended || bytes.includes(0);
}

class LineReader {
  readonly #bytes: Buffer;
  #at = 0;
  #number = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(): RawLine | undefined {
    const at = this.#at;
    if (at >= this.#bytes.length) return undefined;
    const feed = this.#bytes.indexOf(10, at);
    const ended = feed >= 0;
    this.#at = ended ? feed + 1 : this.#bytes.length;
    this.#number += 1;
    const bytes = this.#bytes.subarray(at, ended ? feed : this.#at);
    return { number: this.#number, at, end: this.#at, bytes, ended, text: ended ? unsealed(bytes) : undefined };
  }
}

function unsealed(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8', 9);
  return bytes[8] === 32 && bytes.toString('latin1', 0, 8) === checksum(text) ? text : undefined;
}

function damaged(path: string, { number, at }: RawLine, why: string): DamagedFile {
  return new DamagedFile(path, `line ${number} (byte ${at})`, why);
}
