// The listener of the mutating admission webhook: HTTPS, limits, one path. What is decided about a pod lives in `admission.ts`.
import { createServer as createPlainServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Server as SecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { cannotListen, PlugboardError } from 'plugboard';
import type { Log } from 'plugboard';
import { admissionHandler } from './admission.ts';
import type { Admission, TaskLookup } from './admission.ts';
import { Certificate } from './certificate.ts';
import { webhookOptions } from './options.ts';
import type { WebhookInput, WebhookOptions } from './options.ts';
import { BadRequest, readJson } from './request-body.ts';
import type { AdmissionReview } from './review.ts';

/** ms that reviews under way have to finish when the webhook stops. */
const drain = 5000;

/** ms between looks at connections that are over a limit of time; Node's own 30 s are longer than the limits. */
const watched = { connectionsCheckingInterval: 1000 };

/** A running webhook. */
export interface Webhook {
  /** The port that it listens on. */
  readonly port: number;
  stop(): Promise<void>;
}

/**
 * Starts the webhook. Throws a ZodError for options that are none, PLUGIN_OPTIONS for a certificate that cannot be read and for an address
 * beyond loopback without one, CANNOT_LISTEN when the port is taken.
 */
export async function startWebhook(given: WebhookInput, lookup: TaskLookup, log: Log): Promise<Webhook> {
  const options = webhookOptions.parse(given);
  const certificate = Certificate.of(options, log);
  if (certificate === undefined && !/^(?:localhost|::1|127(?:\.\d{1,3}){3})$/.test(options.host)) {
    const message = `plugin "taskrun": options.webhook: ${options.host} is reached from elsewhere: name certFile and keyFile`;
    throw new PlugboardError('PLUGIN_OPTIONS', message);
  }
  const serve = serving(options, lookup, log);
  const server =
    certificate === undefined ? createPlainServer(watched, serve) : await secureServer(options, certificate, serve);
  limit(server, options);
  await listen(server, options);
  const { port } = server.address() as AddressInfo;
  log.info('webhook: listening', { host: options.host, port, tls: certificate !== undefined });
  return {
    port,
    stop: async () => {
      certificate?.stop();
      await close(server);
    },
  };
}

async function secureServer(
  { clientCaFile, requestTimeout }: WebhookOptions,
  certificate: Certificate,
  serve: RequestListener,
): Promise<SecureServer> {
  const client = clientCaFile === undefined ? {} : { requestCert: true, rejectUnauthorized: true };
  const settings = { ...client, ...watched, minVersion: 'TLSv1.2', handshakeTimeout: requestTimeout } as const;
  const server = createServer({ ...(await certificate.load()), ...settings }, serve);
  certificate.follow((context) => server.setSecureContext({ ...context, minVersion: 'TLSv1.2' }));
  // A handshake that fails is the business of whoever began it.
  server.on('tlsClientError', () => {});
  return server;
}

function limit(server: Server | SecureServer, { maxConnections, requestTimeout }: WebhookOptions): void {
  server.maxConnections = maxConnections;
  server.requestTimeout = requestTimeout;
  server.headersTimeout = requestTimeout;
  server.keepAliveTimeout = 60_000;
  server.on('clientError', (_error, socket) => socket.destroy());
}

function listen(server: Server | SecureServer, { host, port }: WebhookOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen('plugin "taskrun": the webhook', error, host, port)));
    server.listen(port, host, resolve);
  });
}

function close(server: Server | SecureServer): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), drain);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function serving(options: WebhookOptions, lookup: TaskLookup, log: Log): RequestListener {
  const decide = admissionHandler(lookup, options);
  return (request, response) => {
    void answer(request, options, async (body) => settle(await decide(body), lookup, log)).then(
      ({ status, body }) => send(response, status, body),
      (error: unknown) => {
        const status = error instanceof BadRequest ? error.status : 500;
        if (status === 500) log.error('webhook: a review failed', { error });
        send(
          response,
          status,
          error instanceof BadRequest ? error.message : 'the review failed; the log of the proxy says why',
        );
      },
    );
  };
}

interface Reply {
  readonly status: number;
  readonly body: AdmissionReview | string;
}

async function answer(
  request: IncomingMessage,
  { path, maxBodyBytes }: WebhookOptions,
  decide: (body: unknown) => Promise<AdmissionReview | undefined>,
): Promise<Reply> {
  const asked = request.url?.split('?', 1)[0];
  if (asked === '/healthz' && request.method === 'GET') return { status: 200, body: 'ok' };
  if (asked !== path) throw new BadRequest(404, `reviews are served at ${path}`);
  if (request.method !== 'POST') throw new BadRequest(405, 'send POST');
  const review = await decide(await readJson(request, maxBodyBytes));
  if (review === undefined) throw new BadRequest(400, 'not an AdmissionReview of admission.k8s.io/v1');
  return { status: 200, body: review };
}

async function settle(
  admission: Admission | undefined,
  lookup: TaskLookup,
  log: Log,
): Promise<AdmissionReview | undefined> {
  if (admission === undefined) return undefined;
  const { review, task, summary } = admission;
  if (summary !== undefined) log.info(`webhook: ${summary}`);
  if (task === undefined || lookup.ensure === undefined) return review;
  try {
    await lookup.ensure(task);
    return review;
  } catch (error) {
    log.error(`webhook: Secret or ConfigMap of task ${task.id} cannot be written`, { error });
    const warning = `plugboard: Secret or ConfigMap of task ${task.id} could not be written; the pod waits until they are there`;
    return { ...review, response: { ...review.response, warnings: [...(review.response.warnings ?? []), warning] } };
  }
}

function send(response: ServerResponse, status: number, body: AdmissionReview | string): void {
  const json = typeof body !== 'string';
  const text = json ? JSON.stringify(body) : `${body}\n`;
  response.writeHead(status, {
    'Content-Type': json ? 'application/json' : 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    ...(status === 405 ? { Allow: 'POST' } : {}),
  });
  response.end(text);
}
