// Every error that Plugboard shows a person: its code, what it says, and what to do now. `docs/errors.md` lists the same table.
import { describeFileFailure } from './file-failure.ts';
import type { Answer } from './protocol/answer.ts';

/** Code → what to do now. The text that says who and where is given at the place of the error. */
export const hints = {
  CONFIG_NOT_FOUND: 'name a file with --config FILE, or make one with `plugboard init`',
  CONFIG_UNREADABLE: 'correct the file at the place named; YAML and JSON are read',
  CONFIG_INVALID: 'correct the key named; docs/configuration.md lists all of them',
  CONFIG_REFERENCE: 'set the environment variable, or create the file, that the reference names',
  CONFIG_EXISTS: 'edit the file, or name another one with --config FILE',
  FILE_FAILED:
    'give this user the right to that place, or name another one: --config FILE, --out FOLDER, or a folder of the plugin’s options',
  INPUT_INVALID: 'correct the file, or name another one: `plugboard COMMAND --help` says what it may hold',
  USAGE: 'see `plugboard COMMAND --help`; `plugboard help` lists all commands',
  LOCK_INVALID: 'restore plugboard.lock from your repository, or delete it and approve what it held once more',
  NPM_MISSING: 'install npm: it comes with Node',
  INSTALL_FAILED: 'see the reason above; nothing has been changed',
  INSTALL_REFUSED: 'nothing of it has been run, and nothing has been changed',
  INDEX_UNUSABLE: 'correct `registry.indexes`, or try again later',
  PLUGIN_NOT_FOUND:
    'add it with `plugboard add`, install what plugboard.lock names with `plugboard install`, or correct the id under `plugins`',
  PLUGIN_INVALID: 'the module must export default definePlugin({…}) of this contract version',
  PLUGIN_OPTIONS: 'correct the option named; the plugin’s README lists all of them',
  PLUGIN_NEEDS: 'add a plugin that provides the service to `plugins`',
  PLUGIN_FAILED: 'see the cause; the plugin’s own documentation may help',
  PLUGIN_TIMEOUT: 'the plugin must finish within its time limit: move slow work out of `apply` and hooks',
  SERVER_NAME: 'give every server a name of its own, matching [A-Za-z0-9_-]{1,40}',
  NOT_RUNNING: 'start the proxy with `plugboard up`, or name its file with --config FILE',
  TOOL_UNKNOWN: 'see `plugboard tools` for the tools of this caller',
  REQUEST_FAILED: 'the message says why; the log of the proxy may say more',
  CANCELLED: 'nothing more is awaited; what the tool had begun may have been done all the same',
  UNAUTHORIZED: 'send a valid token: Authorization: Bearer …',
  CANNOT_LISTEN:
    'choose a free port (`--port N`, or the option `port`) or an address of this machine (the option `host`), or end what listens there',
  REFUSED_BIND: 'configure `grants` (or a plugin that authenticates), or bind to 127.0.0.1',
  TOOL_FAILED: 'the tool answered with an error; its text is above',
} as const;

export type ErrorCode = keyof typeof hints;

/** An error for a person: says who and where in its message, and what to do now in its hint. */
export class PlugboardError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'PlugboardError';
    this.code = code;
    this.hint = hints[code];
  }
}

/** A fault of a plugin: which one, in which hook, during which request. The proxy reports it and goes on. */
export class PluginError extends PlugboardError {
  readonly plugin: string;
  readonly hook: string;
  readonly request: string | undefined;
  constructor(plugin: string, hook: string, cause: unknown, request?: string) {
    const why = describeFileFailure(cause) ?? (cause instanceof Error ? cause.message : String(cause));
    super(
      'PLUGIN_FAILED',
      `plugin "${plugin}" failed in ${hook}${request === undefined ? '' : ` during ${request}`}: ${why}`,
      { cause },
    );
    this.name = 'PluginError';
    this.plugin = plugin;
    this.hook = hook;
    this.request = request;
  }
}

const deniedBrand = Symbol.for('plugboard.denied');
const unauthorizedBrand = Symbol.for('plugboard.unauthorized');
const refusedBrand = Symbol.for('plugboard.refused');

/** True when a value carries a brand. npm may install this package twice; `instanceof` then means "of either copy". */
export function hasBrand(value: unknown, brand: symbol): boolean {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true;
}

/** A refusal by policy: a value for the agent, not a fault. Its message is shown to the agent. */
export class Denied extends Error {
  readonly [deniedBrand] = true;
  constructor(message: string) {
    super(message);
    this.name = 'Denied';
  }
}

/** True for a {@link Denied} of any copy of this package. */
export function isDenied(error: unknown): error is Denied {
  return hasBrand(error, deniedBrand);
}

/** The credential was refused: HTTP 401. */
export class Unauthorized extends PlugboardError {
  readonly [unauthorizedBrand] = true;
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(value, unauthorizedBrand);
  }
  constructor(message = 'the credential is not valid') {
    super('UNAUTHORIZED', message);
    this.name = 'Unauthorized';
  }
}

/** True for the refusal of a credential. By its code, because a plugin may have made an error of its own that means the same. */
export function isUnauthorized(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === 'UNAUTHORIZED';
}

/** A request that cannot be served, with the answer the client gets (its `status` is the HTTP status). */
export class RefusedRequest extends Error {
  readonly [refusedBrand] = true;
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(value, refusedBrand);
  }
  readonly answer: Answer;
  constructor(answer: Answer) {
    super(answer.message.error?.message ?? 'refused');
    this.name = 'RefusedRequest';
    this.answer = answer;
  }
}
