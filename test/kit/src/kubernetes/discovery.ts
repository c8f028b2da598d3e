// What the test API server says of itself: version, groups, kinds, and the OpenAPI documents that kubectl validates and explains with.
import { groupVersion } from './kube-object.ts';
import type { Resource, Schema } from './kube-object.ts';
import { byGroupVersion } from './resources.ts';

/** The document at a path of discovery, or undefined when it is none. */
export function discover(path: string, resources: readonly Resource[], version: string): object | undefined {
  const groups = byGroupVersion(resources);
  if (path === '/version') return versionInfo(version);
  if (path === '/api') return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
  if (path === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: groupList([...groups.keys()]) };
  if (path === '/openapi/v3') return openApiIndex([...groups.keys()]);
  const openApi = /^\/openapi\/v3\/apis?\/(.+)$/.exec(path)?.[1];
  if (openApi !== undefined) return groups.has(openApi) ? openApiOf(openApi, groups.get(openApi) ?? []) : undefined;
  const named = /^\/apis?\/([^/]+(?:\/[^/]+)?)$/.exec(path)?.[1];
  if (named === undefined) return undefined;
  const found = groups.get(named);
  if (found !== undefined) return resourceList(named, found);
  return groupList([...groups.keys()]).find(({ name }) => name === named && path.startsWith('/apis/'));
}

function versionInfo(version: string): object {
  const [major, minor] = version.split('.');
  return {
    major,
    minor,
    gitVersion: `v${version}.0`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '',
    goVersion: '',
    compiler: '',
    platform: 'linux/amd64',
  };
}

function groupList(names: readonly string[]) {
  return names
    .filter((name) => name.includes('/'))
    .map((name) => {
      const [group = '', version = ''] = name.split('/');
      const entry = { groupVersion: name, version };
      return { kind: 'APIGroup', apiVersion: 'v1', name: group, versions: [entry], preferredVersion: entry };
    });
}

const verbs = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];

function resourceList(name: string, resources: readonly Resource[]): object {
  const entries = resources.flatMap(
    ({ plural, singular, kind, namespaced, shortNames, categories, statusSubresource }) => [
      { name: plural, singularName: singular, namespaced, kind, verbs, shortNames, categories },
      ...(statusSubresource
        ? [{ name: `${plural}/status`, singularName: '', namespaced, kind, verbs: ['get', 'patch', 'update'] }]
        : []),
    ],
  );
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: name, resources: entries };
}

const apiPath = (name: string) => (name.includes('/') ? `apis/${name}` : `api/${name}`);

function openApiIndex(names: readonly string[]): object {
  const entries = names.map((name) => [apiPath(name), { serverRelativeURL: `/openapi/v3/${apiPath(name)}` }]);
  return { paths: Object.fromEntries(entries) as object };
}

/** Tells that fields are validated here, so that kubectl leaves it to the server, and what the kinds look like. */
function openApiOf(name: string, resources: readonly Resource[]): object {
  const paths: Record<string, object> = {};
  const schemas: Record<string, object> = {};
  for (const resource of resources) {
    const gvk = { group: resource.group, version: resource.version, kind: resource.kind };
    const key = [resource.group || 'core', resource.version, resource.kind].join('.');
    const base = `/${apiPath(name)}/${resource.namespaced ? 'namespaces/{namespace}/' : ''}${resource.plural}`;
    const query = (parameter: string) => ({ name: parameter, in: 'query', schema: { type: 'string' } });
    const operation = (action: string) => ({
      'x-kubernetes-action': action,
      'x-kubernetes-group-version-kind': gvk,
      parameters: [query('dryRun'), query('fieldManager'), query('fieldValidation')],
      responses: {},
    });
    paths[base] = { post: operation('post') };
    paths[`${base}/{name}`] = { get: operation('get'), put: operation('put'), patch: operation('patch') };
    schemas[key] = {
      ...(resource.custom ? resource.schema : flat(resource.schema)),
      'x-kubernetes-group-version-kind': [gvk],
    };
  }
  return {
    openapi: '3.0.0',
    info: { title: 'test', version: groupVersion(resources[0] ?? { group: '', version: '' }) },
    paths,
    components: { schemas },
  };
}

/** Built-in kinds by their outermost fields: the whole of them holds itself and has no end. */
function flat(schema: Schema | undefined): object {
  const members = Object.entries(schema?.properties ?? {}).map(([name, member]) => [
    name,
    { type: member.type ?? 'object' },
  ]);
  return { type: 'object', properties: Object.fromEntries(members) as object };
}
