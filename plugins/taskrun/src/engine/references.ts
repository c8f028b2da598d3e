// References in what a task says of a server of its own. Tasks come from people who may not read the proxy's secrets: only what an option names is resolved.
import { isObject } from 'plugboard';
import type { JsonObject } from 'plugboard';

const reference = /\$\$\{|\$\{([^}]*)\}/g;

export interface Resolved {
  readonly definition: JsonObject;
  /** One sentence per reference that was refused. */
  readonly problems: readonly string[];
}

/** The definition with `${env:NAME}` replaced for the allowed names. Every other reference is a problem; `$${` stands for `${`. */
export function resolveReferences(
  definition: JsonObject,
  allowed: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): Resolved {
  const problems: string[] = [];
  const refuse = (written: string, why: string) => {
    problems.push(`${written}: ${why}`);
    return '';
  };
  const lookUp = (written: string, target: string | undefined): string => {
    if (target === undefined) return '${';
    const [, name, fallback] = /^env:([A-Za-z_]\w*)(?::-(.*))?$/s.exec(target) ?? [];
    if (name === undefined)
      return refuse(written, 'a task may refer to ${env:NAME} only; write $${ for the text itself');
    if (!allowed.includes(name)) return refuse(written, `option allowedEnv of plugin taskrun does not name ${name}`);
    return env[name] ?? fallback ?? refuse(written, 'the proxy has no such environment variable');
  };
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') return value.replace(reference, lookUp);
    if (Array.isArray(value)) return value.map(walk);
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, walk(member)]));
  };
  return { definition: walk(definition) as JsonObject, problems };
}
