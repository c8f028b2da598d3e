// The errors that agents read. Texts that the reference server has too are worded like its own.

/**
 * An error of the system, told of the path the agent knows instead of the one the call was made with. Other errors stay
 * as they are.
 */
export function named(error: unknown, syscall: string, path?: string, destination?: string): unknown {
  if (!isSystemError(error)) return error;
  const [reason] = error.message.split(`, ${error.syscall ?? ''}`);
  const from = path === undefined ? '' : ` '${path}'`;
  const to = destination === undefined ? '' : ` -> '${destination}'`;
  return systemError(error.code, `${reason ?? error.code}, ${syscall}${from}${to}`);
}

/** An error as the system words it. */
export function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

export function isSystemError(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string' && 'syscall' in error;
}

/** True for an error that says: there is nothing at this path. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** The folder that the configuration names is no folder to work in. */
export function unusable(root: string, cause: unknown): Error {
  return new Error(`the root ${root} cannot be used: create it, or correct the option root`, { cause });
}

/** Whoever writes there decides what the proxy runs, whoever reads there has its secrets. */
export function reservedFor(path: string): Error {
  return new Error(`Access denied - ${path} belongs to the proxy itself: its own files are open to nobody here`);
}

/** Somebody put another file in the place of one that had been checked. */
export function replaced(path: string): Error {
  return new Error(`Access denied - ${path} was replaced while it was used: look at its folder and try again`);
}

/** A pipe, a socket or a device: reading one can wait for ever, and what it gives is no file's content. */
export function notRegular(path: string): Error {
  return new Error(
    `Access denied - not a regular file: ${path} is a pipe, a socket or a device; only files are read and written`,
  );
}

/** A limit of the options was reached: what asked for more ends as a whole. */
export class LimitError extends Error {}

export function tooLarge(what: string, bytes: number, limit: number, instead: string): LimitError {
  return new LimitError(
    `${what} has ${bytes} bytes, more than the ${limit} bytes allowed here (option maxFileSize): ${instead}`,
  );
}
