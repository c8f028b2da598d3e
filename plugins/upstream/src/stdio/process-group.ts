// Signals to a child and everything it has started: its process group. Which child, and when, is not decided here.

const grouped = process.platform !== 'win32';

/** Sends a signal to all processes of a group; false when there are none left. Windows has no groups: the child alone is meant. */
export function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(grouped ? -leader : leader, signal);
    return true;
  } catch (error) {
    // EPERM: processes are left that belong to somebody else (a setuid helper); they are not ours to end.
    return (error as NodeJS.ErrnoException).code === 'EPERM' && signal === 0;
  }
}

/** Spawn options that give a child its own group. */
export const ownGroup = { detached: grouped, windowsHide: true } as const;
