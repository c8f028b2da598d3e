// The grant of a task: one object for as long as the process lives, so that open sessions follow when its rules are replaced.
import { createHash } from 'node:crypto';
import type { BoardApi, Grant, Rules } from 'plugboard';
import type { TaskSpec } from '../task.ts';
import { catalogueOf } from './catalogue.ts';
import { isInternal } from './internal.ts';
import type { LiveChange } from './record.ts';
import { compile, literal, meansWhole } from './toolset.ts';
import type { Catalogue, Compiled, Layer } from './toolset.ts';

const nothing: Rules = { allow: [], deny: [] };

/** Id of the grant of a task. A later task of the same name has another: what belongs to a grant must not pass on. */
export const grantId = (id: string, uid: string) => `task:${id}:${shortUid(uid)}`;

/** The first 8 characters of a UUID. Of anything else, which two objects may begin alike with, 8 of its hash. */
export function shortUid(uid: string): string {
  return /^[0-9a-f]{8}-/.test(uid) ? uid.slice(0, 8) : createHash('sha256').update(uid).digest('hex').slice(0, 8);
}

/** True for the grants that this plugin makes. */
export const isTaskGrant = ({ id }: Grant) => id.startsWith('task:');

export class TaskGrant implements Grant {
  readonly id: string;
  tools: Rules = nothing;
  within: readonly Rules[] | undefined;
  resources: Rules | undefined;
  prompts: Rules | undefined;
  workspace: string | undefined;

  constructor(id: string) {
    this.id = id;
  }

  /** Nothing is allowed any more, whatever still holds on to the grant. */
  empty(): void {
    Object.assign(this, { tools: nothing, within: undefined, resources: nothing, prompts: nothing });
  }
}

/** What the rules of a task are made of. */
export interface Wanted {
  readonly spec: TaskSpec;
  readonly live: readonly LiveChange[];
  /** What holds for every task. */
  readonly ceiling: Rules;
  /** Name of the server that tasks have in any case. */
  readonly server: string;
}

/** The ceilings of a task as bounds of a grant. */
export interface Ceilings {
  readonly within: readonly Rules[];
  readonly volatile: boolean;
}

/** Gives a grant its rules. Returns true when they must be made again as soon as the catalogue changes. */
export function setRules(grant: TaskGrant, wanted: Wanted, board: BoardApi): boolean {
  const layers = layersOf(wanted);
  const ceilings = ceilingsOf(grant.id, wanted, board);
  const catalogue = memoized(() => catalogueOf(board, grant.id, selectorsOf(layers)));
  const compiled = compile(layers, catalogue, wanted);
  const [tools, ...bounds] = compiled.rules;
  const within = [...bounds, ...ceilings.within];
  const whole = compiled.enumerated ? wholeServers(grant.id, layers, ceilings, board) : undefined;
  Object.assign(grant, { tools, within: within.length === 0 ? undefined : within, resources: whole, prompts: whole });
  return compiled.volatile || ceilings.volatile;
}

/** The ceilings of a task: its own and that of all tasks. What tasks have in any case stays within them. */
export function ceilingsOf(grant: string, { spec, ceiling, server }: Wanted, board: BoardApi): Ceilings {
  const compiled = [spec.ceiling, ceiling].filter(bounds).map((rules): Compiled => {
    const layers = [...layersOfRules(rules), ownLayer(server)];
    return compile(layers, () => catalogueOf(board, grant, selectorsOf(layers)), { server });
  });
  return { within: compiled.flatMap(({ rules }) => rules), volatile: compiled.some(({ volatile }) => volatile) };
}

/** False for a ceiling that is none. */
function bounds({ allow, deny }: Rules): boolean {
  return deny.length > 0 || !allow.includes('*');
}

/** The object, then what was changed since, then what tasks have in any case: only who names that server takes it away. */
function layersOf({ spec, live, server }: Wanted): Layer[] {
  const changes = live.filter(({ selector }) => !isInternal(selector));
  const about = (own: boolean) => changes.filter(({ selector }) => selector.startsWith(`${server}:`) === own);
  return [...layersOfRules(spec.tools), ...about(false).map(layerOf), ownLayer(server), ...about(true).map(layerOf)];
}

const layersOfRules = ({ allow, deny }: Rules): Layer[] => [
  { adds: true, selectors: allow },
  { adds: false, selectors: deny },
];
const layerOf = ({ selector, on }: LiveChange): Layer => ({ adds: on, selectors: [selector] });
const ownLayer = (server: string): Layer => ({ adds: true, selectors: [`${literal(server)}:*`] });
const selectorsOf = (layers: readonly Layer[]) => layers.flatMap(({ selectors }) => selectors);

/**
 * Servers all of which the task may use, whose resources and prompts it therefore sees. Needed where rules name tools one by one: the
 * board can no longer tell. A selector counts for it only when it plainly means the whole server.
 */
function wholeServers(grant: string, layers: readonly Layer[], { within }: Ceilings, board: BoardApi): Rules {
  const bounded = within.flatMap((rules): Layer[][] => [layersOfRules(rules)]);
  const servers = board.servers({ id: grant, tools: { allow: ['*'], deny: [] } }).map(({ name }) => name);
  const whole = servers.filter((server) => [layers, ...bounded].every((each) => endsWhole(each, server)));
  return { allow: whole.map((server) => `${literal(server)}:*`), deny: [] };
}

function endsWhole(layers: readonly Layer[], server: string): boolean {
  const last = layers.findLast(({ adds, selectors }) =>
    selectors.some((selector) => meansWhole(selector, server) || (!adds && maySpareNothing(selector))),
  );
  return last?.adds === true;
}

/** A pattern over servers that takes away all their tools: it is taken to mean every server. */
function maySpareNothing(selector: string): boolean {
  const [servers = '', tools] = selector.split(':', 2);
  return /[*?[{]/.test(servers) && (tools === undefined || tools === '*');
}

function memoized(make: () => Catalogue): () => Catalogue {
  let made: Catalogue | undefined;
  return () => (made ??= make());
}
