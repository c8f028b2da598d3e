// Errors on their way between threads: a copied error would lose its class, and with it whether it is a refusal, a fault, or an answer.
import { Denied, hints, isDenied, PlugboardError, RefusedRequest, Unauthorized } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { Answer } from '../protocol/answer.ts';
import type { RpcResponse } from '../protocol/messages.ts';
import { CallFailure } from '../upstream-call.ts';

/** An error as plain data. */
export interface CrossedError {
  readonly kind: 'error' | 'denied' | 'unauthorized' | 'refused' | 'failure' | 'plugboard';
  readonly name: string;
  readonly message: string;
  /** Where it was thrown, for the log. */
  readonly stack?: string | undefined;
  /** The code of a `PlugboardError`, or the kind of a `CallFailure`. */
  readonly code?: string;
  /** The answer of a `RefusedRequest`. */
  readonly answer?: RpcResponse;
  readonly status?: number | undefined;
}

/** Makes plain data of whatever was thrown. */
export function encodeError(error: unknown): CrossedError {
  if (!(error instanceof Error)) return { kind: 'error', name: 'Error', message: String(error) };
  const { name, message, stack } = error;
  const plain = { name, message, stack };
  if (isDenied(error)) return { ...plain, kind: 'denied' };
  if (error instanceof RefusedRequest)
    return { ...plain, kind: 'refused', answer: error.answer.message, status: error.answer.status };
  if (error instanceof Unauthorized) return { ...plain, kind: 'unauthorized' };
  if (error instanceof CallFailure) return { ...plain, kind: 'failure', code: error.kind };
  if (error instanceof PlugboardError) return { ...plain, kind: 'plugboard', code: error.code };
  return { ...plain, kind: 'error' };
}

/** The error that {@link encodeError} was given, as this side knows it. */
export function decodeError(crossed: CrossedError): Error {
  const error = revive(crossed);
  error.name = crossed.name;
  if (crossed.stack !== undefined) error.stack = crossed.stack;
  return error;
}

function revive({ kind, message, code = '', answer, status }: CrossedError): Error {
  if (kind === 'denied') return new Denied(message);
  if (kind === 'unauthorized') return new Unauthorized(message);
  if (kind === 'refused' && answer !== undefined) return new RefusedRequest(Answer.parsed(answer, status));
  if (kind === 'failure') return new CallFailure(code as CallFailure['kind'], message);
  return kind === 'plugboard' && code in hints ? new PlugboardError(code as ErrorCode, message) : new Error(message);
}
