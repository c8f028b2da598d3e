// What the role of a connection may do that no read-only transaction can hold: it is looked at before a statement of an agent is run.
import { Refusal } from './errors.ts';
import type { Session } from './session.ts';

export interface ServerFacts {
  /** True when a transaction can be left behind on the server, prepared for a commit that never comes. */
  readonly canPrepareTransactions: boolean;
  /** True when the server counts what a transaction changes. */
  readonly counts: boolean;
}

/** Roles whose members act outside the database, or on other sessions. */
const outsideRoles = [
  'pg_execute_server_program',
  'pg_read_server_files',
  'pg_write_server_files',
  'pg_signal_backend',
  'pg_create_subscription',
];

/** Extensions whose functions reach outside the database, each by what it is for. */
const outsideExtensions = [
  'adminpack',
  'aws_lambda',
  'aws_s3',
  'azure_storage',
  'dblink',
  'http',
  'pg_background',
  'pg_curl',
  'pg_net',
];

// Members can become what they are members of by SET ROLE, so membership counts, inherited or not.
const rolesQuery = `SELECT rolname FROM pg_roles
  WHERE (rolsuper OR rolreplication OR rolname = ANY ($1::text[])) AND pg_has_role(session_user, oid, 'MEMBER')
  ORDER BY rolname <> session_user, rolname LIMIT 4`;

const functionsQuery = `SELECT p.oid::regprocedure::text FROM pg_proc p
  JOIN pg_language l ON l.oid = p.prolang
  LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  LEFT JOIN pg_extension e ON e.oid = d.refobjid
  WHERE (e.extname = ANY ($1::text[]) OR (l.lanispl AND NOT l.lanpltrusted))
    AND p.prorettype <> ALL (ARRAY['trigger', 'event_trigger']::regtype[])
    AND EXISTS (SELECT FROM pg_roles r WHERE pg_has_role(session_user, r.oid, 'MEMBER')
      AND has_function_privilege(r.oid, p.oid, 'EXECUTE') AND has_schema_privilege(r.oid, p.pronamespace, 'USAGE'))
  ORDER BY 1 LIMIT 4`;

const factsQuery = `SELECT current_setting('server_version_num'),
  current_setting('max_prepared_transactions')::int > 0 AND NOT pg_is_in_recovery(), current_setting('track_counts')`;

/** Checks the role of an open transaction whose search path is `pg_catalog`. Rejects with a {@link Refusal} when it may do too much. */
export async function checkRole(
  session: Session,
  outsideFunctions: 'refuse' | 'allow',
  signal?: AbortSignal,
): Promise<ServerFacts> {
  const { rows: facts } = await session.run(factsQuery, [], signal);
  const [version, prepares, counts] = facts[0] ?? [];
  if (Number(version) < 130_000)
    throw new Refusal('this server is older than PostgreSQL 13, which is the oldest that works here');
  const { rows: roles } = await session.run(rolesQuery, [outsideRoles], signal);
  if (roles.length > 0) {
    throw new Refusal(
      `this connection is refused: its role is, or is a member of: ${list(roles)}. Such a role acts outside the database, where no read-only transaction holds it. ` +
        'Whoever runs the proxy has to put a role that only reads into `url`; the README of @plugboard/postgres has the SQL.',
    );
  }
  if (outsideFunctions === 'refuse') {
    const { rows } = await session.run(functionsQuery, [outsideExtensions], signal);
    if (rows.length > 0) {
      throw new Refusal(
        `this connection is refused: its role may call functions that reach outside the database: ${list(rows)}. ` +
          'Whoever runs the database can REVOKE EXECUTE on them FROM PUBLIC; the option `outsideFunctions: allow` accepts them.',
      );
    }
  }
  return { canPrepareTransactions: prepares === 't', counts: counts === 'on' };
}

function list(rows: readonly (readonly (string | null)[])[]): string {
  const names = rows.map(([name]) => String(name));
  return names.length < 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and more`;
}
