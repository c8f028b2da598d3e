// Carries one request to one server and its answer back, across eras where they differ. What may be called is decided before.
import type { Exchange } from './exchange.ts';
import { refuseAsk } from './exchange.ts';
import { Lease } from './lease.ts';
import { inputRequired } from './parking.ts';
import type { Parking } from './parking.ts';
import { Answer } from './protocol/answer.ts';
import { isObject, rpcCode } from './protocol/messages.ts';
import type { Implementation, JsonObject, RpcRequest, Tool } from './protocol/messages.ts';
import { paramsForNew, paramsForOld, translateAnswer, translateBytes } from './protocol/translate.ts';
import type { Server } from './server.ts';
import type { ServerLimits } from './server-limits.ts';
import { CallFailure, UpstreamCall } from './upstream-call.ts';
import type { CallRelay } from './upstream-call.ts';

/** Most rounds in which a new-era server may ask an old-era client during one call. */
const maxRounds = 10;

/** Where a request goes and as what. */
export interface Target {
  readonly server: Server;
  readonly method: string;
  /** As the server shall see them, in the shape of the client's era. */
  readonly params: JsonObject | undefined;
  readonly tool?: Tool | undefined;
}

export interface Forwarding {
  readonly limits: ServerLimits;
  readonly parking: Parking;
}

/** Sends a request to its server. Throws or rejects with {@link CallFailure} when there is no answer. */
export function forward(exchange: Exchange, target: Target, forwarding: Forwarding): Promise<Answer> {
  const leased = target.server.lease(exchange.session, exchange.caller);
  // Written without `async`: this is every call's path, and an open lease is the rule.
  return leased instanceof Lease
    ? sendOn(leased, exchange, target, forwarding)
    : leased.then((lease) => sendOn(lease, exchange, target, forwarding));
}

/** Sends on an open lease, after the server has been told what the client wants to hear. */
function sendOn(lease: Lease, exchange: Exchange, target: Target, forwarding: Forwarding): Promise<Answer> {
  const told = lease.wantLogs(exchange.caller.logLevel, exchange.caller);
  const send = () => sendNow(lease, exchange, target, forwarding);
  return told === undefined ? send() : told.then(send);
}

function sendNow(lease: Lease, exchange: Exchange, target: Target, forwarding: Forwarding): Promise<Answer> {
  const { caller } = exchange;
  assertWanted(exchange);
  if (lease.connection.era === caller.era) {
    return send(exchange, lease, makeCall(exchange, target, target.params, exchange, forwarding));
  }
  return caller.era === 'old'
    ? toNewServer(exchange, target, lease, forwarding)
    : toOldServer(exchange, target, lease, forwarding);
}

/** A call that nobody waits for any more must not be made: it could do something. */
function assertWanted({ cancelled, session }: Exchange): void {
  if (cancelled || session.over) throw new CallFailure('cancelled', 'the client has cancelled');
}

function makeCall(
  exchange: Exchange,
  target: Target,
  params: JsonObject | undefined,
  relay: CallRelay,
  { limits }: Forwarding,
): UpstreamCall {
  const { definition } = target.server;
  return new UpstreamCall({
    method: target.method,
    params,
    caller: exchange.caller,
    grant: exchange.session.grant.id,
    relay,
    tool: target.tool,
    headers: exchange.headers,
    timeout: definition.timeout ?? limits.callTimeout,
    maxTimeout: definition.maxTimeout ?? limits.maxCallTimeout,
  });
}

function send(exchange: Exchange, lease: Lease, call: UpstreamCall): Promise<Answer> {
  exchange.upstream = call;
  return lease.send(call);
}

/** Old client, new server. */
function toNewServer(exchange: Exchange, target: Target, lease: Lease, forwarding: Forwarding): Promise<Answer> {
  const { serverInfo, protocolVersion } = lease.connection.info;
  const params = paramsForNew(target.params, exchange.caller, protocolVersion);
  return send(exchange, lease, makeCall(exchange, target, params, exchange, forwarding)).then(
    // Not to be parsed when it says at its end that it is complete.
    (answer) =>
      translateBytes(answer, 'old', target.method, serverInfo) ??
      askUntilComplete(answer, params, exchange, target, lease, forwarding),
  );
}

