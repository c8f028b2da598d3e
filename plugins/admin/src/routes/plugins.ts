// The routes of plugins: which there are, switching them on and off, their options.
import { pageOf, Problem, route, z } from 'plugboard';
import type { ConfigurationReport, HostControl, JsonObject, PluginReport, Route } from 'plugboard';
import { maskOptions, refuseMasked } from '../masking.ts';
import { demandVersion } from '../preconditions.ts';
import { jsonObject, name, pageQuery, pageShape, unknown } from './shapes.ts';

const pluginShape = z
  .strictObject({
    key: z.string().describe('As written under `plugins`: an id, a package, or a file'),
    id: z.string(),
    enabled: z.boolean(),
    version: z.string().optional(),
    title: z.string().optional(),
    description: z.string().optional(),
    needs: z.array(z.string()).describe('Services that it needs'),
    provides: z.array(z.string()).describe('Services that it provides'),
    options: jsonObject.describe('As written, secrets hidden (`***`)'),
    schema: jsonObject.optional().describe('JSON Schema of the options'),
  })
  .meta({ id: 'Plugin' });

const params = z.strictObject({ key: name.describe('Percent-encoded where it holds a slash') });
const optionsBody = z.strictObject({ options: jsonObject });

export function pluginRoutes(host: HostControl): Route[] {
  const find = (key: string): PluginReport => {
    const plugin = host.plugins().find((each) => each.key === key);
    if (plugin === undefined) throw unknown('plugin', key, '/plugins');
    return plugin;
  };
  const show = (key: string, { version }: ConfigurationReport) => ({ body: shown(find(key)), version });
  const change = async (key: string, options: JsonObject | false, expected: string | undefined) => {
    refuseMasked(options);
    const report = await host.setPlugin(key, options, expected);
    return show(key, report);
  };
  return [
    route({
      method: 'GET',
      path: '/plugins',
      role: 'viewer',
      operation: 'listPlugins',
      summary: 'List the configured plugins',
      query: z.strictObject(pageQuery),
      result: pageShape(pluginShape),
      run: ({ query }) => {
        const { items, next } = pageOf(host.plugins(), ({ key }) => key, query);
        return { body: { items: items.map(shown), next } };
      },
    }),
    route({
      method: 'GET',
      path: '/plugins/:key',
      role: 'viewer',
      operation: 'showPlugin',
      summary: 'Show a plugin',
      description: 'Its version is that of the configuration.',
      params,
      result: pluginShape,
      run: async ({ params: { key } }) => show(find(key).key, await host.configuration()),
    }),
    route({
      method: 'POST',
      path: '/plugins/:key/enable',
      role: 'admin',
      operation: 'enablePlugin',
      summary: 'Switch a plugin on',
      description:
        'With the options given, or without options. A plugin that runs stays as it is unless options are given.',
      params,
      body: z.optional(z.strictObject({ options: jsonObject.optional() })),
      result: pluginShape,
      run: async ({ params: { key }, body, ifMatch }) => {
        const { enabled } = find(key);
        if (enabled && body?.options === undefined) return show(key, await unchanged(host, ifMatch));
        return change(key, body?.options ?? {}, ifMatch);
      },
    }),
    route({
      method: 'POST',
      path: '/plugins/:key/disable',
      role: 'admin',
      operation: 'disablePlugin',
      summary: 'Switch a plugin off',
      description: 'The configuration then says `false` for it; its options are no longer there.',
      params,
      result: pluginShape,
      run: async ({ params: { key }, ifMatch }) => {
        const { enabled, id } = find(key);
        if (!enabled) return show(key, await unchanged(host, ifMatch));
        if (id === 'admin')
          throw new Problem(
            409,
            'plugin-self',
            'The management API cannot switch itself off; edit the configuration file.',
          );
        return change(key, false, ifMatch);
      },
    }),
    route({
      method: 'PUT',
      path: '/plugins/:key/options',
      role: 'admin',
      operation: 'setPluginOptions',
      summary: 'Replace the options of a plugin',
      description:
        'They are checked, applied, and then written to the configuration file, whose comments stay. References such as `${env:NAME}` may be used. What is hidden (`***`) cannot be written back.',
      params,
      body: optionsBody,
      result: pluginShape,
      run: async ({ params: { key }, body: { options }, ifMatch }) => change(find(key).key, options, ifMatch),
    }),
  ];
}

function shown(plugin: PluginReport): PluginReport {
  return { ...plugin, options: maskOptions(plugin.options) };
}

/** Nothing is to be done, but the caller's idea of the version must be right all the same. */
async function unchanged(host: HostControl, expected: string | undefined): Promise<ConfigurationReport> {
  const report = await host.configuration();
  demandVersion(expected, report.version);
  return report;
}
