// Data that plugins are handed and must not change: it is everybody's.

/** Freezes data and all that it holds. */
export function freezeDeep<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value)) return value;
  Object.freeze(value);
  for (const key in value) freezeDeep(value[key]);
  return value;
}
