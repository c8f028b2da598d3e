// An npm registry of the test's own: verdaccio in this process, on loopback, without a way to any other. Packages are packed and published here.
import { execFile } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import libnpmpublish from 'libnpmpublish';
import { runServer } from 'verdaccio';

const run = promisify(execFile);

/** A running registry. */
export interface Registry {
  /** With a slash at its end. */
  readonly url: string;
  /** A user who may publish; her token. */
  user(name: string): Promise<string>;
  /** Packs the package of a folder and publishes it. */
  publish(
    folder: string,
    token: string,
  ): Promise<{ readonly name: string; readonly version: string; readonly integrity: string }>;
  /** Publishes files as a package, for packages that nobody would make. */
  publishFiles(files: Readonly<Record<string, string>>, token: string): Promise<{ readonly integrity: string }>;
  /** Replaces what is stored of a version by other bytes, as somebody would who has got into the registry. */
  tamper(name: string, version: string): Promise<void>;
  /** Environment for npm and plugboard that knows this registry and nothing else, with a home of its own. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Starts a registry with storage of its own. */
export async function startRegistry(): Promise<Registry> {
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-registry-'));
  const home = path.join(folder, 'home');
  await mkdir(home);
  const config = {
    storage: path.join(folder, 'storage'),
    self_path: folder,
    configPath: path.join(folder, 'config.yaml'),
    auth: { htpasswd: { file: path.join(folder, 'htpasswd'), max_users: 100 } },
    uplinks: {},
    packages: { '**': { access: '$all', publish: '$authenticated' } },
    log: { type: 'stdout', format: 'json', level: 'fatal' },
    max_body_size: '100mb',
  };
  const server = (await runServer(config)) as Server;
  // Idle sockets are kept: one that is closed in the moment in which a client sends on it is an error of nobody's.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;
  await writeFile(
    path.join(home, '.npmrc'),
    `registry=${url}\nfund=false\naudit=false\nupdate-notifier=false\nfetch-retries=0\n`,
  );
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, XDG_CACHE_HOME: path.join(home, '.cache') };
  // npm finds in its cache what it has packed itself, and would not download it.
  const packing = { ...env, npm_config_cache: path.join(folder, 'pack-cache') };
  const publishTarball = async (tarball: string, manifest: object, token: string) => {
    const options = { registry: url, forceAuth: { token }, defaultTag: 'latest', access: 'public' };
    await libnpmpublish.publish(manifest, await readFile(tarball), options);
  };
  const pack = async (source: string, token: string) => {
    const target = await mkdtemp(path.join(folder, 'pack-'));
    const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', target, source], {
      env: packing,
      maxBuffer: 1e8,
    });
    const packed: unknown = JSON.parse(stdout);
    const [{ filename, name, version, integrity }] = (
      Array.isArray(packed) ? packed : Object.values(packed as object)
    ) as [{ filename: string; name: string; version: string; integrity: string }];
    const manifest = JSON.parse(await readFile(path.join(source, 'package.json'), 'utf8')) as Record<string, unknown>;
    delete manifest['private'];
    await publishTarball(path.join(target, path.basename(filename)), manifest, token);
    return { name, version, integrity };
  };
  return {
    url,
    env,
    async user(name) {
      const body = JSON.stringify({
        name,
        password: `${name}-password`,
        email: `${name}@example.invalid`,
        type: 'user',
      });
      const response = await fetch(`${url}-/user/org.couchdb.user:${name}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body,
      });
      const { token } = (await response.json()) as { token?: string };
      if (token === undefined) throw new Error(`verdaccio gives ${name} no token: HTTP ${response.status}`);
      return token;
    },
    publish: pack,
    async publishFiles(files, token) {
      const source = await mkdtemp(path.join(folder, 'files-'));
      for (const [name, text] of Object.entries(files)) {
        await mkdir(path.dirname(path.join(source, name)), { recursive: true });
        await writeFile(path.join(source, name), text);
      }
      return await pack(source, token);
    },
    async tamper(name, version) {
      const file = `${name.split('/').at(-1) ?? name}-${version}.tgz`;
      await appendFile(path.join(folder, 'storage', name, file), 'and something else');
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
