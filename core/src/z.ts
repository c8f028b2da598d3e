// The part of zod that option and tool schemas need, named here so that the bundle carries no more than that: zod whole costs 100 ms at start.
import { config } from 'zod';

// Compiled validators pay off after hundreds of uses; a start uses each schema once.
config({ jitless: true });

export {
  ZodError,
  any,
  array,
  boolean,
  coerce,
  custom,
  discriminatedUnion,
  enum,
  int,
  lazy,
  literal,
  looseObject,
  never,
  null,
  number,
  object,
  optional,
  preprocess,
  record,
  strictObject,
  string,
  toJSONSchema,
  tuple,
  union,
  unknown,
  url,
} from 'zod';
export type { infer, input, output, ZodObject, ZodType } from 'zod';
