// What tests of Plugboard and of its plugins share: a proxy as a process of its own, a look at processes, waiting. No expectations live here.
export { guardChild } from './child-guard.ts';
export {
  customResourceProblems,
  kubectl,
  kubectlMinor,
  startKubernetes,
  structuralProblems,
  testCertificate,
} from './kubernetes/index.ts';
export type {
  AuditEntry,
  KubectlOptions,
  KubectlResult,
  KubeObject,
  Kubernetes,
  KubernetesOptions,
  TestCertificate,
} from './kubernetes/index.ts';
export { memoryStores } from './memory-stores.ts';
export type { MemoryLimits, MemoryStores } from './memory-stores.ts';
export { startMessagesApi } from './messages-api/index.ts';
export type {
  Block,
  MessagesApi,
  MessagesApiOptions,
  MessagesRequest,
  RecordedRequest,
  Script,
  ToolResult,
} from './messages-api/index.ts';
export { descendantsOf, isAlive, openFiles, peakResidentBytes, processesWith, residentBytes } from './processes.ts';
export { commandLine, startProxy } from './proxy.ts';
export type { ProxyEvent, ProxyOptions, ProxyProcess, ServerReport } from './proxy.ts';
export { until } from './until.ts';
export { storeContract } from './store-contract.ts';
export type { StoreLimits, StoreStand } from './store-contract.ts';
