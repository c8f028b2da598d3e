// The plugin in a real proxy, over real sockets; and the contracts that every plugin and every transport keep.
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { pluginContract, pluginHost, transportContract } from '@plugboard/test-kit/contract';
import test from 'ava';
import plugin from '../src/index.ts';
import type { TransportAddress } from '../src/index.ts';

pluginContract(test, {
  plugin,
  folder: fileURLToPath(new URL('../../', import.meta.url)),
  options: { port: 0 },
});

transportContract(test, {
  name: 'template-id',
  maxMessageBytes: 4096,
  async start({ plugins, config }) {
    const host = await pluginHost({ plugins: [...plugins, [plugin, { port: 0, maxLineBytes: 4096 }]], config });
    const { port } = host.service<TransportAddress>('template-id');
    return {
      stop: () => host.stop(),
      connect: (receive) => {
        const socket = connect({ host: '127.0.0.1', port }).setEncoding('utf8');
        let rest = '';
        socket.on('data', (text: string) => {
          const lines = (rest + text).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) receive(JSON.parse(line));
        });
        socket.on('error', () => {});
        return {
          send: (message) => void socket.write(`${JSON.stringify(message)}\n`),
          sendRaw: (text) => void socket.write(`${text}\n`),
          close: () => void socket.destroy(),
        };
      },
    };
  },
});
