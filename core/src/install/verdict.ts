// What the running proxy says to the configuration and the lock as they stand now.
import { setTimeout as sleep } from 'node:timers/promises';
import { PlugboardError } from '../errors.ts';
import { LocalFiles, versionOfConfiguration } from '../local-files.ts';

/** ms for a running proxy to take a change. */
const patience = 30_000;

/** `none`: no proxy runs. */
export type Verdict =
  | { readonly result: 'none' }
  | { readonly result: 'applied' }
  | { readonly result: 'refused'; readonly why: string };

/** Waits until the running proxy has applied or refused what stands there. One that says nothing for half a minute has refused. */
export async function verdictOn(configFile: string): Promise<Verdict> {
  const files = new LocalFiles(configFile);
  const version = await versionOfConfiguration(configFile);
  const deadline = Date.now() + patience;
  while (Date.now() < deadline) {
    const report = await files.readRun();
    if (report === undefined) return { result: 'none' };
    if (report.version === version && report.state === 'applied') return { result: 'applied' };
    if (report.version === version) return { result: 'refused', why: report.error ?? '' };
    await sleep(50);
  }
  return { result: 'refused', why: `it did not take it within ${patience} ms` };
}

/** The error for a change that was taken back because the running proxy refuses it. */
export function refusedByProxy(why: string): PlugboardError {
  return new PlugboardError('INSTALL_FAILED', `the running proxy refuses it, and everything is as it was: ${why}`);
}
