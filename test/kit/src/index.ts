// What tests of Plugboard and of its plugins share: a proxy as a process of its own, a look at processes, waiting. No expectations live here.
export { guardChild } from './child-guard.ts';
export { descendantsOf, isAlive, openFiles, peakResidentBytes, processesWith, residentBytes } from './processes.ts';
export { commandLine, startProxy } from './proxy.ts';
export type { ProxyEvent, ProxyOptions, ProxyProcess, ServerReport } from './proxy.ts';
export { until } from './until.ts';
