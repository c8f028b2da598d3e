// Secrets in options of plugins: what is written as a reference is shown, what is written out is hidden. Masking the log is the core's business.
import { Problem } from 'plugboard';

/** What stands in the place of a secret. */
const mask = '***';

/** Keys whose values are secret. */
const secretKey =
  /token(?!s|i[sz])|passw(?:or)?d|pass$|passphrase|secret|api[-_]?key|authorization|credential|cookie|private[-_]?key/i;

/** Objects all of whose values may be secret. */
const secretObject = /^(?:env|headers)$/i;

/** A value that is nothing but references, or hardly more (`Bearer ${env:TOKEN}`). */
const reference = /^(?:[A-Za-z]+ )?(?:\$\{(?:env|file):[^}]*\})+$/;

/** Credentials in a URL. */
const urlCredentials = /(:\/\/[^\s/:@]*:)(?!\$\{)[^\s/@]+@/g;

/** A copy with secrets hidden. */
export function maskOptions<Value>(value: Value, secret = false): Value {
  return copy(value, secret) as Value;
}

function copy(value: unknown, secret: boolean): unknown {
  if (typeof value === 'string') {
    if (secret && value !== '' && !reference.test(value)) return mask;
    return value.replace(urlCredentials, `$1${mask}@`);
  }
  if (typeof value === 'number' && secret) return mask;
  if (Array.isArray(value)) return value.map((item) => copy(item, secret));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      const isObject = typeof member === 'object' && member !== null;
      return [key, copy(member, isObject ? secret || secretObject.test(key) : secret || secretKey.test(key))];
    }),
  );
}

/** Throws 422 when a value holds the mask: written back, it would take the place of the secret. */
export function refuseMasked(value: unknown, place = 'options'): void {
  if (typeof value === 'string' && value.includes(mask)) {
    const detail = `${place}: ${mask} stands for a secret that was hidden; write a reference in its place, \${env:NAME} or \${file:PATH}.`;
    throw new Problem(422, 'secret-masked', detail, { problems: [{ in: 'body', place, message: 'a masked secret' }] });
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) refuseMasked(member, `${place}.${key}`);
}
