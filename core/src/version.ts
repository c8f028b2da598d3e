// The version of this package, read once from its package.json.
import { createRequire } from 'node:module';

const { version: found } = createRequire(import.meta.url)('plugboard/package.json') as { version: string };

/** Version of the package `plugboard`. */
export const version = found;
