// `plugboard doctor`: runs the checks of `checks.ts` and shows what they found.
import type { Console } from './console.ts';
import { examine } from './checks.ts';
import type { Finding } from './checks.ts';
import { exitCodes } from './exit-codes.ts';
import { withInvocation } from './invocation.ts';

const marks = { ok: ['green', '✔'], warning: ['yellow', '!'], failure: ['red', '✘'] } as const;

/** One row for each problem of a finding; its advice stands after the last. */
function rowsOf({ result, subject, text, advice }: Finding, output: Console): string[][] {
  const lines = withInvocation(advice === undefined ? text : `${text} → ${advice}`).split('\n');
  const mark = output.paint(marks[result][0], marks[result][1]);
  return lines.map((line, index) => (index === 0 ? [mark, subject, line] : ['', '', line]));
}

/** Checks everything that a start needs. Exit code 1 when something would make it fail. */
export async function doctor(
  options: { readonly config?: string; readonly port?: number },
  output: Console,
): Promise<number> {
  const findings = await examine(options, output);
  const failed = findings.filter(({ result }) => result === 'failure').length;
  if (output.json) output.printJson({ ok: failed === 0, checks: findings });
  else {
    output.print(
      await output.table(
        ['', 'check', 'result'],
        findings.flatMap((finding) => rowsOf(finding, output)),
      ),
    );
    output.note(failed === 0 ? 'everything a start needs is there' : `${failed} of ${findings.length} checks failed`);
  }
  return failed === 0 ? exitCodes.ok : exitCodes.error;
}
