#!/usr/bin/env node
// `npm create plugboard-plugin <id>` is `plugboard create <id>`: the same program, its first argument given.
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const core = path.dirname(createRequire(import.meta.url).resolve('plugboard/package.json'));
process.argv.splice(2, 0, 'create');
await import(pathToFileURL(path.join(core, 'bin', 'plugboard.js')).href);
