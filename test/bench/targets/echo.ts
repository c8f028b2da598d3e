// The floor: the least a node:http server can do with a JSON-RPC request. Parses it, answers with its argument.
// `PUT /list/<era>` stores bytes that `tools/list` then sends, to compare a cached list with sending the same bytes.
import type { ServerResponse } from 'node:http';
import { type Incoming, isNew } from './answers.ts';
import { listen, readBody, sendJson } from './listen.ts';

const lists = new Map<string, Buffer>();
const welcome =
  '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1.0.0"}}';

function sendList(response: ServerResponse, id: string, list: Buffer): void {
  const start = `{"jsonrpc":"2.0","id":${id},"result":`;
  const length = start.length + list.length + 1;
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': length });
  response.write(start);
  response.write(list);
  response.end('}');
}

listen((request, response) => {
  readBody(request, (body) => {
    if (request.method === 'PUT') {
      lists.set(request.url ?? '', Buffer.from(body));
      return sendJson(response, 200, '{}');
    }
    const message = JSON.parse(body) as Incoming;
    if (message.id === undefined) return response.writeHead(202).end();
    const id = JSON.stringify(message.id);
    const list = message.method === 'tools/list' ? lists.get(isNew(message) ? '/list/new' : '/list/old') : undefined;
    if (list !== undefined) return sendList(response, id, list);
    const text = JSON.stringify(message.params?.arguments?.text ?? '');
    const result = message.method === 'initialize' ? welcome : `{"content":[{"type":"text","text":${text}}]}`;
    sendJson(response, 200, `{"jsonrpc":"2.0","id":${id},"result":${result}}`);
  });
});
