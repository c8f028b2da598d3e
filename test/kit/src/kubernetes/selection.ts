// Which objects a list or watch means: label and field selectors.
import { ApiError } from './api-error.ts';
import type { KubeObject } from './kube-object.ts';

/** True for objects that both selectors of the query let through. */
export function selection(query: URLSearchParams): (object: KubeObject) => boolean {
  const labels = labelTests(query.get('labelSelector') ?? '');
  const fields = fieldTests(query.get('fieldSelector') ?? '');
  return (object) => labels.every((test) => test(object.metadata.labels ?? {})) && fields.every((test) => test(object));
}

type LabelTest = (labels: Readonly<Record<string, string>>) => boolean;

function labelTests(text: string): LabelTest[] {
  // Commas within parentheses belong to a set.
  return text
    .split(/,(?![^(]*\))/)
    .filter(Boolean)
    .map((part): LabelTest => {
      const set = /^\s*(\S+)\s+(in|notin)\s+\((.*)\)\s*$/.exec(part);
      if (set !== null) {
        const [, key = '', how, values = ''] = set;
        const listed = values.split(',').map((value) => value.trim());
        return (labels) => listed.includes(labels[key] ?? '') === (how === 'in');
      }
      const comparison = /^\s*([^!=\s]+)\s*(==|=|!=)\s*(\S*)\s*$/.exec(part);
      if (comparison !== null) {
        const [, key = '', how, value] = comparison;
        return (labels) => (labels[key] === value) === (how !== '!=');
      }
      const key = part.trim().replace(/^!/, '');
      return (labels) => key in labels !== part.trim().startsWith('!');
    });
}

function fieldTests(text: string): ((object: KubeObject) => boolean)[] {
  return text
    .split(',')
    .filter(Boolean)
    .map((part) => {
      const [, path = '', how, value] = /^([^!=]+)(==|=|!=)(.*)$/.exec(part) ?? [];
      if (path === '') throw new ApiError('BadRequest', `field selector ${part} is not understood`);
      return (object: KubeObject) => (String(valueAt(object, path) ?? '') === value) === (how !== '!=');
    });
}

/** The value at `.spec.taskId` or `metadata.name`; plain names only. */
export function valueAt(object: unknown, path: string): unknown {
  return path
    .split('.')
    .filter(Boolean)
    .reduce<unknown>((value, step) => (value as Record<string, unknown> | null | undefined)?.[step], object);
}
