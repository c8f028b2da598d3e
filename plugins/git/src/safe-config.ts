// The part of a repository's configuration that cannot run anything or lead anywhere. Git is shown only that: see
// `shadow.ts`.

/** One setting; the value is undefined when only the key stands there. */
export interface Setting {
  /** As git lists it: section and name in lower case. */
  readonly key: string;
  readonly value: string | undefined;
}

/** Everything that is not listed here is left out, known to be harmful or not. */
const harmless = [
  /^core\.(?:repositoryformatversion|filemode|symlinks|ignorecase|precomposeunicode|logallrefupdates)$/,
  /^core\.(?:autocrlf|eol|safecrlf|trustctime|checkstat|sparsecheckout|sparsecheckoutcone|sharedrepository)$/,
  /^extensions\.(?:objectformat|refstorage|preciousobjects)$/,
  /^(?:user|author|committer)\.(?:name|email)$/,
  /^branch\..+\.(?:remote|merge)$/s,
  /^remote\..+\.fetch$/s,
  /^diff\.(?:algorithm|renames|renamelimit)$/,
  /^index\.version$/,
];

/** Extensions that git would need for what it does here, and that are understood here. Others can be left out too. */
const knownExtensions =
  /^extensions\.(?:objectformat|refstorage|preciousobjects|worktreeconfig|partialclone|relativeworktrees|noop)$/;

/** Reads what `git config --null --list` writes. */
export function parseSettings(listed: string): Setting[] {
  return listed
    .split('\0')
    .filter((entry) => entry !== '')
    .map((entry) => {
      const end = entry.indexOf('\n');
      return end < 0 ? { key: entry, value: undefined } : { key: entry.slice(0, end), value: entry.slice(end + 1) };
    });
}

/** The text of a configuration with the harmless settings, in the same order. */
export function safeConfig(settings: readonly Setting[]): string {
  return settings
    .filter(({ key }) => harmless.some((pattern) => pattern.test(key)))
    .map(({ key, value }) => {
      const [first, last] = [key.indexOf('.'), key.lastIndexOf('.')];
      const subsection = first === last ? '' : ` ${quote(key.slice(first + 1, last))}`;
      const line = value === undefined ? key.slice(last + 1) : `${key.slice(last + 1)} = ${quote(value)}`;
      return `[${key.slice(0, first)}${subsection}]\n\t${line}\n`;
    })
    .join('');
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\t', '\\t')}"`;
}

/** The name of an extension that changes what the repository is made of and is not known here. */
export function unknownExtension(settings: readonly Setting[]): string | undefined {
  return settings.find(({ key }) => key.startsWith('extensions.') && !knownExtensions.test(key))?.key;
}

/** Drivers that the repository wants to run on the content of files. */
export function filterDrivers(settings: readonly Setting[]): string[] {
  const names = settings.map(({ key }) => /^filter\.(.+)\.(?:clean|smudge|process)$/s.exec(key)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))];
}
