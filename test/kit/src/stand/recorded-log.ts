// The log that a plugin is handed, kept line by line for the test to look at.
import type { Log } from 'plugboard';

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: object | undefined;
}

/** A log that adds what it is told to `lines`. */
export function recordedLog(lines: LogLine[]): Log {
  const at = (level: string) => (message: string, fields?: object) => void lines.push({ level, message, fields });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
