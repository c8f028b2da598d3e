// Command lines against the rules of `Bash(…)`. A rule that allows must fit every part of a line as it stands; a rule that denies must not be
// dodged by how a line is written. It guards what a line says and is no sandbox: a program may do what its name does not tell.
import { globMatches } from './internal-tools-rules.ts';
import { readCommandLine } from './internal-tools-shell.ts';
import type { SimpleCommand, Word } from './internal-tools-shell.ts';

/** What a rule says about a command line. `maybe`: that cannot be told from the line. */
export type Verdict = 'yes' | 'maybe' | 'no';

/** Programs that run another one which their arguments name. */
const launchers: ReadonlySet<string> = new Set(
  (
    '- ash awk bash builtin bun bunx busybox bwrap chroot chrt command csh dash deno doas docker ed emacs entr env exec expect fakeroot fd ' +
    'fdfind find firejail fish flock gawk gdb git ionice ksh kubectl lua make mksh nawk nice noglob nocorrect node nohup npm npx nsenter ' +
    'osascript parallel perl php podman pnpm prlimit proot python python2 python3 rbash rsync ruby runuser screen script sed setarch setpriv ' +
    'setsid sg sh ssh start-stop-daemon stdbuf strace su sudo systemd-run tar taskset tclsh tcsh time timeout tmux toybox trap unbuffer ' +
    'unshare uv uvx vi vim watch xargs yarn zsh'
  ).split(' '),
);

/** Launchers whose arguments are usually names of their own (`git rm`): only where they take commands is one looked for. */
const namesOwn: ReadonlySet<string> = new Set('docker git kubectl make npm pnpm podman uv yarn'.split(' '));

const shells: ReadonlySet<string> = new Set('ash bash csh dash fish ksh mksh rbash sh tcsh zsh'.split(' '));

/** Launchers that do nothing but run what comes behind their options. */
const wrappers: ReadonlySet<string> = new Set(
  '- builtin busybox chroot command doas env exec ionice nice nocorrect noglob nohup setsid stdbuf sudo time timeout toybox xargs'.split(
    ' ',
  ),
);

/** Programs after which a line means something else than it says, or that take commands from their input. */
const opaque: ReadonlySet<string> = new Set('alias autoload bind complete enable hash parallel zmodload'.split(' '));

/** Variables that a command may be given without becoming another one. */
const harmless = /^(?:CI|COLUMNS|FORCE_COLOR|LANG|LC_[A-Z]+|LINES|NODE_ENV|NO_COLOR|TERM|TZ)$/;

/** Shells in shells that are followed. */
const maxNesting = 5;

/** A command line, read. Undefined commands: it cannot be read with certainty. */
export interface CommandLine {
  readonly text: string;
  readonly commands: readonly SimpleCommand[] | undefined;
}

/** Reads a line, and the scripts that it hands to shells. */
export function readLine(text: string): CommandLine {
  return { text, commands: withScripts(readCommandLine(text), maxNesting) };
}

/** A rule's content (what stands in `Bash(…)`), read. */
export interface CommandPattern {
  readonly kind: 'exact' | 'prefix' | 'glob';
  readonly words: readonly string[];
  readonly glob: string;
}

/** `npm run test:*` and `npm run test *` are prefixes, `git * main` is a glob, anything else is the whole command. */
export function readPattern(content: string): CommandPattern {
  const prefix = /^([^*]*?)(?::\*| +\*)$/.exec(content)?.[1];
  const words = (prefix ?? content).trim().split(/\s+/);
  return {
    kind: prefix !== undefined ? 'prefix' : content.includes('*') ? 'glob' : 'exact',
    words,
    glob: words.join(' '),
  };
}

/** True when every part of the line is what some pattern allows, and the shell makes nothing else of it. */
export function allowsLine(patterns: readonly CommandPattern[], { commands }: CommandLine): boolean {
  if (commands === undefined || commands.length === 0) return false;
  return commands.every(
    (command) =>
      !command.redirects &&
      command.words.length > 0 &&
      command.assigns.every((name) => harmless.test(name)) &&
      patterns.some((pattern) => allows(pattern, command.words)),
  );
}

function allows({ kind, words, glob }: CommandPattern, given: readonly Word[]): boolean {
  if (kind === 'glob') return given[0]?.dynamic === false && globMatches(glob, given.map(asOneWord).join(' '));
  if (kind === 'exact' && given.length !== words.length) return false;
  return words.every((word, index) => given[index]?.dynamic === false && given[index].text === word);
}

