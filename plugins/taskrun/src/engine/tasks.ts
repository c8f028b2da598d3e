// All tasks: what sources bring becomes records in the store, and records become grants. Every change goes through the store first, so that
// what was acknowledged survives whatever happens next. What a change does to a record is decided elsewhere.
import { isDeepStrictEqual } from 'node:util';
import type { BoardApi, Log, Store, Stored } from 'plugboard';
import type { Options } from '../options.ts';
import type { JournalEntry, TaskEvent } from '../task.ts';
import { TaskEntry } from './entry.ts';
import type { Grants } from './entry.ts';
import { checkVersion, findTask, unknownTask } from './finding.ts';
import { setRules } from './grant.ts';
import { Journal } from './journal.ts';
import type { Read, ReadObject } from './object.ts';
import { OwnServers } from './own-servers.ts';
import type { ServerMaker } from './own-servers.ts';
import { activityKey, taskKey } from './record.ts';
import type { ActivityRecord, TaskRecord } from './record.ts';
import { StatusKeeper } from './status.ts';
import { Tokens } from './tokens.ts';
import { workspaceOf } from './workspace.ts';
import type { WorkspaceSettings } from './workspace.ts';

/** Who wants to hear of tasks. */
export interface TaskListener {
  /** Something about a task has changed; `what` is a word for lists of events. */
  changed(entry: TaskEntry, what: 'created' | 'changed' | 'status' | 'counted'): void;
  removed(entry: TaskEntry, by: string): void;
  event(entry: TaskEntry, event: TaskEvent): void;
  /** True when the task's status is told to somebody who does not ask. */
  followed(entry: TaskEntry): boolean;
}

export interface TasksInit {
  readonly board: BoardApi;
  readonly log: Log;
  /** The namespace of this plugin. */
  readonly store: Store<unknown>;
  readonly options: Options;
  readonly maker: ServerMaker;
  readonly workspaces: WorkspaceSettings;
  readonly grants: Grants;
  readonly read: Read;
  readonly listener: TaskListener;
}

export class Tasks {
  readonly tokens: Tokens;
  readonly journal: Journal;
  readonly status: StatusKeeper;
  readonly #init: TasksInit;
  readonly #records: Store<TaskRecord>;
  readonly #activities: Store<ActivityRecord>;
  readonly #byId = new Map<string, TaskEntry>();
  readonly #byGrant = new Map<string, TaskEntry>();

  constructor(init: TasksInit) {
    const { store, board, log, options, listener } = init;
    this.#init = init;
    this.tokens = new Tokens(init.options.tokens);
    this.#records = store as Store<TaskRecord>;
    this.#activities = store as Store<ActivityRecord>;
    this.journal = new Journal(store as Store<JournalEntry>, options.limits.journalEntries, log);
    this.status = new StatusKeeper({
      board,
      log,
      store: this.#activities,
      server: options.server,
      followed: (entry) => listener.followed(entry),
      changed: (entry, what) => listener.changed(entry, what),
    });
  }

