// The file format: one JSON object per line, the same as that of the reference memory server. Bytes in, graph out, and back; no files here.
import { TextDecoder } from 'node:util';
import { isObject } from 'plugboard';
import { emptyGraph } from './graph.ts';
import type { Entity, Graph, Relation } from './graph.ts';

/** The bytes are not a memory file; `line` counts from 1. */
export class CorruptGraph extends Error {
  readonly line: number;
  constructor(line: number, why: string) {
    super(`line ${line}: ${why}`);
    this.name = 'CorruptGraph';
    this.line = line;
  }
}

export interface ParsedGraph {
  readonly graph: Graph;
  /** True when the last line was cut off (somebody's write was interrupted); everything before it is in `graph`. */
  readonly cut: boolean;
}

const newline = 10;

/** Reads a memory file. Throws {@link CorruptGraph} when any line but a cut-off last one is unreadable. */
export function parseGraph(bytes: Buffer): ParsedGraph {
  const lines = splitLines(bytes);
  const entities: Entity[] = [];
  const relations: Relation[] = [];
  const foreign: string[] = [];
  for (const [index, line] of lines.entries()) {
    const item = parseLine(line);
    if (item === undefined) {
      const last = index === lines.length - 1 && bytes.at(-1) !== newline;
      // A file without one whole line is more likely no memory file at all than a cut-off one.
      if (last && index > 0) return { graph: { entities, relations, foreign }, cut: true };
      throw new CorruptGraph(line.number, 'not a JSON object');
    }
    if (item['type'] === 'entity') entities.push(entityOf(item, line.number));
    else if (item['type'] === 'relation') relations.push(relationOf(item, line.number));
    else foreign.push((line.text ?? '').trim());
  }
  return { graph: lines.length === 0 ? emptyGraph : { entities, relations, foreign }, cut: false };
}

/** Writes a memory file, byte for byte as the reference server does (no line break at the end). */
export function encodeGraph(graph: Graph): Buffer {
  const lines = [...graph.entities.map(lineOf), ...graph.relations.map(lineOf), ...graph.foreign];
  return Buffer.from(lines.join('\n'));
}

/** Bytes that the graph takes in its file. */
export function graphBytes(graph: Graph): number {
  let bytes = graph.foreign.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
  for (const each of graph.entities) bytes += lineBytes(each) + 1;
  for (const each of graph.relations) bytes += lineBytes(each) + 1;
  return Math.max(0, bytes - 1);
}

/** Bytes that one entity or relation takes in the file. */
export function lineBytes(item: Entity | Relation): number {
  return encoded(item).bytes;
}

// Entities and relations are never changed in place, so each is turned into text once, not at every save of the whole graph.
const encodings = new WeakMap<object, { readonly line: string; readonly bytes: number }>();

function encoded(item: Entity | Relation): { readonly line: string; readonly bytes: number } {
  let encoding = encodings.get(item);
  if (encoding === undefined) {
    const line = 'name' in item ? entityLine(item) : relationLine(item);
    encoding = { line, bytes: Buffer.byteLength(line) };
    encodings.set(item, encoding);
  }
  return encoding;
}

function lineOf(item: Entity | Relation): string {
  return encoded(item).line;
}

function entityLine({ name, entityType, observations }: Entity): string {
  return JSON.stringify({ type: 'entity', name, entityType, observations });
}

function relationLine({ from, to, relationType }: Relation): string {
  return JSON.stringify({ type: 'relation', from, to, relationType });
}

interface Line {
  readonly number: number;
  /** Undefined: not UTF-8. */
  readonly text: string | undefined;
}

/** The lines that are not blank. Fatal decoding: a replaced byte would be written back as damage for good. */
function splitLines(bytes: Buffer): Line[] {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const lines: Line[] = [];
  let start = 0;
  for (let number = 1; start < bytes.length; number += 1) {
    const found = bytes.indexOf(newline, start);
    const end = found < 0 ? bytes.length : found;
    const text = decode(decoder, bytes.subarray(start, end));
    if (text === undefined || text.trim() !== '') lines.push({ number, text });
    start = end + 1;
  }
  return lines;
}

function decode(decoder: TextDecoder, bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function parseLine(line: Line): Record<string, unknown> | undefined {
  if (line.text === undefined) return undefined;
  try {
    const item: unknown = JSON.parse(line.text);
    return isObject(item) ? item : undefined;
  } catch {
    return undefined;
  }
}

function entityOf(item: Record<string, unknown>, line: number): Entity {
  const observations = item['observations'];
  if (!Array.isArray(observations) || !observations.every((each) => typeof each === 'string')) {
    throw new CorruptGraph(line, 'the entity’s "observations" are not a list of strings');
  }
  return { name: text(item, 'name', line), entityType: text(item, 'entityType', line), observations };
}

function relationOf(item: Record<string, unknown>, line: number): Relation {
  return { from: text(item, 'from', line), to: text(item, 'to', line), relationType: text(item, 'relationType', line) };
}

function text(item: Record<string, unknown>, member: string, line: number): string {
  const value = item[member];
  if (typeof value !== 'string') throw new CorruptGraph(line, `"${member}" is not a string`);
  return value;
}
