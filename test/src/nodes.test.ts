import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseIp, type IpAddress } from '../../net/ip.ts';
import type { ApiRequest } from '../../src/backend.ts';
import { main } from '../../src/cli.ts';
import { openCluster } from '../../src/io/cluster.ts';
import { serveTelemetry, type TelemetryServer } from '../../src/io/http.ts';
import { answerReadApi } from '../../src/io/read-api.ts';
import { speakerPods } from '../../src/kubernetes/pods.ts';
import type { World } from '../../src/world.ts';
import { fakeBackend, silentLog } from './fake-daemon.ts';
import { ApiServerStandIn } from './kubernetes/api-server.ts';

// `--node` and `--all-nodes`: the command line, a kubectl, an API server with its pod proxy, and the read-only API of two speakers.

const world = { config: { node: { name: 'hv-07' } } } as World;

/** What kubectl does with `get --raw PATH`, as far as it counts here: the real one is asked in the package's tests. */
const kubectl = (port: number, folder: string): string => `#!${process.execPath}
const { readFileSync } = require('node:fs');
const [, , verb, raw, path] = process.argv;
if (verb !== 'get' || raw !== '--raw') process.exit(64);
require('node:https').get({ host: '127.0.0.1', port: ${port}, path, ca: readFileSync('${folder}/ca.crt'), headers: { authorization: 'Bearer token-1' }, agent: false }, (response) => {
  let text = '';
  response.on('data', (chunk) => (text += chunk));
  response.on('end', () => {
    if (response.statusCode < 400) return process.stdout.write(text);
    process.stderr.write('Error from server: ' + JSON.parse(text).message + '\\n');
    process.exitCode = 1;
  });
});
`;

