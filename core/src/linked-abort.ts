// One abort signal of several reasons. AbortSignal.any and AbortSignal.timeout are not used: on Node 20 their signals can
// be collected as garbage before they fire, and then nothing ever ends.
import { setMaxListeners } from 'node:events';

export interface LinkedAbort {
  readonly signal: AbortSignal;
  /** Lets go of what it was made of; the signal stays as it is. */
  release(): void;
}

/** Aborted when one of `signals` is, with its reason, or with a `TimeoutError` after `timeout` ms. */
export function linkAbort(signals: readonly AbortSignal[], timeout?: number): LinkedAbort {
  const controller = new AbortController();
  const links = signals.map((signal) => {
    const abort = () => controller.abort(signal.reason);
    // What ends much has many links; Node would take more than ten for a leak and tell the user.
    setMaxListeners(0, signal);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
    return () => signal.removeEventListener('abort', abort);
  });
  const expire = () => controller.abort(new DOMException('the time is over', 'TimeoutError'));
  const timer = timeout === undefined ? undefined : setTimeout(expire, timeout);
  return {
    signal: controller.signal,
    release: () => {
      clearTimeout(timer);
      for (const unlink of links) unlink();
    },
  };
}
