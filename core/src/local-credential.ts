// Where the credential for the proxy of this machine lies: a plugin of the management API writes it, the command line reads it.
import path from 'node:path';

/** What the file holds, as JSON. Only its owner may read it. */
export interface LocalCredential {
  /** Base URL of the management API, e.g. `http://127.0.0.1:8807/api/v1`. */
  readonly url: string;
  /** Secret. */
  readonly token: string;
  /** The process that serves it. */
  readonly pid: number;
}

/** Absolute path of the file for the proxy of a configuration. `directory`: the configuration's folder. */
export function localCredentialFile(directory: string, configFile: string | undefined): string {
  const name = configFile === undefined ? '' : `-${path.basename(configFile, path.extname(configFile))}`;
  return path.join(directory, '.plugboard', `admin${name}.json`);
}
