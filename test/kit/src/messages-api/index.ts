// A stand-in for the Messages API that a script plays the model of. What it takes and gives is in `types.ts`; no expectations live here.
//
//   const api = await startMessagesApi({
//     script: (request, index) =>
//       index === 0 ? [{ type: 'tool_use', name: 'mcp__plugboard__memory_read_graph', input: {} }] : 'done',
//   });
//   // Start an agent with ANTHROPIC_BASE_URL=api.url and any ANTHROPIC_API_KEY, then look:
//   api.requests[0].toolNames;   // what the agent offers its model: the best proof of which tools it really sees
//   api.requests[1].toolResults; // what the call gave
//   await api.close();
//
// The script may be asynchronous: while it thinks, a test can change the world that the agent works in.
export { startMessagesApi } from './server.ts';
export type {
  Block,
  MessagesApi,
  MessagesApiOptions,
  MessagesRequest,
  RecordedRequest,
  Script,
  ToolResult,
} from './types.ts';
