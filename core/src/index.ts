// The public face of the package `plugboard`, for plugins and for programs that embed the proxy.
export * as z from './z.ts';
export { Answer } from './protocol/answer.ts';
export { findResponseId } from './protocol/response-place.ts';
export * from './protocol/messages.ts';
export * from './protocol/param-headers.ts';
export * from './connection.ts';
export * from './grant.ts';
export * from './plugin.ts';
export * from './board-api.ts';
export * from './host-control.ts';
export { Reserved } from './reserved.ts';
export { rootProblem } from './root-check.ts';
export { localCredentialFile } from './local-files.ts';
export type { LocalCredential } from './local-files.ts';
export * from './management.ts';
export * from './store.ts';
export type { Catalogue } from './catalogue.ts';
export { Session } from './session.ts';
export type { Reply, SessionInit } from './session.ts';
export { CallFailure, UpstreamCall } from './upstream-call.ts';
export type { CallRelay, Caller, CancelReason, UpstreamCallInit } from './upstream-call.ts';
export * from './transport/handshake.ts';
export { ClientCalls } from './client-calls.ts';
export { InFlight } from './in-flight.ts';
export { linkAbort } from './linked-abort.ts';
export type { LinkedAbort } from './linked-abort.ts';
export { Attempt } from './transport/attempt.ts';
export type { AttemptInit } from './transport/attempt.ts';
export { Backoff } from './transport/backoff.ts';
export { cannotListen } from './transport/cannot-listen.ts';
export type { ClientCall, ClientOutbox } from './transport/client-call.ts';
export { ClientConversation } from './transport/client-conversation.ts';
export type { CallTurns, ClientConversationInit } from './transport/client-conversation.ts';
export type { ClientAdmission, ClientSessionsInit } from './transport/client-sessions.ts';
export { isTooDeep, maxDepth } from './transport/depth.ts';
export { claimsEnvelope, missingEnvelope, readEnvelope } from './transport/envelope.ts';
export { EventGate } from './transport/event-gate.ts';
export { HostCheck, isLoopback, urlHost } from './transport/host-check.ts';
export type { HostCheckInit } from './transport/host-check.ts';
export { proxyIdentity } from './transport/identity.ts';
export { idOfRequest, sortMessage } from './transport/message.ts';
export type { SortedMessage } from './transport/message.ts';
export { Pieces } from './transport/pieces.ts';
export { ServerConversation } from './transport/server-conversation.ts';
export type { Discovered, ServerConversationInit } from './transport/server-conversation.ts';
export {
  basicAuthorization,
  credentialRedactor,
  hashOf,
  headerFaults,
  redactor,
  serverFields,
} from './transport/server-settings.ts';
export type { CommonSettings } from './transport/server-settings.ts';
export { StandingRequest } from './transport/standing-request.ts';
export type { ListenSink, StandingRequestInit } from './transport/standing-request.ts';
export { Throttle } from './transport/throttle.ts';
export { Turns } from './transport/turns.ts';
export { gone, Peer, stopped } from './peer.ts';
export type { PeerEvents } from './peer.ts';
export { preview } from './preview.ts';
export { ServerQuestions } from './server-questions.ts';
export { mcpServer } from './mcp-server.ts';
export type { Connectable, LoopTransport, McpServerDefinition } from './mcp-server.ts';
export { localServer, localTool, toolError } from './local-server.ts';
export type {
  LocalContext,
  LocalNotifier,
  LocalPrompt,
  LocalResource,
  LocalServer,
  LocalTool,
} from './local-server.ts';
export {
  Denied,
  hints,
  isDenied,
  isUnauthorized,
  PlugboardError,
  PluginError,
  RefusedRequest,
  Unauthorized,
} from './errors.ts';
export type { ErrorCode } from './errors.ts';
export * from './hooks.ts';
export { acquireLock } from './file-lock.ts';
export type { FileLock, LockOptions } from './file-lock.ts';
export { LockHolder } from './lock-holder.ts';
export { Host } from './host.ts';
export type { HostOptions, Logs } from './host.ts';
export { checkSelector, maxSelectorLength, maxSelectors } from './selectors.ts';
export { configFrom, loadConfig } from './config.ts';
export type { Config } from './config.ts';
export { version } from './version.ts';
export { readYamlDocuments } from './yaml-documents.ts';
export type { YamlDocument } from './yaml-documents.ts';
