// The process in which a plugin lives under the contract: it is applied to a real proxy, clients of both eras use it, it is stopped, twice.
// `life-check.ts` starts it, sends one question and gets one answer.
import { setTimeout as sleep } from 'node:timers/promises';
import { definePlugin } from 'plugboard';
import type { HookName, JsonObject, Plugin } from 'plugboard';
import { memoryStores } from '../memory-stores.ts';
import { until } from '../until.ts';
import { fakeServer } from './fake-server.ts';
import { findingsOf } from './findings.ts';
import type { Finding, PluginRule } from './findings.ts';
import type { LifeQuestion, LifeReply, LifeReport } from './life-question.ts';
import { watchOutside } from './outside-use.ts';
import { pluginHost } from './plugin-host.ts';
import type { PluginChoice, PluginHost } from './plugin-host.ts';
import { Recorder } from './recorder.ts';
import { importPlugin } from './subject.ts';
import { leftBehind, lookAround, lookAroundQuietly } from './surroundings.ts';
import type { Surroundings } from './surroundings.ts';
import { checkTools } from './tool-check.ts';
import { useProxy, within } from './use-proxy.ts';

/** ms that handles have to go after a stop: sockets and files are closed by the system in its own time. */
const patience = 10_000;
/** An option that no plugin has. */
const strangeOption = 'noSuchOption';

process.once('message', (question: LifeQuestion) => {
  void reply(question).then((message) => process.send?.(message, () => process.exit(0)));
});

