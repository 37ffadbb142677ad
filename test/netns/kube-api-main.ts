import { createServer } from 'node:http';
import { ApiServerStandIn } from '../src/kubernetes/api-server.ts';

// The stand-in for the API server inside a namespace: `kube-api-main.ts FOLDER CONTROL-PORT`. By plain HTTP on the control port it is told what to
// do (`/node?name=hv-1&rack=r1`, `/pod?name=…&node=…&port=…`, `/away`) and says what it has (`/`).

const [folder, control] = process.argv.slice(2) as [string, string];
const api = await ApiServerStandIn.start(folder);
createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
  const { name = '', ...rest } = Object.fromEntries(searchParams);
  if (pathname === '/node') api.setNode(name, rest);
  if (pathname === '/pod') api.pods.push({ name, node: rest['node'] as string, port: Number(rest['port']) });
  if (pathname === '/away') void api.stop();
  response.end(JSON.stringify({ port: pathname === '/away' ? 0 : api.port, watching: api.watching, events: api.events }));
}).listen(Number(control), '127.0.0.1', () => process.stdout.write('ready\n'));
