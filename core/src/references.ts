// References in configuration values: `${env:NAME}`, `${env:NAME:-default}`, `${file:PATH}`; `$${` stands for `${`. Also: which values are secret.
import { open } from 'node:fs/promises';
import path from 'node:path';
import type { Place } from './config-source.ts';
import { minSecretLength, secretKey } from './masking.ts';

const maxFileBytes = 64 * 1024;

const reference = /\$\$\{|\$\{([^}]*)\}/g;

/** Deeper values stay as they are; the parser refuses deeper files anyway. */
const maxDepth = 250;

export interface ReferenceProblem {
  readonly place: Place;
  readonly message: string;
}

/** Where references are looked up. */
export interface ReferenceContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder that `${file:PATH}` starts from. */
  readonly directory: string;
}

/** Resolves references in the values it is given, and remembers what it found. */
export class ReferenceResolver {
  readonly #context: ReferenceContext;
  readonly problems: ReferenceProblem[] = [];
  /** Resolved and literal secrets, for masking. */
  readonly secrets = new Set<string>();
  /** Absolute paths of the files that were read, or should have been. */
  readonly files = new Set<string>();
  /** What stands in a value for a reference that could not be resolved, and what was wrong. */
  readonly placeholders = new Map<string, ReferenceProblem>();
  /** Places (as JSON) of values that hold a reference. */
  readonly referenced = new Set<string>();

  constructor(context: ReferenceContext) {
    this.#context = context;
  }

  /** The value with its references resolved, at any depth. What cannot be resolved becomes a problem, and a placeholder in the value. */
  async resolve(value: unknown, place: Place): Promise<unknown> {
    if (typeof value === 'string') return await this.#resolveText(value, place);
    if (typeof value !== 'object' || value === null || place.length > maxDepth) return value;
    if (Array.isArray(value)) {
      const items: unknown[] = [];
      for (const [index, item] of value.entries()) items.push(await this.resolve(item, [...place, index]));
      return items;
    }
    const entries: [string, unknown][] = [];
    for (const [key, item] of Object.entries(value)) entries.push([key, await this.resolve(item, [...place, key])]);
    return Object.fromEntries(entries);
  }

  async #resolveText(text: string, place: Place): Promise<string> {
    let resolved = '';
    let end = 0;
    for (const match of text.matchAll(reference)) {
      resolved += text.slice(end, match.index);
      end = match.index + match[0].length;
      resolved += match[1] === undefined ? '${' : await this.#lookUp(match[1], match[0], place);
    }
    resolved += text.slice(end);
    const key = place.findLast((step) => typeof step === 'string');
    if (key !== undefined && secretKey.test(key)) this.#keepSecret(resolved);
    return resolved;
  }

  async #lookUp(target: string, written: string, place: Place): Promise<string> {
    this.referenced.add(JSON.stringify(place));
    const [, kind, rest = ''] = /^(env|file):(.*)$/s.exec(target) ?? [];
    if (kind === 'env') return this.#readEnvironment(rest, written, place);
    if (kind === 'file') return await this.#readFile(rest, written, place);
    return this.#fail(
      written,
      place,
      `is no reference: write \${env:NAME} or \${file:PATH}, or $${written} for the text itself`,
    );
  }

  #readEnvironment(target: string, written: string, place: Place): string {
    const cut = target.indexOf(':-');
    const name = cut < 0 ? target : target.slice(0, cut);
    if (!/^[A-Za-z_]\w*$/.test(name)) return this.#fail(written, place, 'does not name an environment variable');
    const value = this.#context.env[name];
    if (value !== undefined && (value !== '' || cut < 0)) return this.#keepSecret(value);
    return cut < 0 ? this.#fail(written, place, `the environment variable ${name} is not set`) : target.slice(cut + 2);
  }

  async #readFile(target: string, written: string, place: Place): Promise<string> {
    if (target === '') return this.#fail(written, place, 'does not name a file');
    const file = path.resolve(this.#context.directory, target);
    this.files.add(file);
    try {
      const handle = await open(file, 'r');
      try {
        const buffer = Buffer.alloc(maxFileBytes + 1);
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
        if (bytesRead > maxFileBytes)
          return this.#fail(written, place, `the file ${file} is larger than ${maxFileBytes} bytes`);
        return this.#keepSecret(buffer.toString('utf8', 0, bytesRead).replace(/\r?\n$/, ''));
      } finally {
        await handle.close();
      }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return this.#fail(
        written,
        place,
        code === 'ENOENT' ? `the file ${file} does not exist` : `the file ${file} cannot be read: ${message}`,
      );
    }
  }

  #keepSecret(value: string): string {
    const secrets = [value, ...(/^(?:bearer|basic|token) +(\S+)$/i.exec(value)?.slice(1) ?? []), ...value.split('\n')];
    for (const secret of secrets) if (secret.trim().length >= minSecretLength) this.secrets.add(secret.trim());
    return value;
  }

  #fail(written: string, place: Place, message: string): string {
    const problem = { place, message: `${written}: ${message}` };
    this.problems.push(problem);
    const placeholder = `unresolved-reference-${this.problems.length}`;
    this.placeholders.set(placeholder, problem);
    return placeholder;
  }
}