/** Questions of a new-era server become real requests to the old-era client, and the call is sent again with the answers. */
async function askUntilComplete(
  first: Answer,
  sent: JsonObject,
  exchange: Exchange,
  target: Target,
  lease: Lease,
  forwarding: Forwarding,
): Promise<Answer> {
  const { inputResponses: _responses, requestState: _state, ...rest } = sent;
  let answer = first;
  for (let round = 0; ; round += 1) {
    const result = answer.message.result;
    if (result?.['resultType'] !== 'input_required')
      return translateAnswer(answer, 'old', target.method, target.params, lease.connection.info.serverInfo);
    if (round === maxRounds) break;
    const inputResponses = await askAll(exchange, result['inputRequests']);
    assertWanted(exchange);
    const params: JsonObject = { ...rest, inputResponses };
    if (result['requestState'] !== undefined) params['requestState'] = result['requestState'];
    answer = await send(exchange, lease, makeCall(exchange, target, params, exchange, forwarding));
  }
  return Answer.error(
    rpcCode.internalError,
    `server "${target.server.name}" asked for input more than ${maxRounds} times during one call`,
  );
}

/** Asks an old-era client everything that a new-era server wants to know. */
async function askAll(exchange: Exchange, inputRequests: unknown): Promise<JsonObject> {
  const requests = isObject(inputRequests) ? Object.entries(inputRequests) : [];
  const answers = await Promise.all(
    requests.map(async ([key, request]) => {
      const question = isObject(request) ? request : {};
      const message: RpcRequest = { jsonrpc: '2.0', id: key, method: String(question['method']) };
      if (isObject(question['params'])) message.params = question['params'];
      const refusal = refuseAsk(exchange.caller, message);
      const { result, error } = refusal ?? (await exchange.ask(message));
      if (error !== undefined)
        throw new CallFailure('invalid', `the client refused ${message.method}: ${error.message}`);
      return [key, result ?? {}] as const;
    }),
  );
  return Object.fromEntries(answers);
}

/** New client, old server: the call is parked while the client is asked. */
function toOldServer(exchange: Exchange, target: Target, lease: Lease, forwarding: Forwarding): Promise<Answer> {
  const { serverInfo } = lease.connection.info;
  const parked = forwarding.parking.park(exchange, serverInfo);
  const call = makeCall(exchange, target, paramsForOld(target.params), parked, forwarding);
  const finish = send(exchange, lease, call).then(
    (answer) =>
      urlQuestions(answer, serverInfo) ?? translateAnswer(answer, 'new', target.method, target.params, serverInfo),
    (failure: unknown) => failureAnswer(failure, target.server.name),
  );
  return parked.start(call, finish);
}

/** Old era's "open this URL first" error as the question that the new era asks (2025-11-25 and 2026-07-28, URL elicitation). */
function urlQuestions(answer: Answer, serverInfo: Implementation): Answer | undefined {
  const { error } = answer.failed ? answer.message : {};
  if (
    error?.code !== rpcCode.urlElicitationRequired ||
    !isObject(error.data) ||
    !Array.isArray(error.data['elicitations'])
  )
    return undefined;
  const requests = error.data['elicitations']
    .filter(isObject)
    .map((params, index) => [`url_${index + 1}`, { method: 'elicitation/create', params }]);
  return inputRequired(Object.fromEntries(requests) as JsonObject, undefined, serverInfo);
}

/** The answer for a call that ended without one. */
export function failureAnswer(failure: unknown, server: string): Answer {
  if (failure instanceof SyntaxError)
    return Answer.error(rpcCode.internalError, `server "${server}" sent an answer that is not JSON`);
  if (!(failure instanceof CallFailure)) throw failure;
  if (failure.kind === 'timeout') return Answer.error(rpcCode.timeout, `server "${server}": ${failure.message}`);
  return Answer.error(failure.kind === 'invalid' ? rpcCode.internalError : rpcCode.serverGone, failure.message);
}
