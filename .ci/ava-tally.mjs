// Counting tests in ava's report as it is printed. ava gives no total of passed tests once something failed, and its
// TAP output crashes when a test times out, so the lines of the default report are what there is.
import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';

// Two spaces in front are ava's own margin: what tests log stands further to the right. The second sign is for
// TERM=linux.
const patterns = {
  passed: /^ {2}[✔√] /,
  failedTest: /^ {2}[✘×] \[(?:fail|unexpected pass)\]/,
  skipped: /^ {2}- \[(?:skip|todo)\] /,
  brokenFile: /^ {2}[✘×] (?:(?:\d+ tests? remaining|No tests found) in |.* when running )?(\S+\.[cm]?js)\b/,
  brokenRun: /^ {2}[✘×] /,
  details: /^ {2}─+$/,
};

/**
 * Reads ava's standard output piece by piece.
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 * @returns {{ read: (chunk: Buffer) => void, close: (exitCode: number | null) => Counts }}
 *   `failed` counts tests, and once each every test file that broke off (threw, exited, ran nothing) and a run that
 *   timed out; an exit code other than 0 without any of these, and a run without a passed test, are one failure
 */
export function createTally() {
  const decoder = new StringDecoder('utf8');
  const count = { passed: 0, failedTest: 0, skipped: 0, brokenRun: 0 };
  const brokenFiles = new Set();
  let rest = '';
  let detailed = false;

  function readLine(coloured) {
    const line = stripVTControlCharacters(coloured).trimEnd();
    // Behind the first rule ava explains the failures, quoting whatever the tests compared.
    if (detailed || patterns.details.test(line)) {
      detailed = true;
      return;
    }
    const kind = Object.keys(patterns).find((name) => patterns[name].test(line));
    if (kind === 'brokenFile') brokenFiles.add(patterns.brokenFile.exec(line)[1]);
    else if (kind !== undefined) count[kind] += 1;
  }

  return {
    read(chunk) {
      const lines = (rest + decoder.write(chunk)).split('\n');
      rest = lines.pop();
      for (const line of lines) readLine(line);
    },
    close(code) {
      if (rest !== '') readLine(rest);
      const counted = count.failedTest + brokenFiles.size + count.brokenRun;
      const silent = counted === 0 && (code !== 0 || count.passed === 0);
      return { passed: count.passed, failed: silent ? 1 : counted, skipped: count.skipped };
    },
  };
}