/** Blanks inside a word must not fit the blanks between words of a pattern; what is expanded fits `*` only. */
function asOneWord({ text, dynamic }: Word): string {
  return `${dynamic ? '\u0001' : ''}${text.replaceAll(/\s/g, '\u0001')}`;
}

/** What a pattern that denies says about the line. */
export function deniesLine(pattern: CommandPattern, { text, commands }: CommandLine): Verdict {
  if (commands === undefined) return 'maybe';
  const verdicts = commands.map((command) => denies(pattern, command));
  if (verdicts.includes('yes') || (pattern.kind === 'glob' && globMatches(pattern.glob, text.trim()))) return 'yes';
  return verdicts.includes('maybe') ? 'maybe' : 'no';
}

function denies(pattern: CommandPattern, { words }: SimpleCommand): Verdict {
  const [program, ...args] = words;
  if (program === undefined) return 'no';
  if (program.dynamic) return 'maybe';
  const name = baseName(program.text);
  if (opaque.has(name) || hidesProgram(name, args)) return 'maybe';
  const wanted = baseName(pattern.words[0] ?? '');
  if (pattern.kind !== 'glob' && name === wanted) return deniesArguments(pattern, args);
  const mentioned = launches(name, args, wanted) ? 'yes' : 'no';
  return pattern.kind === 'glob' ? strongest(mentioned, deniesGlob(pattern, name, words)) : mentioned;
}

function deniesGlob({ glob, words: [first = ''] }: CommandPattern, name: string, words: readonly Word[]): Verdict {
  const texts = words.map(({ text }) => text);
  const forms = [texts.join(' '), [name, ...texts.slice(1)].join(' ')];
  if (forms.some((form) => globMatches(glob, form))) return 'yes';
  const could = first.includes('*') || baseName(first) === name;
  return could && words.some(({ dynamic }) => dynamic) ? 'maybe' : 'no';
}

/** The program is the one denied; are the arguments? An option in between, or in another form, makes it `maybe`. */
function deniesArguments({ kind, words: [, ...wanted] }: CommandPattern, args: readonly Word[]): Verdict {
  const plain = args.every(({ dynamic }) => !dynamic);
  const same = wanted.every((word, index) => args[index]?.dynamic === false && args[index].text === word);
  if (kind === 'exact') {
    if (same && plain && args.length === wanted.length) return 'yes';
    return !plain && args.length <= wanted.length ? 'maybe' : 'no';
  }
  if (same) return 'yes';
  const [first = ''] = wanted;
  if (!first.startsWith('-') && isOtherSubcommand(first, args)) return 'no';
  return mayContain(wanted, args) ? 'maybe' : 'no';
}

/**
 * True when the subcommand is certainly another one: the first word that is neither an option nor may be the value of one. A word before
 * it that is the one wanted leaves it open (`git -C push push`).
 */
function isOtherSubcommand(wanted: string, args: readonly Word[]): boolean {
  for (const [index, { text, dynamic }] of args.entries()) {
    if (dynamic || text === wanted) return false;
    if (!text.startsWith('-') && args[index - 1]?.text.startsWith('-') !== true) return true;
  }
  return true;
}

/** True when all wanted words may be among the arguments, in whatever order options stand. */
function mayContain(wanted: readonly string[], args: readonly Word[]): boolean {
  let from = 0;
  for (const word of wanted) {
    if (word.startsWith('-')) {
      if (!args.some((arg) => arg.dynamic || mayBeOption(word, arg.text)) && !mayBeLetters(word, args)) return false;
    } else {
      const found = args.findIndex((arg, index) => index >= from && (arg.dynamic || arg.text === word));
      if (found < 0) return false;
      from = args[found]?.dynamic === true ? from : found + 1;
    }
  }
  return true;
}

/** `--force` is also `--forc`, `--force=yes`, `--force-with-lease`, and probably `-f`. */
function mayBeOption(wanted: string, given: string): boolean {
  if (wanted === given) return true;
  if (!wanted.startsWith('--')) return false;
  if (given.startsWith('--'))
    return given.length > 3 && (given.startsWith(wanted) || wanted.startsWith(given.split('=')[0] ?? given));
  return /^-[^-]/.test(given) && given.toLowerCase().includes(wanted.charAt(2).toLowerCase());
}

/** `-rf` is also `-r -f`, `-fr`, `-Rf`, and probably `--recursive --force`. */
function mayBeLetters(wanted: string, args: readonly Word[]): boolean {
  if (wanted.startsWith('--')) return false;
  const options = args.filter(({ text }) => text.startsWith('-')).map(({ text }) => text.toLowerCase());
  return [...wanted.slice(1).toLowerCase()].every((letter) =>
    options.some((option) => (option.startsWith('--') ? option.charAt(2) === letter : option.includes(letter))),
  );
}

