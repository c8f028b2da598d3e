// Freezing what is handed to plugin code, so that a change of it shows as an error at the place of the change.

/** Members that are not the caller's to freeze: their owner may go on changing them. */
const owned: ReadonlySet<string> = new Set(['grant', 'session', 'signal']);

/** Freezes plain objects and arrays, all the way down; instances of classes and what belongs to others stay as they are. */
export function deepFreeze<Value>(value: Value): Value {
  if (!isPlain(value) || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const [key, member] of Object.entries(value)) if (!owned.has(key)) deepFreeze(member);
  return value;
}

/** True for the error that strict code gets when it changes something frozen. */
export function isFrozenError(error: unknown): error is TypeError {
  return (
    error instanceof TypeError &&
    /^Cannot (?:assign to read only property|add property|delete property|define property|redefine property)/.test(
      error.message,
    )
  );
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Array.isArray(value);
}
