// `npm run check`: everything about the source that can be judged without running it. Ends with `N passed, N failed`.
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkBoundaries, findUnbuilt } from './boundaries.mjs';
import { runCommand } from './run-command.mjs';
import { checkWords } from './words.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** A file longer than this (lines) is mentioned, not refused. */
const longFile = 320;

/** Runs a tool; its output is the list of problems when it fails. */
async function run(command, args) {
  const { code, output } = await runCommand({ command, args, cwd: root, capture: true });
  return code === 0 ? [] : [output.trimEnd() || `${command} ended with exit code ${code} and said nothing`];
}

const runTool = (name, args) => run(path.join(root, 'node_modules', '.bin', name), args);

/**
 * biome prints each file with the difference in full; which files they are is enough, since it can write them itself.
 */
async function checkFormat() {
  const problems = await runTool('biome', [
    'format',
    '--config-path=.ci',
    '--max-diagnostics=none',
    '--colors=off',
    '.',
  ]);
  const files = problems.flatMap((text) => [...text.matchAll(/^(\S+) format ━/gm)]).map((match) => match[1]);
  if (files.length === 0 || problems.join().includes(' parse ━')) return problems;
  return [...files, 'These are not formatted; "npm run format" writes them as they should be.'];
}

async function listFiles() {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const { code, output } = await runCommand({ command: 'git', args, cwd: root, capture: true });
  if (code !== 0)
    throw new Error(`git ls-files: ${output.trim()}\nThe check reads the files of a git work tree; run it in a clone.`);
  const isFile = (file) => statSync(path.join(root, file), { throwIfNoEntry: false })?.isFile();
  return [...new Set(output.split('\0'))].filter((file) => file !== '' && isFile(file));
}

const checks = {
  types: () => runTool('tsc', ['-b']),
  lint: () =>
    runTool('oxlint', ['--config', '.ci/oxlintrc.json', '--type-aware', '--format', 'unix', '--deny-warnings', '.']),
  format: checkFormat,
  boundaries: async (files) => [...findUnbuilt(root, files), ...(await checkBoundaries(root, files))],
  words: (files) => checkWords(root, files),
  docs: () => run(process.execPath, ['.ci/docs.mjs', '--check']),
};

async function runCheck(name, files) {
  const started = performance.now();
  let problems;
  try {
    problems = await checks[name](files);
  } catch (error) {
    problems = [error.message];
  }
  const passed = problems.length === 0;
  console.log(`${passed ? '✔' : '✘'} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  for (const problem of problems) console.log(problem.replace(/^(?=.)/gm, '    '));
  return passed;
}

function noticeLongFiles(files) {
  const countLines = (file) => readFileSync(path.join(root, file), 'utf8').split('\n').length - 1;
  const code = files.filter((file) => /\.(?:ts|[cm]?js)$/.test(file));
  const lengths = code.map((file) => ({ file, lines: countLines(file) }));
  const long = lengths.filter(({ lines }) => lines > longFile);
  if (long.length > 0) console.log(`\nLonger than ${longFile} lines; a file with a second heading is two files:`);
  for (const { file, lines } of long) console.log(`    ${file}: ${lines} lines`);
}

const files = await listFiles();
let passed = 0;
for (const name of Object.keys(checks)) passed += (await runCheck(name, files)) ? 1 : 0;
noticeLongFiles(files);
const failed = Object.keys(checks).length - passed;
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
