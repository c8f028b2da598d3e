// The plugin: its options, and the service `store` over its folder.
import { resolve } from 'node:path';
import { definePlugin, z } from 'plugboard';
import { openShared } from './state-folder.ts';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

const options = z.strictObject({
  path: z
    .string()
    .min(1)
    .default('.plugboard/state')
    .describe(
      'Folder of the state, relative to the folder of the configuration file. One process may use it at a time',
    ),
  fsync: z
    .enum(['always', 'interval', 'never'])
    .default('always')
    .describe(
      'What an acknowledged write survives. always: a crash of the machine; interval: that too, once fsyncInterval has passed; ' +
        'never: the end of the process only',
    ),
  fsyncInterval: z
    .int()
    .min(1)
    .max(60_000)
    .default(1000)
    .describe('With fsync: interval, how long after a write it is on the disk, in ms'),
  maxEntries: z.int().min(1).default(100_000).describe('Entries of one namespace'),
  maxBytes: z
    .int()
    .min(1)
    .max(256 * mebibyte)
    .default(128 * mebibyte)
    .describe('Keys and values of one namespace together, in bytes of JSON'),
  maxValueBytes: z
    .int()
    .min(1)
    .max(64 * mebibyte)
    .default(8 * mebibyte)
    .describe('One value, in bytes of JSON'),
  compactBytes: z
    .int()
    .min(kibibyte)
    .max(256 * mebibyte)
    .default(mebibyte)
    .describe('Length of a namespace’s log from which it may be compacted into its JSON file, in bytes'),
});

export default definePlugin({
  id: 'store-lowdb',
  apiVersion: 1,
  title: 'Store (lowdb)',
  description: 'State in JSON files, written so that nothing acknowledged is lost',
  provides: ['store'],
  options,
  async apply({ services, directory, log }, { path, ...settings }) {
    const { stores, release } = await openShared(resolve(directory, path), settings, log);
    services.provide('store', stores);
    return release;
  },
});