  /** Makes tasks of all records that were kept. One that cannot be read any more is left alone and reported. */
  async restore(): Promise<void> {
    const { log } = this.#init;
    const activities = new Map(
      (await this.#activities.list('activity/')).map(({ key, value }) => [key.slice('activity/'.length), value]),
    );
    for (const stored of await this.#records.list('task/')) {
      const { id, uid, object } = stored.value;
      const read = this.#init.read(object);
      const activity = activities.get(uid);
      activities.delete(uid);
      if ('problems' in read) {
        log.error(`task ${id} is out of service: its object cannot be read any more: ${read.problems.join('; ')}`);
        continue;
      }
      const entry = this.#open(stored, read);
      if (activity !== undefined) entry.resume(activity);
      await this.#prepareWorkspace(entry).catch((error: Error) => this.#withoutWorkspace(entry, error));
      this.#enforce(entry);
      if (stored.value.outbox.length > 0) this.journal.move(entry);
    }
    // The proxy ended while these were being deleted.
    for (const uid of activities.keys()) await this.#forget(uid);
  }

  all(): TaskEntry[] {
    return [...this.#byId.values()];
  }

  get(id: string): TaskEntry | undefined {
    return this.#byId.get(id);
  }

  /** The task that somebody means by an id, or by the number of its task. Throws a `Problem`. */
  find(reference: string): TaskEntry {
    return findTask(this.#byId, reference);
  }

  ofGrant(grant: string): TaskEntry | undefined {
    return this.#byGrant.get(grant);
  }

  /**
   * Changes a task: `make` gives the new record for the current one and may run more than once. Resolves when the change is kept and in
   * force. Rejects with what `make` throws, and with a `Problem` when the task is gone or has another version than `expected`.
   */
  async change(entry: TaskEntry, make: (record: TaskRecord) => TaskRecord, expected?: string): Promise<TaskRecord> {
    const { id, uid } = entry;
    const stored = await this.#records.update(taskKey(id), (current) => {
      if (entry.gone || current === undefined || current.uid !== uid) throw unknownTask(id);
      if (expected !== undefined) checkVersion(current, expected);
      const made = make(current);
      // What has a key of its own by now need not be written again.
      const outbox = made.outbox.filter(({ number }) => number > entry.kept);
      return { ...made, outbox, revision: current.revision + 1 };
    });
    if (stored === undefined) throw unknownTask(id);
    this.#adopt(entry, stored);
    this.journal.move(entry);
    return stored.value;
  }

  /** Removes a task: its token is refused before anything else happens. Rejects when the store fails; then it can be tried again. */
  async remove(entry: TaskEntry, by: string): Promise<void> {
    const { id, uid, grant } = entry;
    const { board, grants, listener, log } = this.#init;
    entry.gone = true;
    this.tokens.drop(entry);
    grant.empty();
    board.grantChanged(grant);
    const ended = board.endGrant(grant, 'its task was deleted').catch((error: unknown) => {
      log.error(`task ${id}: its sessions did not end`, { error });
    });
    try {
      await this.#records.delete(taskKey(id));
    } catch (error) {
      entry.gone = false;
      throw error;
    }
    this.#byId.delete(id);
    this.#byGrant.delete(grant.id);
    grants.delete(grant);
    entry.servers.clear();
    await ended;
    await this.#forget(uid);
    log.info(`task ${id} was deleted`, { by });
    listener.removed(entry, by);
  }

  /** Makes the rules of tasks again that depend on what a server offers; undefined: any server. */
  catalogueChanged(owner: string | undefined): void {
    const concerned = owner === undefined ? this.all() : [this.#byGrant.get(owner)];
    for (const entry of concerned) {
      if (entry === undefined || entry.gone) continue;
      if (entry.volatile) this.#enforce(entry);
      this.status.outdated(entry);
    }
  }

  /** Ends the sessions of tasks whose token has expired. */
  closeExpired(now = Date.now()): void {
    for (const entry of this.#byId.values()) {
      const { expiresAt } = entry;
      if (entry.closed || expiresAt === undefined || expiresAt > now) continue;
      entry.closed = true;
      this.#endSessions(entry, 'the token of its task has expired');
    }
  }

  /** Keeps what is still on its way. Grants and sessions stay: the plugin may be applied again. */
  async stop(): Promise<void> {
    await this.status.stop();
    await this.journal.flush();
  }

  /** Makes a task of a new record. Whoever calls it has made sure that there is none of that id. */
  async create(record: TaskRecord, read: ReadObject): Promise<void> {
    const stored = await this.#records.update(taskKey(record.id), () => record);
    if (stored === undefined) throw new Error('the store has not kept the task');
    const entry = this.#open(stored, read);
    await this.#prepareWorkspace(entry).catch((error: Error) => this.#withoutWorkspace(entry, error));
    this.#enforce(entry);
    this.journal.move(entry);
    this.status.touched(entry);
    this.#init.listener.changed(entry, 'created');
  }

  #open(stored: Stored<TaskRecord>, { spec, warnings }: ReadObject): TaskEntry {
    const record = stored.value;
    const { grants, maker, options } = this.#init;
    const grant = grants.of(record);
    const servers = new OwnServers(maker, grant.id);
    const entry = new TaskEntry({
      record,
      stored: stored.version,
      spec,
      warnings,
      grant,
      servers,
      life: options.token,
    });
    this.#byId.set(record.id, entry);
    this.#byGrant.set(grant.id, entry);
    this.tokens.index(entry);
    servers.update(spec);
    return entry;
  }

  /** Takes over what is in the store now. */
  #adopt(entry: TaskEntry, { value, version }: Stored<TaskRecord>): void {
    if (entry.gone || version <= entry.stored) return;
    const before = entry.record;
    entry.record = value;
    entry.stored = version;
    const renewed = before.objectRevision !== value.objectRevision;
    if (renewed) this.#reread(entry);
    if (renewed || !isDeepStrictEqual(before.live, value.live)) this.#enforce(entry);
    if (before.token?.hash !== value.token?.hash) {
      this.tokens.index(entry);
      const replaced = before.token !== undefined && value.token?.previous?.hash !== before.token.hash;
      if (replaced) this.#endSessions(entry, 'the token of its task was replaced or revoked');
    }
    if ((entry.expiresAt ?? 0) > Date.now()) entry.closed = false;
    for (const ear of entry.ears) for (const uri of ['task://context', 'task://task']) ear.resourceUpdated(uri);
    this.status.outdated(entry);
    this.#init.listener.changed(entry, 'changed');
  }

