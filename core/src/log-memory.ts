// The newest lines of the log, for whoever asks later. Writing lines: `log.ts`.
import type { LogLine, LogQuery } from './host-control.ts';
import type { Line } from './log.ts';

/** Lines that are kept, and lines that one query gets. */
const maxLines = 2000;
const maxAnswer = 1000;

/** A ring of lines. */
export class LogMemory {
  #lines: LogLine[] = [];
  #count = 0;

  add({ level, time, scope, message, fields }: Line): void {
    this.#count += 1;
    this.#lines.push({ number: this.#count, time, level, scope, message, fields });
    // Cut in large steps: a shift for every line would copy them all each time.
    if (this.#lines.length >= maxLines * 2) this.#lines = this.#lines.slice(-maxLines);
  }

  /** Lines that a query asks for, oldest first. */
  recent({ server, scope, after = 0, limit = maxAnswer }: LogQuery): readonly LogLine[] {
    const wanted = this.#lines
      .slice(-maxLines)
      .filter(
        (line) =>
          line.number > after &&
          (scope === undefined || line.scope === scope) &&
          (server === undefined || concerns(line, server)),
      );
    return wanted.slice(-Math.max(1, Math.min(limit, maxAnswer)));
  }
}

/** A line concerns a server when it says so in a field, or names it as messages do. */
function concerns({ message, fields }: LogLine, server: string): boolean {
  return fields?.['server'] === server || message.includes(`server "${server}"`);
}
