// Why an address cannot be listened on, in words for people; what to do about it is the hint of its code.
import { PlugboardError } from '../errors.ts';

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there',
  EACCES: 'this user may not take that port: those below 1024 are reserved',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'the name is not known',
};

/** CANNOT_LISTEN for the error that a server's `listen` has emitted. `who`: the plugin, and what of it listens. */
export function cannotListen(who: string, error: NodeJS.ErrnoException, host: string, port: number): PlugboardError {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const why = reasons[error.code ?? ''] ?? error.message;
  return new PlugboardError('CANNOT_LISTEN', `${who}: cannot listen on ${address}: ${why}`, { cause: error });
}
