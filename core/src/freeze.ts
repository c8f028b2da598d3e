// Data that plugins are handed and must not change: it is everybody's.

/** Freezes data and all that it holds. Each call's arguments and result pass here. */
export function freezeDeep<Value>(value: Value): Value {
  if (isFreezable(value)) freezeAll(value);
  return value;
}

function freezeAll(value: object): void {
  Object.freeze(value);
  // By index, because for…in makes a string of each.
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) freezeDeep(value[index]);
    return;
  }
  for (const key in value) freezeDeep((value as Record<string, unknown>)[key]);
}

/** What is frozen already is left alone: it may refer to itself. */
function isFreezable(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Object.isFrozen(value) && !ArrayBuffer.isView(value);
}