describe('--node and --all-nodes', function () {
  this.timeout(30_000);
  this.slow(3000);
  let folder: string;
  let api: ApiServerStandIn;
  const seen: ApiRequest[] = [];
  const backend = fakeBackend(seen);
  const servers: TelemetryServer[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-nodes-'));
    api = await ApiServerStandIn.start(join(folder, 'api'));
    writeFileSync(join(folder, 'kubectl'), kubectl(api.port, api.folder), { mode: 0o755 });
    const port = async (): Promise<number> => {
      const server = serveTelemetry({
        listen: { address: parseIp('127.0.0.1') as IpAddress, port: 0 }, metrics: () => '', notReady: () => [], log: silentLog, page: (request, response) => answerReadApi(backend, world, request, response),
        onFailure: (error) => { throw error; },
      });
      servers.push(server);
      return (await server.listening) as number;
    };
    api.pods = [
      { name: 'landfall-bbbbb', node: 'hv-08', port: await port() }, { name: 'landfall-aaaaa', node: 'hv-07', port: await port() },
      { name: 'landfall-ended', node: 'hv-06', phase: 'Failed' }, { name: 'other', node: 'hv-05', labels: { 'app.kubernetes.io/name': 'other' } },
    ];
  });
  after(async () => {
    for (const server of servers) server.close();
    await api.stop();
    rmSync(folder, { recursive: true });
  });

  async function landfall(words: string, environment: Record<string, string> = {}): Promise<{ status: number; stdout: string; stderr: string }> {
    const caught = { stdout: '', stderr: '' };
    const before = { stdout: process.stdout.write, stderr: process.stderr.write, env: process.env };
    const take = (name: 'stdout' | 'stderr') => (text: string): boolean => {
      caught[name] += text;
      return true;
    };
    process.env = { PATH: `${folder}:${before.env['PATH']}`, ...environment };
    process.stdout.write = take('stdout');
    process.stderr.write = take('stderr');
    try {
      return { status: await main(words.split(' ')), ...caught };
    } finally {
      process.stdout.write = before.stdout;
      process.stderr.write = before.stderr;
      process.env = before.env;
    }
  }

  it('one node answers as the command would there', async () => {
    const cases: [string, number, RegExp][] = [
      ['status', 0, /^landfall +0\.1\.0 on hv-07\n/],
      ['show peers', 0, /^PEER +ADDRESS[^\n]*\ntor-a/],
      ['show prefixes --state elevated -o name', 0, /^203\.0\.113\.11\/32\n$/],
      ['show received -o json', 0, /"node": "hv-07"/],
      ['show migration k3f9', 0, /^ {4}0\.0 ms {2}frame/],
      ['show why 203.0.113.13', 0, /is not announced/],
      ['show bindings', 0, /shop\/web-1/],
      ['show ignored', 0, /no_binding/],
    ];
    for (const [words, status, stdout] of cases) {
      const ended = await landfall(`${words} --node hv-07`);
      assert.equal(ended.status, status, `${words}: ${ended.stderr}`);
      assert.match(ended.stdout, stdout, words);
    }
    assert.ok(api.requests.some(({ path }) => path.startsWith('/api/v1/namespaces/landfall-system/pods/landfall-aaaaa:17479/proxy/api/v1/prefixes?state=elevated')));
    assert.deepEqual(seen.find(({ verb }) => verb === 'prefixes'), { verb: 'prefixes', state: 'elevated' });
  });

  it('all nodes answer in one list, each line with its node', async () => {
    const table = await landfall('show peers --all-nodes');
    assert.equal(table.status, 0, table.stderr);
    assert.match(table.stdout, /^NODE +PEER +ADDRESS[^\n]*\nhv-07 +tor-a[^]*\nhv-08 +tor-a/);
    const json = JSON.parse((await landfall('show peers --all-nodes -o json')).stdout) as { kind: string; node: string; items: { atNode: string; name: string }[] };
    assert.deepEqual([json.kind, json.node, json.items.map(({ atNode, name }) => `${atNode} ${name}`)], ['PeerList', '*', ['hv-07 tor-a', 'hv-07 tor-b', 'hv-08 tor-a', 'hv-08 tor-b']]);
    assert.match((await landfall('show migrations --all-nodes -o name')).stdout, /^hv-07 k3f9\nhv-07 k3f8\nhv-08 k3f9\n/);
    assert.match((await landfall('status --all-nodes')).stdout, /^hv-07:\nlandfall [^]*\n\nhv-08:\nlandfall /);
    const down = await landfall('show peers tor-b --all-nodes');
    assert.equal(down.status, 1);
  });

  it('a node that does not answer is named, fails the command, and hides no other', async () => {
    const pods = [...api.pods];
    api.pods = [...pods, { name: 'landfall-deaf', node: 'hv-09' }];
    const all = await landfall('show peers --all-nodes -o name');
    assert.equal(all.status, 1);
    assert.equal(all.stdout, 'hv-07 tor-a\nhv-07 tor-b\nhv-08 tor-a\nhv-08 tor-b\n');
    assert.match(all.stderr, /^landfall: hv-09 can't be asked: Error from server: error trying to reach service: .*refused; its telemetry must listen on the node's address with kubernetes\.enabled/);
    assert.equal((await landfall('status --node hv-09')).status, 4);
    api.pods = pods;
  });

  it('says in one sentence what is wrong', async () => {
    const cases: [string, number, RegExp, Record<string, string>?][] = [
      ['status --node hv-99', 4, /no pod of landfall runs on hv-99 in namespace landfall-system/],
      ['show peers nope --node hv-07', 1, /^landfall: hv-07: no peer is named nope\n$/],
      ['show why nonsense --node hv-07', 2, /hv-07: .*is not an IP address/],
      ['status --node hv-07 --all-nodes', 2, /cannot be used with/],
      ['announce 203.0.113.11 --node hv-07', 2, /--node and --all-nodes are for status and show/],
      ['show config --all-nodes', 2, /are for status and show/],
      ['reload --all-nodes', 2, /are for status and show/],
      ['status --all-nodes --namespace elsewhere', 4, /the cluster can't be asked: Error from server: the server could not find/],
      ['status --all-nodes', 4, /the server could not find/, { LANDFALL_NAMESPACE: 'elsewhere' }],
      ['status --all-nodes', 4, /kubectl is not installed here/, { PATH: '/nowhere' }],
    ];
    for (const [words, status, stderr, environment] of cases) {
      const ended = await landfall(words, environment);
      assert.equal(ended.status, status, `${words}: ${ended.stderr}`);
      assert.match(ended.stderr, stderr, words);
    }
  });

  it('reads nothing from afar that changes anything or tells of the configuration', async () => {
    const port = api.pods[0]?.port as number;
    for (const path of ['/v1/config', '/v1/doctor', '/v1/drain', '/v1/events', '/v1/reload', '/v1/announce', '/v1/nonsense']) {
      const answer = (await (await fetch(`http://127.0.0.1:${port}/api${path}`)).json()) as { kind: string };
      assert.equal(answer.kind, 'Error', path);
    }
    assert.equal((await fetch(`http://127.0.0.1:${port}/api/v1/announce`, { method: 'POST' })).status, 405);
    const before = seen.length;
    assert.equal((await fetch(`http://localhost:${port}/api/v1/peers`)).status, 200);
    assert.equal(seen.length, before + 1);
  });

  it('inside a pod its service account is used, and its namespace', async () => {
    const environment = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(api.port) };
    const inside = openCluster(environment, api.folder);
    assert.equal(inside.namespace, 'landfall-system');
    assert.equal(speakerPods(await inside.ask('/api/v1/namespaces/landfall-system/pods?labelSelector=app.kubernetes.io%2Fname%3Dlandfall', 2000))?.length, 2);
    await assert.rejects(inside.ask('/api/v1/nonsense', 2000), /404 the server could not find/);
    assert.equal(openCluster(environment, join(folder, 'none')).namespace, undefined);
  });

  it('takes of a list of pods what could be one, and nothing else', () => {
    const pod = (name: unknown, nodeName: unknown, phase: unknown, ports?: unknown): object => ({ metadata: { name }, spec: { nodeName, containers: [{ ports }] }, status: { phase } });
    assert.deepEqual(speakerPods({ items: [pod('b', 'n2', 'Running', [{ name: 'metrics', containerPort: 9000 }]), pod('../x', 'n1', 'Running'), pod('a', 'n1', 'Pending'), pod('c', 'n2', 'Running'), pod(7, 'n3', 'Running'), null, 7] }),
      [{ node: 'n2', pod: 'b', port: 9000 }]);
    for (const list of [null, 7, {}, { items: {} }]) assert.equal(speakerPods(list), undefined);
  });
});
