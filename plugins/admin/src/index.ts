// The plugin: puts its parts together. Each part is a file of its own.
import { definePlugin, isLoopback, localCredentialFile } from 'plugboard';
import type { HostControl, Log, Management, ManagementEvent, PluginApi, Stores } from 'plugboard';
import { Application } from './application.ts';
import { ConfigurationWatch } from './configuration-watch.ts';
import { Credentials } from './credentials.ts';
import { EventStreams } from './event-streams.ts';
import { Failures } from './failures.ts';
import { Idempotency } from './idempotency.ts';
import { identifier } from './identity.ts';
import { removeCredential, writeCredential } from './local-credential.ts';
import { options } from './options.ts';
import type { Options } from './options.ts';
import { originCheck } from './origin-check.ts';
import { isLocalPlace, serve } from './place.ts';
import type { HttpService } from './place.ts';
import { base } from './route-table.ts';
import { configurationRoutes } from './routes/configuration.ts';
import { documentEndpoints, eventEndpoint } from './routes/documents.ts';
import { pluginRoutes } from './routes/plugins.ts';
import { serverRoutes } from './routes/servers.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { toolRoutes } from './routes/tools.ts';

/** ms that requests under way have to end when the plugin stops. */
const drain = 2000;

export default definePlugin({
  id: 'admin',
  apiVersion: 1,
  title: 'Management API',
  description: 'An HTTP API for servers, tools, tasks, sessions, plugins and configuration',
  needs: ['host'],
  wants: ['store', 'http'],
  provides: ['management'],
  // A port, or a path of the listener, can be served once.
  exclusive: true,
  options,
  check: ({ port, host, tokens }) =>
    port === undefined || isLoopback(host) || tokens.length > 0
      ? []
      : [
          {
            result: 'failure',
            text: `refuses to listen on ${host} without the option \`tokens\``,
            advice: 'give it `tokens`, or bind to 127.0.0.1',
          },
        ],
  async apply(api, chosen) {
    const { log, board, services, directory, signal } = api;
    const host = services.get<HostControl>('host');
    const http = services.find<HttpService>('http');
    const idempotency = await Idempotency.open(services.find<Stores>('store'), chosen.idempotencyKeys, log);
    const credentials = new Credentials(chosen);
    const streams = new EventStreams(chosen, log);
    const publish = (event: ManagementEvent) => streams.publish(event);
    const watch = new ConfigurationWatch(board, host, publish, log);
    const application = new Application({
      log,
      idempotency,
      identify: identifier(credentials, new Failures(chosen.failures), log),
      refusal: chosen.port === undefined ? undefined : originCheck(chosen.host, chosen.allowedHosts),
    });
    const changing = changingHost(host, application, watch);
    const isOpen = chosen.docs === undefined ? isLocalPlace(chosen, http) : chosen.docs === 'open';
    application.routes.add([
      ...serverRoutes(board, host),
      ...toolRoutes(board),
      ...sessionRoutes(board),
      ...pluginRoutes(changing),
      ...configurationRoutes(changing),
      eventEndpoint(streams),
      ...documentEndpoints(application.routes, () => isOpen),
    ]);
    publishHooks(api, publish);
    api.hooks.on('onStart', () => watch.start());
    const stopQuietly = () => {
      watch.stop();
      streams.close();
    };
    const place = await serve(application.handler, chosen, http, log).catch((error: unknown) => {
      stopQuietly();
      throw error;
    });
    const management: Management = { add: (routes) => application.routes.add(routes), publish };
    services.provide('management', management);
    if (place === undefined) {
      log.warn('the management API is not served: there is neither the plugin http nor the option `port`');
      return stopQuietly;
    }
    const forget = await announce(place.origin + base, { chosen, credentials, host, directory, log });
    const stop = async () => {
      place.leave();
      stopQuietly();
      await forget();
      await application.stop(drain);
      if (!application.changing) place.close();
    };
    // Who took too long is not asked to stop any more.
    if (signal.aborted) await stop();
    return stop;
  },
});

/** The host, with the requests that change it known to the application: they must not wait for themselves when this plugin is stopped for them. */
function changingHost(host: HostControl, application: Application, watch: ConfigurationWatch): HostControl {
  const during = async <Value>(change: () => Promise<Value>): Promise<Value> => {
    const done = application.beginChange();
    try {
      return await change();
    } finally {
      done();
      watch.look();
    }
  };
  return {
    plugins: () => host.plugins(),
    configuration: () => host.configuration(),
    check: (text) => host.check(text),
    log: (query) => host.log(query),
    apply: (text, expected) => during(() => host.apply(text, expected)),
    setPlugin: (key, chosen, expected) => during(() => host.setPlugin(key, chosen, expected)),
  };
}

function publishHooks({ hooks }: PluginApi, publish: (event: ManagementEvent) => void): void {
  hooks.on('onCatalogChanged', ({ server, owner, status }) => {
    const { state, reason, tools, resources, prompts } = status;
    publish({ type: 'server.changed', subject: server, data: { owner, state, reason, tools, resources, prompts } });
  });
  hooks.on('onPluginSwitchedOff', ({ plugin, reason }) =>
    publish({ type: 'plugin.failed', subject: plugin, data: { reason } }),
  );
  hooks.on('onSessionStart', ({ id, grant, era, transport, server }) =>
    publish({ type: 'session.started', subject: id, data: { grant: grant.id, era, transport, server } }),
  );
  hooks.on('onSessionEnd', ({ id, grant }) =>
    publish({ type: 'session.ended', subject: id, data: { grant: grant.id } }),
  );
  hooks.on('onCallSettled', ({ call, grant, session, outcome, reason, duration }) =>
    publish({
      type: 'call.settled',
      subject: `${call.server}:${call.tool}`,
      data: { name: call.name, grant, session, outcome, reason, duration },
    }),
  );
}

interface Announced {
  readonly chosen: Options;
  readonly credentials: Credentials;
  readonly host: HostControl;
  readonly directory: string;
  readonly log: Log;
}

/** Says where the API is, and leaves the credential for this machine. Returns the way to take it away again. */
async function announce(
  url: string,
  { chosen, credentials, host, directory, log }: Announced,
): Promise<() => Promise<void>> {
  log.info('the management API is served', { url, page: `${url}/docs` });
  const { localToken } = credentials;
  if (localToken === undefined) return () => Promise.resolve();
  const { file: configFile } = await host.configuration();
  const file = localCredentialFile(directory, configFile);
  try {
    await writeCredential(file, { url, token: localToken, pid: process.pid });
  } catch (error) {
    const others = chosen.tokens.length === 0 ? 'and there are no `tokens`: nobody can use the API' : '`tokens` work';
    log.warn(`the credential for this machine cannot be written, ${others}`, { file, error });
  }
  return () => removeCredential(file, localToken);
}
