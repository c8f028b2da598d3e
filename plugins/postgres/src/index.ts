// The plugin: one server per configured database. The server itself is loaded when somebody connects.
import { definePlugin } from 'plugboard';
import type { ServerDefinition } from 'plugboard';
import { credentialsOf } from './credentials.ts';
import { options } from './options.ts';

export default definePlugin({
  id: 'postgres',
  apiVersion: 1,
  title: 'PostgreSQL',
  description: 'PostgreSQL databases, read-only unless allowed otherwise',
  options,
  apply({ servers, log }, { databases, ...limits }) {
    for (const [name, database] of Object.entries(databases)) {
      const title = database.title ?? `PostgreSQL: ${name}`;
      let server: Promise<ServerDefinition> | undefined;
      const load = () => {
        server ??= import('./server.ts').then(({ databaseServer }) =>
          databaseServer({ name, title, database, limits }, log),
        );
        return server;
      };
      servers.register({
        name,
        title,
        kind: 'in-process',
        isolation: 'task',
        asks: false,
        visible: ({ id }) => credentialsOf(id, database.connections, database) !== undefined,
        open: async (key, events, signal) => (await load()).open(key, events, signal),
      });
    }
    if (Object.keys(databases).length === 0)
      log.warn('no database is configured: add databases.NAME.url, best as ${env:DATABASE_URL}');
  },
});
