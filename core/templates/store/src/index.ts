// The plugin: its options, and the service `store` over its folder. What a store does lives in `stores.ts` and `namespace.ts`.
import path from 'node:path';
import { definePlugin, z } from 'plugboard';
import { FileStores } from './stores.ts';

const options = z.strictObject({
  path: z
    .string()
    .min(1)
    .default('.plugboard/template-id')
    .describe(
      'Folder of the files, relative to the folder of the configuration file. One process may use it at a time',
    ),
  maxEntries: z.int().min(1).default(10_000).describe('Entries of one namespace'),
  maxBytes: z
    .int()
    .min(1)
    .default(16 * 1024 * 1024)
    .describe('Keys and values of one namespace together, in bytes of JSON'),
  maxValueBytes: z
    .int()
    .min(1)
    .default(1024 * 1024)
    .describe('One value, in bytes of JSON'),
});

export default definePlugin({
  id: 'template-id',
  apiVersion: 1,
  title: 'Template title',
  description: 'State in one JSON file per namespace',
  provides: ['store'],
  options,
  apply({ services, directory, log }, { path: folder, ...limits }) {
    const stores = new FileStores(path.resolve(directory, folder), limits, log);
    services.provide('store', stores);
    return () => stores.close();
  },
});
