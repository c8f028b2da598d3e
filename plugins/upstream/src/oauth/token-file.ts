// What is kept of one server's authorization between starts: tokens and client registrations, per authorization server, in a file that only
// its owner can read. What they are good for is not known here.
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'plugboard';
import { hide } from './secrets.ts';

const text = z.string();

const issuerRecord = z.object({
  issuer: text,
  /** The registration, as the authorization server answered it. */
  client: z.looseObject({ client_id: text, client_secret: text.optional() }).optional(),
  /** The address that the registration is good for. */
  redirectUrl: text.optional(),
  /** The tokens, as the authorization server answered them. */
  tokens: z
    .looseObject({ access_token: text, token_type: text, refresh_token: text.optional(), scope: text.optional() })
    .optional(),
  /** ms since the epoch; undefined: the server did not say. */
  expiresAt: z.number().optional(),
  /** Scopes that were asked for with the tokens. */
  requested: text.optional(),
});

const fileSchema = z.object({
  server: text,
  /** The authorization server whose token is sent. */
  current: text.optional(),
  /** Where the server says it describes itself (RFC 9728). */
  resourceMetadataUrl: text.optional(),
  /** The configured client and the authorization server that it was first used with. */
  configured: z.object({ clientId: text, issuer: text }).optional(),
  issuers: z.array(issuerRecord),
});

/** What is kept for one authorization server. */
export type IssuerRecord = z.output<typeof issuerRecord>;

/** What is kept for one server. */
export type Kept = z.output<typeof fileSchema>;

/** One file. Reading never fails: a file that cannot be understood is as good as none. */
export class TokenFile {
  readonly #path: string;
  readonly #server: string;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, server: string) {
    this.#path = path;
    this.#server = server;
  }

  async read(): Promise<Kept> {
    await this.#writing.catch(() => {});
    const none: Kept = { server: this.#server, issuers: [] };
    let content: unknown;
    try {
      content = JSON.parse(await readFile(this.#path, 'utf8'));
    } catch {
      return none;
    }
    const { data } = fileSchema.safeParse(content);
    if (data?.server !== this.#server) return none;
    for (const { client, tokens } of data.issuers)
      hide(client?.client_secret, tokens?.access_token, tokens?.refresh_token);
    return data;
  }

  /** Replaces the file as a whole: whoever reads meanwhile finds the old content or the new. */
  write(kept: Kept): Promise<void> {
    for (const { client, tokens } of kept.issuers)
      hide(client?.client_secret, tokens?.access_token, tokens?.refresh_token);
    const content = `${JSON.stringify(kept, undefined, 2)}\n`;
    this.#writing = this.#writing.catch(() => {}).then(() => this.#replace(content));
    return this.#writing;
  }

  async #replace(content: string): Promise<void> {
    const folder = dirname(this.#path);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Also when the folder was there before, with other rights.
    await chmod(folder, 0o700);
    const temporary = `${this.#path}.${randomUUID()}.tmp`;
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }
}
