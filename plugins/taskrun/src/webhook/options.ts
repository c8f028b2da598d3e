// The options of the webhook, for the configuration of the plugin. What they do lives in the files beside.
import { z } from 'plugboard';

const milliseconds = (initial: number, text: string) => z.int().min(1).default(initial).describe(`${text}, in ms`);

export const webhookOptions = z.strictObject({
  host: z.string().min(1).default('0.0.0.0').describe('Address to listen on; beyond loopback only with a certificate'),
  port: z.int().min(0).max(65_535).default(8843).describe('Port to listen on; 0 takes a free one'),
  path: z
    .string()
    .regex(/^(?:\/[A-Za-z0-9._~-]+)+$/, 'must start with / and not end with it')
    .default('/mutate')
    .describe('Path that the API server calls'),
  certFile: z.string().min(1).optional().describe('Certificate chain, PEM; read again when it changes'),
  keyFile: z.string().min(1).optional().describe('Its private key, PEM'),
  clientCaFile: z
    .string()
    .min(1)
    .optional()
    .describe('Certificates (PEM) that sign the API server’s client certificate; with it nobody else is served'),
  reloadInterval: milliseconds(10_000, 'Pause between looks at the certificate’s files'),
  unknownTask: z
    .enum(['deny', 'warn'])
    .default('deny')
    .describe(
      'What becomes of a pod whose task is not known in its namespace: refused, or started as it is, with a warning',
    ),
  maxBodyBytes: z
    .int()
    .min(1024)
    .default(8 * 1024 * 1024)
    .describe('Largest review that is read, in bytes'),
  maxConnections: z.int().min(1).default(200).describe('Most connections'),
  requestTimeout: milliseconds(9000, 'Time for a whole request to arrive; the API server waits for 10 s at most'),
});

/** The options with their defaults. */
export type WebhookOptions = z.output<typeof webhookOptions>;

/** The options as written. */
export type WebhookInput = z.input<typeof webhookOptions>;
