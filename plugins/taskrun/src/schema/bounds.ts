// How large a task's object and its parts may be. The same figures stand in the custom resource definitions.

/** Bytes of the whole object as JSON. */
export const maxObjectBytes = 1024 * 1024;
/** Objects within objects: what a person writes has ten levels. */
export const maxDepth = 50;
/** Selectors in all lists of one object together. */
export const maxSelectors = 10_000;
/** Characters of one selector or permission rule. */
export const maxSelectorLength = 512;
export const maxServers = 100;
export const maxFiles = 100;
/** Problems that are told; the others are counted. */
export const maxProblems = 20;

/** Which of the limits on the whole an object breaks, or undefined. Stops at the limit: aliases in YAML can make gigabytes of a page. */
export function oversize(object: unknown): string | undefined {
  let left = maxObjectBytes;
  const visit = (value: unknown, depth: number): string | undefined => {
    if (depth > maxDepth) return `the object is nested deeper than ${maxDepth} levels`;
    left -= typeof value === 'string' ? Buffer.byteLength(value) + 2 : 2;
    if (left < 0) return `the object is larger than ${maxObjectBytes / 1024} KiB`;
    if (typeof value !== 'object' || value === null) return undefined;
    for (const [key, member] of Object.entries(value)) {
      if (!Array.isArray(value)) left -= Buffer.byteLength(key) + 3;
      const problem = visit(member, depth + 1);
      if (problem !== undefined) return problem;
    }
    return undefined;
  };
  return visit(object, 0);
}
