// A file of tasks as `plugboard task apply` reads it. What a task may hold is checked by the proxy.
import { readFile } from 'node:fs/promises';
import { PlugboardError } from '../errors.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { readYamlDocuments } from '../yaml-documents.ts';

/** Bytes of a file of tasks. */
const maxFileBytes = 16 * 1024 * 1024;

/** The objects of a file: one, several YAML documents, or a Kubernetes List. */
export async function readObjects(file: string): Promise<JsonObject[]> {
  const content = await readText(file);
  const objects = readYamlDocuments(content, file, 'INPUT_INVALID').flatMap(({ value }) => {
    if (isObject(value) && Array.isArray(value['items'])) return value['items'];
    return value === null ? [] : [value];
  });
  if (objects.length === 0) throw new PlugboardError('INPUT_INVALID', `${file}: it holds no task`);
  return objects.map((object) => {
    if (isObject(object)) return object;
    throw new PlugboardError('INPUT_INVALID', `${file}: a task is an object with apiVersion, kind, metadata and spec`);
  });
}

async function readText(file: string): Promise<string> {
  const chunks: Buffer[] = [];
  if (file === '-') for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  else {
    const content = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      throw new PlugboardError(
        'USAGE',
        `${file}: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}`,
      );
    });
    chunks.push(content);
  }
  const whole = Buffer.concat(chunks);
  if (whole.length > maxFileBytes)
    throw new PlugboardError('INPUT_INVALID', `${file}: ${whole.length} bytes (at most ${maxFileBytes})`);
  return whole.toString('utf8');
}

/** The id of a task's object: its name, with the namespace before it when there is one other than `default`. */
export function idOf(object: JsonObject, file: string): string {
  const metadata = isObject(object['metadata']) ? object['metadata'] : {};
  const { name, namespace } = metadata;
  if (typeof name !== 'string' || name === '')
    throw new PlugboardError('INPUT_INVALID', `${file}: metadata.name is missing: it becomes the id of the task`);
  return typeof namespace === 'string' && namespace !== 'default' ? `${namespace}/${name}` : name;
}
