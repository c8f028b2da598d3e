// A signal that is aborted by another or by the clock, and that leaves nothing behind.

export interface TimedSignal {
  readonly signal: AbortSignal;
  /** Lets go of the clock and of the other signal. */
  end(): void;
}

/** Aborted with `parent`, or with a TimeoutError after `time` ms. `AbortSignal.any` and `.timeout` would live on after the call. */
export function timedSignal(parent: AbortSignal, time: number): TimedSignal {
  const controller = new AbortController();
  const pass = () => controller.abort(parent.reason);
  const timer = setTimeout(() => controller.abort(new DOMException('the time is over', 'TimeoutError')), time);
  if (parent.aborted) pass();
  else parent.addEventListener('abort', pass, { once: true });
  return {
    signal: controller.signal,
    end: () => {
      clearTimeout(timer);
      parent.removeEventListener('abort', pass);
    },
  };
}
