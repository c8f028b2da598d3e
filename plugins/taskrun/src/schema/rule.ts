// A rule over several members of an object, written once for both who check it: zod here, CEL in a Kubernetes API server.
import type { z } from 'plugboard';

/** What must hold of a value. */
export interface Rule<Value> {
  /** For the API server: CEL over `self`, and over `oldSelf` when it is about changes. */
  readonly rule: string;
  /** What is wrong and what to do, when it does not hold. */
  readonly message: string;
  /** The same for zod. Undefined for rules about changes: a file has no earlier self. */
  readonly holds?: (value: Value) => boolean;
}

/** A schema that checks the rules, and carries them into the custom resource definition. */
export function withRules<Schema extends z.ZodType>(schema: Schema, rules: readonly Rule<z.output<Schema>>[]): Schema {
  let checked = schema;
  for (const { holds, message } of rules) {
    if (holds !== undefined) checked = checked.refine((value) => holds(value), { message });
  }
  return checked.meta({ 'x-kubernetes-validations': rules.map(({ rule, message }) => ({ rule, message })) });
}
