// `plugboard up` in its plain forms, read without commander: loading commander would be a tenth of the proxy's start. All else is commander's.
import type { UpOptions } from './up.ts';

/** The options of a plain `up`; undefined for every other command line, which commander reads and judges. */
export function readPlainUp([command, ...args]: readonly string[]): UpOptions | undefined {
  if (command !== 'up') return undefined;
  const options: { -readonly [Key in keyof UpOptions]: UpOptions[Key] } & { json?: boolean } = {};
  const rest = [...args];
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '--stdio') options.stdio = true;
    else if (name === '--json') options.json = true;
    else {
      const value = rest.shift();
      if (name === '--config' && value !== undefined && /^[^-]/.test(value)) options.config = value;
      else if (name === '--port' && value !== undefined && /^\d{1,4}$/.test(value)) options.port = Number(value);
      else return undefined;
    }
  }
  return options;
}
