// The transports of this repository under the contract that every transport keeps.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import http from '@plugboard/http';
import type { HttpService } from '@plugboard/http';
import { createStdioTransport } from '@plugboard/stdio';
import type { StdioTransport } from '@plugboard/stdio';
import { pluginHost, transportContract } from '@plugboard/test-kit/contract';
import type { TransportChannel } from '@plugboard/test-kit/contract';
import test from 'ava';
import { rpcCode } from 'plugboard';
import type { Plugin } from 'plugboard';
import { WebSocket } from 'undici';
import { root } from '../e2e/support/stand.ts';
import { httpChannel } from './support/http-channel.ts';

const maxMessageBytes = 64 * 1024;

transportContract(test, {
  name: 'http',
  maxMessageBytes,
  async start({ plugins, config }) {
    const options = { port: 0, maxBodyBytes: maxMessageBytes };
    const host = await pluginHost({ plugins: [...plugins, [http, options]], config });
    const { url } = host.service<HttpService>('http').address();
    return { connect: (receive) => httpChannel(url, receive), stop: () => host.stop() };
  },
});

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

transportContract(test, {
  name: 'stdio',
  maxMessageBytes,
  async start({ plugins, config }) {
    // The plugin serves one client, on this process's own streams; its transport serves any pair of streams.
    const host = await pluginHost({ plugins, config });
    const transports = new Set<StdioTransport>();
    return {
      stop: async () => {
        await Promise.all([...transports].map((transport) => transport.stop()));
        await host.stop();
      },
      connect: (receive) => {
        const [input, output] = [new PassThrough(), new PassThrough()];
        const transport = createStdioTransport(host.board, {
          input,
          output,
          log,
          maxLineBytes: maxMessageBytes,
          onEnd: () => void transports.delete(transport),
        });
        transports.add(transport);
        let rest = '';
        output.setEncoding('utf8').on('data', (text: string) => {
          const lines = (rest + text).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) receive(JSON.parse(line));
        });
        return {
          send: (message) => void input.write(`${JSON.stringify(message)}\n`),
          sendRaw: (text) => void input.write(`${text}\n`),
          close: () => void input.end(),
        };
      },
    };
  },
});

if (existsSync(path.join(root, 'plugins', 'websocket', 'lib', 'index.js'))) {
  transportContract(test, {
    name: 'websocket',
    maxMessageBytes,
    async start({ plugins, config }) {
      const name = '@plugboard/websocket';
      const { default: websocket } = (await import(name)) as { default: Plugin };
      const host = await pluginHost({ plugins: [...plugins, [websocket, { port: 0, maxMessageBytes }]], config });
      const { url } = host.service<{ address(): { readonly url: string } }>('websocket').address();
      return { connect: (receive) => webSocketChannel(url, receive), stop: () => host.stop() };
    },
  });
}

function webSocketChannel(url: string, receive: (message: unknown) => void): TransportChannel {
  const socket = new WebSocket(url, 'mcp');
  const opened = new Promise<void>((resolve) => socket.addEventListener('open', () => resolve()));
  socket.addEventListener('message', ({ data }) => receive(JSON.parse(String(data))));
  socket.addEventListener('error', () => {});
  // A message that is too long ends a WebSocket, with the reason in its last frame (RFC 6455, 7.4.1).
  socket.addEventListener('close', ({ code, reason: message }) => {
    if (code === 1009) receive({ jsonrpc: '2.0', error: { code: rpcCode.invalidRequest, message } });
  });
  const write = (text: string) => void opened.then(() => socket.send(text));
  return { send: (message) => write(JSON.stringify(message)), sendRaw: write, close: () => socket.close() };
}
