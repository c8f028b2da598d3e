// One word of a command line, for a POSIX shell.

/** The text as a shell reads it back: in quotes where it must be. */
export function shellWord(text: string): string {
  return /^[\w./:,@=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
