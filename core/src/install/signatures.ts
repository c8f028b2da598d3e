// Signatures of a registry over what it publishes: ECDSA P-256 over `name@version:integrity`, with the keys that the registry states.
import { createPublicKey, verify } from 'node:crypto';
import { PlugboardError } from '../errors.ts';
import { isObject } from '../protocol/messages.ts';
import { npm } from './npm.ts';

/** ms for the registry to answer. */
const patience = 30_000;
const maxKeysBytes = 1024 * 1024;

interface RegistryKey {
  readonly keyid: string;
  /** Base64 of the public key (SPKI, DER). */
  readonly key: string;
  readonly expires: string | null;
}

/** Throws INSTALL_REFUSED when no key of its registry has signed the package. */
export async function checkSignature(name: string, version: string, integrity: string, cwd: string): Promise<void> {
  const label = `${name}@${version}`;
  const view = await npm(['view', label, 'dist', '--json'], { cwd, doing: `ask for the signatures of ${label}` });
  const signatures = isObject(view) && Array.isArray(view['signatures']) ? view['signatures'].filter(isObject) : [];
  if (signatures.length === 0)
    throw new PlugboardError(
      'INSTALL_REFUSED',
      `${label} is not signed by its registry, and only signed plugins are allowed (registry.signedOnly)`,
    );
  const keys = await keysOf(name, cwd);
  const signed = Buffer.from(`${label}:${integrity}`);
  const good = signatures.some(({ keyid, sig }) => {
    const key = keys.find((each) => each.keyid === keyid);
    return key !== undefined && typeof sig === 'string' && isValid(key, signed, sig);
  });
  if (!good)
    throw new PlugboardError(
      'INSTALL_REFUSED',
      `${label}: none of its signatures is valid: what the registry serves is not what was signed`,
    );
}

function isValid({ key, expires }: RegistryKey, signed: Buffer, signature: string): boolean {
  if (expires !== null && Date.parse(expires) < Date.now()) return false;
  try {
    const publicKey = createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' });
    return verify('sha256', signed, publicKey, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}

/** The keys of the registry that a package comes from. */
async function keysOf(name: string, cwd: string): Promise<readonly RegistryKey[]> {
  const registry = await registryOf(name, cwd);
  const url = new URL('-/npm/v1/keys', registry);
  const response = await fetch(url, { signal: AbortSignal.timeout(patience) }).catch((error: Error) => {
    throw new PlugboardError(
      'INSTALL_REFUSED',
      `${url.href}: the keys of the registry cannot be read: ${error.message}`,
    );
  });
  const text = response.ok ? (await response.text()).slice(0, maxKeysBytes) : '{}';
  const answer: unknown = JSON.parse(text);
  const keys = isObject(answer) && Array.isArray(answer['keys']) ? answer['keys'].filter(isObject) : [];
  if (keys.length === 0)
    throw new PlugboardError(
      'INSTALL_REFUSED',
      `${registry} publishes no keys, so nothing from it can be checked (registry.signedOnly)`,
    );
  return keys as unknown as readonly RegistryKey[];
}

async function registryOf(name: string, cwd: string): Promise<string> {
  const scope = name.startsWith('@') ? name.slice(0, name.indexOf('/')) : undefined;
  const ask = async (key: string) => npm(['config', 'get', key], { cwd, doing: 'ask for the registry' });
  const scoped = scope === undefined ? undefined : await ask(`${scope}:registry`);
  const found = typeof scoped === 'string' && URL.canParse(scoped) ? scoped : await ask('registry');
  if (typeof found !== 'string' || !URL.canParse(found))
    throw new PlugboardError(
      'INSTALL_REFUSED',
      `npm does not say which registry ${name} comes from: set one in .npmrc`,
    );
  return found.endsWith('/') ? found : `${found}/`;
}
