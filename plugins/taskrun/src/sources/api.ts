// Tasks that come through the management API. They exist only here: nothing has to be looked for, and nothing goes missing.
import type { TaskSink, TaskSource } from '../task.ts';

export class ApiSource implements TaskSource {
  readonly name = 'api';
  #sink: TaskSink | undefined;

  async start(sink: TaskSink): Promise<void> {
    this.#sink = sink;
  }

  async stop(): Promise<void> {
    this.#sink = undefined;
  }

  /** Creates or replaces the task of an object, in somebody's name. */
  async apply(object: unknown, actor: string): Promise<{ readonly id: string } | { readonly refused: string }> {
    if (this.#sink === undefined) return { refused: 'the plugin taskrun is stopping; try again' };
    return await this.#sink.put({ source: this.name, origin: `api:${actor}`, object });
  }
}