  #reread(entry: TaskEntry): void {
    const read = this.#init.read(entry.record.object);
    if ('problems' in read) throw new Error(`task ${entry.id}: ${read.problems.join('; ')}`);
    entry.spec = read.spec;
    entry.warnings = read.warnings;
    entry.servers.update(read.spec);
    void this.#prepareWorkspace(entry).catch((error: Error) => this.#withoutWorkspace(entry, error));
  }

  /** Gives the grant its rules, and has its sessions told. */
  #enforce(entry: TaskEntry): void {
    const { board, options } = this.#init;
    const { spec, record, grant } = entry;
    const wanted = { spec, live: record.live, ceiling: options.ceiling, server: options.server };
    entry.volatile = setRules(grant, wanted, board);
    board.grantChanged(grant);
  }

  async #prepareWorkspace(entry: TaskEntry): Promise<void> {
    const { record, spec, grant } = entry;
    grant.workspace = await workspaceOf(this.#init.workspaces, record, spec.workspace);
    entry.workspaceProblem = undefined;
  }

  /** A task whose folder is not to be had gets none: file servers refuse it instead of showing it somebody else's. */
  #withoutWorkspace(entry: TaskEntry, error: Error): void {
    entry.workspaceProblem = error.message;
    entry.grant.workspace = `${this.#init.workspaces.folder}/none`;
    this.#init.log.warn(`task ${entry.id}: ${error.message}`);
  }

  /** Journal first: as long as there is an activity, a restart goes on with it. */
  async #forget(uid: string): Promise<void> {
    await this.journal.delete(uid);
    await this.#activities.delete(activityKey(uid));
  }

  /** Ends what was opened with a token that is refused now. The grant lives on: the next token stands for it again. */
  #endSessions(entry: TaskEntry, reason: string): void {
    const { board } = this.#init;
    const sessions = [...board.sessions.values()].filter(({ grant }) => grant === entry.grant);
    Promise.all(sessions.map((session) => board.close(session, reason))).catch((error: unknown) =>
      this.#init.log.error(`task ${entry.id}: its sessions did not end`, { error }),
    );
  }
}
