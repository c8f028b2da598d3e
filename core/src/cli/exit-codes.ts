// The exit codes of the command line; docs/cli.md lists the same table.

/** By what happened. */
export const exitCodes = {
  ok: 0,
  error: 1,
  usage: 2,
  notRunning: 3,
  toolError: 4,
  /** 128 plus SIGINT, as shells have it. */
  cancelled: 130,
} as const;

/** The exit code for a failure's code. */
export function exitCodeOf(code: string | undefined): number {
  if (code === 'USAGE') return exitCodes.usage;
  if (code === 'NOT_RUNNING') return exitCodes.notRunning;
  if (code === 'TOOL_FAILED') return exitCodes.toolError;
  if (code === 'CANCELLED') return exitCodes.cancelled;
  return exitCodes.error;
}
