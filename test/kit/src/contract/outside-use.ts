// What a plugin does with Node itself, as far as it can be seen from outside: sockets and child processes. For comparison with what it declares.
import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

/** Uses since {@link watchOutside} began, as sentences. */
export interface OutsideUse {
  readonly network: Set<string>;
  readonly childProcess: Set<string>;
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Watches this whole process from now on. Call it once, before plugins are loaded. */
export function watchOutside(): OutsideUse {
  const use: OutsideUse = { network: new Set(), childProcess: new Set() };
  watch(net.Server.prototype, 'listen', () => use.network.add('it listens on the network'));
  watch(net.Socket.prototype, 'connect', () => use.network.add('it connects to the network'));
  const spawning = () => use.childProcess.add('it starts processes');
  const { ChildProcess } = childProcess as unknown as { ChildProcess: { prototype: object } };
  watch(ChildProcess.prototype, 'spawn', spawning);
  for (const name of ['spawnSync', 'execFileSync', 'execSync']) watch(childProcess, name, spawning);
  syncBuiltinESMExports();
  return use;
}

function watch(owner: object, name: string, seen: () => void): void {
  const methods = owner as Record<string, Method>;
  const original = methods[name];
  if (original === undefined) return;
  methods[name] = function (...args) {
    seen();
    return original.apply(this, args);
  };
}