/** True when what a wrapper runs, or what is sourced, is only known to the shell: `sudo $X`, `source <(…)`. */
function hidesProgram(name: string, args: readonly Word[]): boolean {
  if (name === '.' || name === 'source') return args[0]?.dynamic !== false;
  if (!wrappers.has(name)) return false;
  const program = args.find(
    ({ text, dynamic }) => !/^-|^[A-Za-z_]\w*=/.test(text) && (dynamic || !/^[\d.]+[a-z]?$/.test(text)),
  );
  return program?.dynamic === true;
}

/** True when a launcher is given the program, as a word or inside one. */
function launches(launcher: string, args: readonly Word[], wanted: string): boolean {
  if (!launchers.has(launcher) || wanted === '' || wanted.includes('*')) return false;
  if (launcher === 'command' && /^-[vV]+$/.test(args[0]?.text ?? '')) return false;
  const inside = new RegExp(`(?<![\\w.-])${wanted.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w.-])`, 'i');
  // The text may be for another shell, which takes its own quotes away.
  const holds = (text: string) => inside.test(text) || inside.test(text.replaceAll(/['"\\]/g, ''));
  return args.some(
    ({ text }, index) =>
      holds(text) && (!namesOwn.has(launcher) || takesCommand(launcher, text, args[index - 1]?.text)),
  );
}

/** True for a word in which git, npm and their like take a command: `git bisect run X`, `npm exec -- X`, `git -c alias.x='!X'`. */
function takesCommand(launcher: string, text: string, before = ''): boolean {
  if (before === 'run') return launcher === 'git' || launcher === 'uv';
  if (/^(?:-[a-zA-Z]*m|--(?:message|grep|author|title|body|description))$/.test(before)) return false;
  if (/^--(?:message|grep|author|title|body|description)=/.test(text)) return false;
  return /[\s=!]/.test(text) || /^(?:--|-x|--exec|dlx|exec|foreach|x)$/.test(before);
}

/** A program's name without its folder, as file systems that ignore case take it. */
function baseName(program: string): string {
  return program.slice(program.lastIndexOf('/') + 1).toLowerCase();
}

function strongest(a: Verdict, b: Verdict): Verdict {
  return a === 'yes' || b === 'yes' ? 'yes' : a === 'maybe' || b === 'maybe' ? 'maybe' : 'no';
}

/** Adds what `sh -c '…'` and `eval …` would run; undefined when that cannot be told, as with a shell that reads its input. */
function withScripts(commands: SimpleCommand[] | undefined, nesting: number): SimpleCommand[] | undefined {
  const all: SimpleCommand[] = [];
  for (const command of commands ?? []) {
    all.push(command);
    const script = scriptOf(command.words);
    if (script === 'none') continue;
    const inner =
      script === undefined || nesting === 0 ? undefined : withScripts(readCommandLine(script.text), nesting - 1);
    if (inner === undefined) return undefined;
    all.push(...inner);
  }
  return commands === undefined ? undefined : all;
}

/** The script that a command hands to a shell: `none` when it is no such command, undefined when the script is not known. */
function scriptOf([program, ...args]: readonly Word[]): { readonly text: string } | 'none' | undefined {
  // A launcher may stand before it: `sudo sh -c …`, `xargs -I{} sh -c …`.
  if (program === undefined || program.dynamic) return 'none';
  const name = baseName(program.text);
  if (name === 'eval')
    return args.some(({ dynamic }) => dynamic) ? undefined : { text: args.map(({ text }) => text).join(' ') };
  if (name === 'trap') return args[0] === undefined ? 'none' : args[0].dynamic ? undefined : { text: args[0].text };
  if (!shells.has(name)) {
    const inner = launchers.has(name) && !namesOwn.has(name) ? args.findIndex((arg) => isShell(arg)) : -1;
    return inner < 0 ? 'none' : scriptOf(args.slice(inner));
  }
  const option = args.findIndex(({ text }) => /^-[^-]*c/.test(text));
  const script = args.slice(option + 1).find(({ text }) => !/^[-+]/.test(text));
  if (option < 0) return script === undefined || script.dynamic ? undefined : 'none';
  // `{}` is replaced by xargs and find.
  return script === undefined || script.dynamic || script.text.includes('{}') ? undefined : script;
}

function isShell({ text, dynamic }: Word): boolean {
  return !dynamic && (shells.has(baseName(text)) || text === 'eval');
}
