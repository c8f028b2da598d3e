// A server of tests whose every connection and call the test holds in its hands. No expectations live here.
import { Answer, definePlugin } from '../src/index.ts';
import type {
  Capabilities,
  Connection,
  ConnectionEvents,
  LeaseKey,
  Plugin,
  ServerDefinition,
  UpstreamCall,
} from '../src/index.ts';

/** A hand-made server whose every connection and call the test holds in its hands. */
export class Puppet {
  readonly events: ConnectionEvents[] = [];
  readonly calls: UpstreamCall[] = [];
  tools = ['one'];
  lists = 0;
  opened = 0;
  closed = 0;
  failing: string | undefined;
  /** Connections wait for it before they are open. */
  ready: Promise<void> = Promise.resolve();
  readonly keys: LeaseKey[] = [];
  /** Sending throws, as it does for what cannot be written. */
  throwing = false;
  /** What it says it can do beside tools. */
  capabilities: Capabilities = {};
  readonly definition: ServerDefinition;

  constructor(name: string, overrides: Partial<ServerDefinition> = {}) {
    this.definition = {
      name,
      kind: 'puppet',
      isolation: 'task',
      open: (key, events) => this.#open(key, events),
      ...overrides,
    };
  }

  get plugin(): Plugin {
    return definePlugin({
      id: `puppet-${this.definition.name}`,
      apiVersion: 1,
      apply: ({ servers }) => servers.register(this.definition),
    });
  }

  async #open(key: LeaseKey, events: ConnectionEvents): Promise<Connection> {
    if (key.kind !== 'catalogue') await this.ready;
    this.keys.push(key);
    if (this.failing !== undefined) throw new Error(this.failing);
    this.opened += 1;
    this.events.push(events);
    return {
      era: 'old',
      info: {
        protocolVersion: '2025-11-25',
        capabilities: { tools: { listChanged: true }, ...this.capabilities },
        serverInfo: { name: 'puppet', version: '1' },
      },
      send: (call) => {
        if (this.throwing) throw new Error('too deep');
        if (call.method === 'resources/templates/list') call.resolve(Answer.result({ resourceTemplates: [] }));
        else if (call.method === 'resources/list')
          call.resolve(Answer.result({ resources: ['both', 'one'].map((name) => ({ uri: `x://${name}`, name })) }));
        if (call.done) return;
        if (call.method !== 'tools/list') {
          this.calls.push(call);
          if (call.method.startsWith('resources/')) call.resolve(Answer.result({}));
          return;
        }
        this.lists += 1;
        call.resolve(Answer.result({ tools: this.tools.map((name) => ({ name, inputSchema: { type: 'object' } })) }));
      },
      notify: () => {},
      listen: () => {},
      close: async () => void (this.closed += 1),
    };
  }
}
