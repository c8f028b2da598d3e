// Changes of an object, made and written down as a JSON Patch (RFC 6902) at the same time. What is changed is decided elsewhere.

export interface PatchOperation {
  readonly op: 'add' | 'replace';
  readonly path: string;
  readonly value: unknown;
}

/** Something with a name, in a list that the name is the key of. */
export interface Named {
  readonly name: string;
}

/** Changes a copy of an object and keeps the operations that lead there. */
export class JsonPatch<Value extends object> {
  readonly operations: PatchOperation[] = [];
  /** The object with all changes so far. */
  readonly value: Value;

  constructor(value: Value) {
    this.value = structuredClone(value);
  }

  /** Sets a member of the map at `path`, which is made where it is missing. Nothing happens when it has that value. */
  setMember(path: readonly (string | number)[], member: string, value: string): void {
    const map = this.#collection(path, {}) as Record<string, unknown>;
    if (map[member] === value) return;
    this.#put([...path, member], map, member, value);
  }

  /**
   * Puts an item into the list at `path`, which is made where it is missing. An item of its name that says the same (and perhaps more,
   * such as defaults and what others have added) stays. Returns whether another one was replaced.
   */
  setNamed(path: readonly (string | number)[], item: Named): boolean {
    const list = this.#collection(path, []) as Named[];
    const index = list.findIndex(({ name }) => name === item.name);
    if (index === -1) {
      list.push(item);
      this.operations.push({ op: 'add', path: pointer([...path, '-']), value: item });
      return false;
    }
    if (includes(list[index], item)) return false;
    this.#put([...path, index], list as unknown as Record<number, unknown>, index, item);
    return true;
  }

  #put(
    path: readonly (string | number)[],
    holder: Record<string | number, unknown>,
    key: string | number,
    value: unknown,
  ): void {
    // A copy: what is in the object may be changed further, and what is written down must not.
    this.operations.push({ op: key in holder ? 'replace' : 'add', path: pointer(path), value: structuredClone(value) });
    holder[key] = value;
  }

  #collection(path: readonly (string | number)[], empty: object): object {
    let holder = this.value as Record<string | number, unknown>;
    path.forEach((key, depth) => {
      if (holder[key] === undefined || holder[key] === null)
        this.#put(path.slice(0, depth + 1), holder, key, depth === path.length - 1 ? structuredClone(empty) : {});
      holder = holder[key] as Record<string | number, unknown>;
    });
    return holder;
  }
}

/** A JSON Pointer (RFC 6901). */
function pointer(path: readonly (string | number)[]): string {
  return path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** True when a value says all that `wanted` says. Items of lists are found by their names, where they have names. */
export function includes(value: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(value)) return false;
    if (!wanted.every(isNamed))
      return value.length === wanted.length && wanted.every((each, index) => includes(value[index], each));
    return wanted.every((each) =>
      value.some((other) => isNamed(other) && other.name === each.name && includes(other, each)),
    );
  }
  if (typeof wanted !== 'object' || wanted === null) return value === wanted;
  if (typeof value !== 'object' || value === null) return Object.keys(wanted).length === 0 && value === undefined;
  return Object.entries(wanted).every(([key, each]) => includes((value as Record<string, unknown>)[key], each));
}

function isNamed(value: unknown): value is Named {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Named>).name === 'string';
}
