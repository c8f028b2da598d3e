// What may be kept: plain JSON. What JSON would leave out or change in silence is refused, by its place.

const deepest = 200;

/** The text of a value. Throws TypeError for what is no JSON. */
export function toJson(value: unknown, place: string): string {
  check(value, place, 0);
  return JSON.stringify(value);
}

function check(value: unknown, place: string, depth: number): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return;
  if (depth > deepest) throw new TypeError(`${place}: nested deeper than ${deepest} levels`);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) check(value[index], `${place}[${index}]`, depth + 1);
    return;
  }
  const prototype: unknown = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined;
  if (prototype !== Object.prototype && prototype !== null) {
    const found = typeof value === 'number' ? String(value) : `this ${typeof value}`;
    throw new TypeError(`${place}: only JSON can be kept, not ${found}`);
  }
  for (const [name, member] of Object.entries(value as object))
    if (member !== undefined) check(member, `${place}.${name}`, depth + 1);
}
