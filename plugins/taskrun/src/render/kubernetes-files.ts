// The ConfigMap with the agent's files. What the files say is the business of the rendering for the agent; secrets never come here.
import { PlugboardError } from 'plugboard';
import type { TaskSpec } from '../task.ts';

/** Bytes that Kubernetes keeps in one ConfigMap. */
const maxBytes = 1_048_576;

/** Keys that the field's controllers and agents know files by. */
const knownKeys: Readonly<Record<string, string>> = {
  '.mcp.json': 'mcp.json',
  'settings.json': 'settings-local.json',
  'settings.local.json': 'settings-local.json',
};

/**
 * Keys and contents of the ConfigMap: the agent's files under the names that the field uses, then the task's documents. A document never
 * takes the place of one of the agent's files. Throws REQUEST_FAILED when it would be larger than Kubernetes takes.
 */
export function filesData(
  rendered: Readonly<Record<string, string>>,
  documents: TaskSpec['markdownFiles'],
): Record<string, string> {
  const data = new Map<string, string>();
  for (const [file, content] of Object.entries(rendered)) data.set(keyOf(file), content);
  for (const { filename, content } of documents) {
    // The rendering has put the task's own CLAUDE.md, and perhaps its prompt, among its files already.
    if (data.get(keyOf(filename))?.includes(content.trim())) continue;
    data.set(freeKey(keyOf(filename), data), content);
  }
  const bytes = [...data].reduce((sum, [key, content]) => sum + key.length + Buffer.byteLength(content), 0);
  if (bytes > maxBytes) {
    const message = `the files of the task come to ${bytes} bytes, and a ConfigMap holds ${maxBytes}: shorten spec.markdownFiles or the context`;
    throw new PlugboardError('REQUEST_FAILED', message);
  }
  return Object.fromEntries(data);
}

/** A key that a ConfigMap takes: `[-._a-zA-Z0-9]+`, neither hidden nor a folder. */
function keyOf(file: string): string {
  const name = file.slice(file.lastIndexOf('/') + 1);
  const known = Object.hasOwn(knownKeys, name) ? knownKeys[name] : undefined;
  if (known !== undefined) return known;
  const key = name.replace(/[^-._a-zA-Z0-9]+/g, '-').replace(/^\.+/, '');
  return key.slice(-200) || 'file';
}

function freeKey(key: string, taken: ReadonlyMap<string, string>): string {
  for (let number = 1; ; number += 1) {
    const free = number === 1 ? key : key.replace(/(\.[^.]*)?$/, `-${number}$1`);
    if (!taken.has(free)) return free;
  }
}
