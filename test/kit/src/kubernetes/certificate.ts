// A certificate for 127.0.0.1 and localhost, signed by itself: clients send tokens over TLS only. Not for anything but tests.
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface TestCertificate {
  /** PEM; clients take it as their authority. */
  readonly cert: string;
  /** PEM of the private key. */
  readonly key: string;
}

// Tags of DER (X.690).
const tag = { integer: 0x02, bits: 0x03, octets: 0x04, oid: 0x06, utf8: 0x0c, time: 0x17, sequence: 0x30, set: 0x31 };

function der(type: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([type, body.length]), body]);
  // The fewest bytes that hold the length.
  const length = Buffer.from(body.length.toString(16).padStart(body.length < 0x100 ? 2 : 4, '0'), 'hex');
  return Buffer.concat([Buffer.from([type, 0x80 + length.length]), length, body]);
}

const oid = (hex: string) => der(tag.oid, Buffer.from(hex, 'hex'));
const sequence = (...parts: readonly Buffer[]) => der(tag.sequence, ...parts);
const yes = Buffer.from([0x01, 0x01, 0xff]);

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'));

/** Makes a certificate with a new key, good for a day; `names` are more DNS names, such as `hook.ns.svc`. */
export function testCertificate(names: readonly string[] = []): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = sequence(der(tag.set, sequence(oid('550403'), der(tag.utf8, Buffer.from('plugboard test')))));
  const time = (ms: number) =>
    der(tag.time, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));
  const hour = 3_600_000;
  const dnsNames = ['localhost', ...names].map((name) => der(0x82, Buffer.from(name)));
  const alternatives = sequence(...dnsNames, der(0x87, Buffer.from([127, 0, 0, 1])));
  const extensions = sequence(
    sequence(oid('551d13'), yes, der(tag.octets, sequence(yes))),
    sequence(oid('551d11'), der(tag.octets, alternatives)),
  );
  const body = sequence(
    der(0xa0, der(tag.integer, Buffer.from([2]))),
    der(tag.integer, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    subject,
    sequence(time(Date.now() - hour), time(Date.now() + 24 * hour)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const signature = der(tag.bits, Buffer.from([0]), sign('sha256', body, privateKey));
  const base64 = sequence(body, ecdsaWithSha256, signature)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}
