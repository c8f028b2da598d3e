// What went wrong, in words that say what to do now. No secret passes through here; nothing is decided here.

/** An error of the server, as the driver hands it over. */
interface ServerError extends Error {
  readonly code?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly position?: string;
  readonly severity?: string;
}

const maxText = 2000;

/** What to do about an SQLSTATE (appendix A of PostgreSQL's manual). */
const advice: Readonly<Record<string, string>> = {
  '25006': 'Only `execute` changes anything, where it is offered; functions with side effects do not run here.',
  '25001': 'The transaction is read-only and stays so.',
  '42501': 'The role of this connection has no right to that; whoever runs the database can grant it.',
  '42P01': 'list_tables shows the tables; names are case-sensitive in double quotes, and may need their schema.',
  '42703': 'describe_table shows the columns.',
  '3F000': 'list_schemas shows the schemas.',
  '57014': 'Ask for less: fewer rows, a condition on an indexed column, or look at `explain`.',
  '55P03': 'Something else holds a lock on it; try again later.',
  '40001': 'Try again: something else changed the same rows.',
  '40P01': 'Try again: it waited in a circle with something else.',
  '28P01': 'Whoever runs the proxy has to correct the credentials in `url`.',
  '28000': 'Whoever runs the proxy has to correct the credentials or the TLS options.',
  '3D000': 'Whoever runs the proxy has to correct the name of the database in `url`.',
  '53300': 'The server has no connection left; try again later.',
  '57P01': 'The server ended the connection; try again.',
  '57P03': 'The server is starting or stopping; try again.',
};

const network: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'its host name is not known',
  EAI_AGAIN: 'its host name could not be looked up',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  ECONNRESET: 'it ended the connection',
  EPIPE: 'it ended the connection',
  ENOENT: 'its socket is not there',
  EACCES: 'its socket may not be used',
};

/** An error whose text is meant for the agent as it stands. */
export class Refusal extends Error {}

/** Turns whatever was thrown into an error for the agent. `database` is its configured name, `offset` the length of what stood before its SQL. */
export function explain(error: unknown, database: string, secrets: readonly string[], offset = 0): Refusal {
  if (error instanceof Refusal) return error;
  const text = redact(describe(error as ServerError, database, offset), secrets);
  return new Refusal(text.length > maxText ? `${text.slice(0, maxText)}…` : text);
}

function describe(error: ServerError, database: string, offset: number): string {
  const { code = '', message, detail, hint, position, severity } = error;
  if (severity !== undefined) {
    const at = position === undefined ? undefined : Number(position) - offset;
    const parts = [
      `${message} (SQLSTATE ${code}${at !== undefined && at > 0 ? `, at character ${at}` : ''})`,
      detail,
      hint,
      advice[code],
    ];
    return parts.filter((part) => part !== undefined && part !== '').join('\n');
  }
  const reason = network[code];
  if (reason !== undefined)
    return `database "${database}" cannot be reached: ${reason}. Whoever runs the proxy has to look at \`url\` and at the server.`;
  if (message === 'timeout exceeded when trying to connect')
    return `all connections of this task to "${database}" are busy: try again when other calls have ended (option maxConnections)`;
  if (message === 'Connection terminated due to connection timeout' || message === 'timeout expired')
    return `database "${database}" did not answer in time (option connectTimeout): try again later`;
  if (message.startsWith('Connection terminated') || message.startsWith('Client has encountered a connection error'))
    return `database "${database}" ended the connection: try again`;
  return `database "${database}": ${message}`;
}

/** A text without any of the secrets. */
export function redact(text: string, secrets: readonly string[]): string {
  // The longest first: the URL holds the password.
  const sorted = [...secrets].sort((a, b) => b.length - a.length);
  return sorted.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
}
