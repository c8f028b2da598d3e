// The public face of @plugboard/registry-index: the formats, what is made of them, and the checks. The programs (build, check, record) are run, not imported.
export type { Annotations, ToolSummary } from './entry-parts.ts';
export type { Argument, NamedInput, Variable } from './input.ts';
export { pluginEntrySchema } from './plugin-entry.ts';
export type { PluginEntry } from './plugin-entry.ts';
export { serverEntrySchema } from './server-entry.ts';
export type { RemoteStart, ServerEntry, Start, StdioStart } from './server-entry.ts';
export { IndexError, indexDocumentSchema, indexVersion, readIndex } from './index-document.ts';
export type { IndexDocument, IndexedPlugin, IndexedServer, PluginVersion } from './index-document.ts';
export { ChoiceError, toMcpServersEntry } from './mcp-servers-entry.ts';
export type { EnvironmentNeed, StartChoice, StartedServer } from './mcp-servers-entry.ts';
export { fromServerJson, ServerJsonError, serverJsonSchema, toServerJson } from './server-json.ts';
export type { ReadServerJson } from './server-json.ts';
export { checkOptionsTable } from './options-table.ts';
export { checkEntry, checkPackage } from './check-entry.ts';
export type { PackageFacts } from './check-entry.ts';
export { summarizeTools } from './tool-summary.ts';
