import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { request as httpRequest } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';

// A stand-in for the Kubernetes API server: real HTTPS, and what the API's documents say of watches (a first ADDED without a version, bookmarks,
// 410 Gone in both ways), of Events, lists of pods and the pod proxy, of 401 and 403.

export interface StoredEvent {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly involvedObject: { readonly kind: string; readonly name: string; readonly uid: string };
  readonly reason: string;
  readonly type: string;
  readonly message: string;
}

export interface Pod {
  readonly name: string;
  readonly node: string;
  /** The port of the speaker's telemetry on 127.0.0.1; left out: nobody listens there. */
  readonly port?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly phase?: string;
}

export class ApiServerStandIn {
  readonly folder: string;
  readonly requests: { readonly method: string; readonly path: string; readonly accept: string }[] = [];
  readonly events: StoredEvent[] = [];
  pods: Pod[] = [];
  token = 'token-1';
  /** Answers to the next requests for a path that begins so: a status, or `silent`. */
  readonly refusals: { readonly path: string; readonly answer: number | 'silent'; readonly retryAfter?: number; times: number }[] = [];
  /** Versions below are too old: told as HTTP status or as an event of the stream. */
  oldest = 0;
  goneAs: 'status' | 'event' = 'event';
  #version = 100;
  #nodes = new Map<string, { labels: Record<string, string>; version: number }>();
  readonly #watches = new Map<ServerResponse, string>();
  readonly #sockets = new Set<Duplex>();
  #server: Server | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes a CA, a certificate for 127.0.0.1 and a service account in `folder`, and listens. */
  static async start(folder: string): Promise<ApiServerStandIn> {
    mkdirSync(folder, { recursive: true });
    const api = new ApiServerStandIn(folder);
    const openssl = (...words: string[]): void => void execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' });
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=test-ca', '-keyout', 'ca.key', '-out', 'ca.crt');
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=kube-apiserver', '-keyout', 'tls.key', '-out', 'tls.csr');
    writeFileSync(join(folder, 'san'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    openssl('x509', '-req', '-in', 'tls.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'san', '-out', 'tls.crt');
    writeFileSync(join(folder, 'token'), api.token);
    writeFileSync(join(folder, 'namespace'), 'landfall-system');
    api.#server = createServer({ key: readFileSync(join(folder, 'tls.key')), cert: readFileSync(join(folder, 'tls.crt')) }, (request, response) => api.#answer(request, response));
    api.#server.on('connection', (socket) => {
      api.#sockets.add(socket);
      socket.on('close', () => api.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => api.#server?.listen(0, '127.0.0.1', resolve));
    return api;
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo).port;
  }

  get watching(): number {
    return this.#watches.size;
  }

  get version(): number {
    return this.#version;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => (this.#server === undefined ? resolve(undefined) : this.#server.close(resolve)));
  }

  /** Cuts every connection, as a load balancer that goes away. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends every watch in order, as its timeout does. */
  endWatches(): void {
    for (const watch of this.#watches.keys()) watch.end();
  }

  setNode(name: string, labels: Record<string, string>): void {
    const type = this.#nodes.has(name) ? 'MODIFIED' : 'ADDED';
    this.#nodes.set(name, { labels, version: ++this.#version });
    this.#tell(name, type);
  }

  removeNode(name: string): void {
    this.#version += 1;
    this.#tell(name, 'DELETED');
    this.#nodes.delete(name);
  }

  /** Tells every watch how far it is, as a server does about once a minute. */
  bookmark(): void {
    this.#version += 1;
    for (const watch of this.#watches.keys()) watch.write(`${JSON.stringify({ type: 'BOOKMARK', object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: { resourceVersion: String(this.#version) } } })}\n`);
  }

  /** Octets on every watch. */
  say(text: string): void {
    for (const watch of this.#watches.keys()) watch.write(text);
  }

  #tell(name: string, type: string): void {
    for (const [watch, of] of this.#watches) if (of === name) watch.write(`${JSON.stringify({ type, object: this.#object(name) })}\n`);
  }

  #object(name: string): object {
    const node = this.#nodes.get(name);
    return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: { name, uid: `uid-of-${name}`, resourceVersion: String(node?.version), labels: node?.labels } };
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', 'https://x');
    this.requests.push({ method: request.method ?? '', path: request.url ?? '', accept: String(request.headers.accept) });
    const refusal = this.refusals.find((each) => each.times > 0 && url.pathname.startsWith(each.path));
    if (refusal !== undefined) {
      refusal.times -= 1;
      if (refusal.answer === 'silent') return;
      if (refusal.retryAfter !== undefined) response.setHeader('retry-after', refusal.retryAfter);
      return status(response, refusal.answer, `planted ${refusal.answer}`);
    }
    if (request.headers.authorization !== `Bearer ${this.token}`) return status(response, 401, 'Unauthorized');
    if (url.pathname === '/api/v1/nodes' && url.searchParams.get('watch') === 'true') return this.#watch(url, response);
    if (url.pathname === '/api/v1/namespaces/default/events' && request.method === 'POST') return this.#takeEvent(request, response);
    if (url.pathname === '/api/v1/namespaces/landfall-system/pods') return this.#listPods(url, response);
    const proxied = /^\/api\/v1\/namespaces\/landfall-system\/pods\/([a-z0-9-]+):(\d+)\/proxy(\/.*)$/.exec(url.pathname);
    if (proxied !== null) return this.#proxy(proxied[1] as string, `${proxied[3]}${url.search}`, response);
    status(response, 404, 'the server could not find the requested resource');
  }

  #watch(url: URL, response: ServerResponse): void {
    const name = /^metadata\.name=(.+)$/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1];
    if (name === undefined) return status(response, 403, 'nodes is forbidden: cannot watch resource "nodes" at the cluster scope');
    const from = url.searchParams.get('resourceVersion');
    if (from !== null && Number(from) < this.oldest && this.goneAs === 'status') return status(response, 410, `too old resource version: ${from} (${this.oldest})`);
    response.writeHead(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' });
    response.flushHeaders();
    if (from !== null && Number(from) < this.oldest) {
      response.end(`${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: `too old resource version: ${from} (${this.oldest})` } })}\n`);
      return;
    }
    this.#watches.set(response, name);
    response.on('close', () => this.#watches.delete(response));
    const node = this.#nodes.get(name);
    if (node !== undefined && (from === null || Number(from) < node.version)) response.write(`${JSON.stringify({ type: from === null ? 'ADDED' : 'MODIFIED', object: this.#object(name) })}\n`);
  }

  #takeEvent(request: IncomingMessage, response: ServerResponse): void {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const event = JSON.parse(text) as StoredEvent;
      if (this.events.some((each) => each.metadata.name === event.metadata.name)) return status(response, 409, 'already exists');
      this.events.push(event);
      json(response, 201, event);
    });
  }

  #listPods(url: URL, response: ServerResponse): void {
    const selector = url.searchParams.get('labelSelector') ?? '';
    const items = this.pods.map(({ name, node, labels = { 'app.kubernetes.io/name': 'landfall' }, phase = 'Running' }) => ({ metadata: { name, labels }, spec: { nodeName: node }, status: { phase } }))
      .filter(({ metadata }) => selector.split(',').every((term) => metadata.labels[term.split('=')[0] as string] === term.split('=')[1]));
    const field = /^spec\.nodeName=(.+)$/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1];
    json(response, 200, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: field === undefined ? items : items.filter(({ spec }) => spec.nodeName === field) });
  }

  #proxy(name: string, path: string, response: ServerResponse): void {
    const port = this.pods.find((pod) => pod.name === name)?.port;
    const outgoing = httpRequest({ host: '127.0.0.1', port: port ?? 1, path, headers: { host: `127.0.0.1:${port ?? 1}` } }, (incoming) => {
      response.writeHead(incoming.statusCode ?? 502, incoming.headers);
      incoming.pipe(response);
    });
    outgoing.on('error', () => status(response, 503, 'error trying to reach service: dial tcp 192.0.2.17:17479: connect: connection refused'));
    outgoing.end();
  }
}

function status(response: ServerResponse, code: number, message: string): void {
  json(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message });
}

function json(response: ServerResponse, code: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(code, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