async function reply(question: LifeQuestion): Promise<LifeReply> {
  try {
    return { report: await new Life(question).run() };
  } catch (error) {
    return { problem: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** The course of one question. */
class Life {
  readonly #question: LifeQuestion;
  readonly #outside = watchOutside();
  readonly #findings: Finding[] = [];
  readonly #before: PluginChoice[] = [];
  /** After the first life. */
  #once: Surroundings | undefined;
  readonly #server = fakeServer(
    'contract',
    { echo: (args) => JSON.stringify(args), fail: () => Promise.reject(new Error('it fails')) },
    { resources: { 'contract://text': 'a text' }, prompts: { greeting: 'hello' } },
  );

  constructor(question: LifeQuestion) {
    this.#question = question;
  }

  async run(): Promise<LifeReport> {
    const { entry, beside, trials } = this.#question;
    const recorder = new Recorder(await importPlugin(entry));
    for (const [file, options] of beside) this.#before.push([await importPlugin(file), options]);
    this.#addStore(recorder.plugin);
    const host = await this.#startHost();
    this.#forgetOutside();
    const before = await lookAroundQuietly();
    let started = false;
    try {
      await this.#checkStrangeOption(host, recorder, trials[0] ?? {});
      for (const options of [trials[0] ?? {}, ...trials]) {
        if (!(await this.#live(host, recorder, options, before))) break;
        started = true;
      }
    } finally {
      await host.stop();
    }
    // From here on the plugins beside it start anew as well: what is seen outside is no longer its own.
    const network = [...this.#outside.network];
    const childProcess = [...this.#outside.childProcess];
    if (started) await this.#liveWithProxy(recorder, trials[0] ?? {});
    this.#note('inputs', recorder.changes.values());
    this.#note('silence', recorder.late);
    const { hooks, services, usesBoard: board } = recorder;
    const seen = { hooks: [...hooks], services: [...services], board, network, childProcess };
    return { findings: this.#findings, seen, started, entered: [...recorder.calls.keys()] };
  }

  /** A proxy without the plugin, warm: what the first use of anything opens is open. */
  async #startHost(plugins: readonly PluginChoice[] = this.#before): Promise<PluginHost> {
    const config = { tools: { allow: ['*'] } };
    const host = await pluginHost({ plugins, servers: [this.#server], config, directory: process.cwd() });
    await host.ready();
    await useProxy(host.board);
    return host;
  }

  /** A life as long as the proxy's: started and stopped together with it. */
  async #liveWithProxy(recorder: Recorder, options: JsonObject): Promise<void> {
    const host = await this.#startHost([...this.#before, [recorder.plugin, options]]);
    await host.stop();
  }

  /** One life: applied, used, stopped. False when it could not be applied. */
  async #live(host: PluginHost, recorder: Recorder, options: JsonObject, before: Surroundings): Promise<boolean> {
    const { console: consoleBefore } = globalThis;
    try {
      await host.configure({ plugins: [...this.#before, [recorder.plugin, options]] });
    } catch (error) {
      this.#note('options', [`it does not start with the options ${JSON.stringify(options)}: ${messageOf(error)}`]);
      return false;
    }
    await host.ready();
    await this.#checkTools(host, recorder);
    await useProxy(host.board);
    await this.#changeCatalogue(host);
    await this.#announceFault(recorder);
    await host.configure({ plugins: this.#before });
    const calls = total(recorder.calls);
    await useProxy(host.board);
    if (total(recorder.calls) > calls) this.#note('silence', ['its hooks are called after it was stopped']);
    if (globalThis.console !== consoleBefore) this.#note('leavings', ['it leaves another globalThis.console behind']);
    await this.#checkLeavings(before);
    return true;
  }

  async #checkTools(host: PluginHost, recorder: Recorder): Promise<void> {
    const problems: string[] = [];
    for (const { name, owner, kind } of recorder.servers) {
      // A server of one grant is listed to that grant alone.
      if (owner !== undefined) continue;
      const isForeign = kind !== 'in-process';
      const status = host.board.servers().find((server) => server.name === name);
      // Whether a server somewhere else can be reached from here is not the plugin's doing.
      if (isForeign && status?.state === 'failed') continue;
      if (status?.state !== 'ready')
        problems.push(`its server "${name}" is ${status?.state ?? 'gone'}: ${status?.reason ?? 'no reason given'}`);
      else problems.push(...checkTools(name, host.board.catalogue(name)?.tools ?? [], kind !== 'in-process'));
    }
    this.#note('tools', problems);
  }

  async #changeCatalogue(host: PluginHost): Promise<void> {
    const there = () => host.board.catalogue(this.#server.name)?.tools.some(({ name }) => name === 'later') === true;
    for (const wanted of [true, false]) {
      this.#server.setTool('later', wanted ? () => 'later' : undefined);
      await until('a change of tools is not noticed', () => there() === wanted);
    }
  }

  /** The one hook that cannot be brought about from outside. */
  async #announceFault(recorder: Recorder): Promise<void> {
    const name: HookName = 'onPluginSwitchedOff';
    await within(
      Promise.allSettled(recorder.taps(name).map(async (tap) => tap({ plugin: 'another', reason: 'it failed' }))),
    );
  }

  async #checkStrangeOption(host: PluginHost, { plugin }: Recorder, options: JsonObject): Promise<void> {
    const strange = { ...options, [strangeOption]: true };
    try {
      await host.configure({ plugins: [...this.#before, [plugin, strange]] });
      await host.configure({ plugins: this.#before });
    } catch (error) {
      if (!messageOf(error).includes(strangeOption))
        this.#note('options', [`an option that it does not have is refused without naming it: ${messageOf(error)}`]);
      return;
    }
    this.#note('options', [`it takes an option that it does not have ("${strangeOption}"): use z.strictObject`]);
  }

  /** What is left of a first life on standard streams may be meant, as long as no further life adds to it. */
  async #checkLeavings(before: Surroundings): Promise<void> {
    const deadline = Date.now() + patience;
    const look = () => leftBehind(before, this.#once);
    let left = look();
    while (left.length > 0 && Date.now() < deadline) {
      await sleep(20);
      left = look();
    }
    this.#once ??= lookAround();
    this.#note(
      'leavings',
      left.map((each) => `it leaves ${each} behind after its stop`),
    );
  }

  /** Whoever asks for a store gets one in memory, unless a plugin beside it has one. */
  #addStore({ needs = [], wants = [], provides = [] }: Plugin): void {
    const others = this.#before.map((choice) => (Array.isArray(choice) ? choice[0] : choice) as Plugin);
    const there = others.some((plugin) => plugin.provides?.includes('store') === true);
    const asked = [...needs, ...wants, ...others.flatMap((plugin) => plugin.needs ?? [])].includes('store');
    if (there || !asked || provides.includes('store')) return;
    const store = definePlugin({
      id: 'contract-store',
      apiVersion: 1,
      provides: ['store'],
      apply: ({ services }) => services.provide('store', memoryStores()),
    });
    this.#before.unshift(store);
  }

  /** What plugins beside it did before it came is not its doing. */
  #forgetOutside(): void {
    this.#outside.network.clear();
    this.#outside.childProcess.clear();
  }

  /** Notes each finding once: it lives several times. */
  #note(rule: PluginRule, texts: Iterable<string>): void {
    for (const finding of findingsOf(rule, texts))
      if (!this.#findings.some(({ text }) => text === finding.text)) this.#findings.push(finding);
  }
}

function total(calls: ReadonlyMap<string, number>): number {
  return [...calls.values()].reduce((sum, count) => sum + count, 0);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
