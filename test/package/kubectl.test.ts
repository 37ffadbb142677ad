import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseIp, type IpAddress } from '../../net/ip.ts';
import { run } from '../../src/demo/processes.ts';
import { serveTelemetry, type TelemetryServer } from '../../src/io/http.ts';
import { answerReadApi } from '../../src/io/read-api.ts';
import type { World } from '../../src/world.ts';
import { fakeBackend, silentLog } from '../src/fake-daemon.ts';
import { ApiServerStandIn } from '../src/kubernetes/api-server.ts';

// `landfall --node` and `--all-nodes` by the real kubectl with a kubeconfig, against a stand-in for the API server.

const root = fileURLToPath(new URL('../../', import.meta.url));
const module = (await import(new URL('../../scripts/setup/cluster-tools.mjs', import.meta.url).href)) as { provideClusterTools: (root: string) => Promise<{ kubectl: string }> };

describe('kubectl', function () {
  this.timeout(600_000);
  let folder: string;
  let api: ApiServerStandIn;
  let server: TelemetryServer;

  before(async () => {
    const { kubectl } = await module.provideClusterTools(root);
    folder = mkdtempSync(join(tmpdir(), 'landfall-kubectl-'));
    symlinkSync(kubectl, join(folder, 'kubectl'));
    api = await ApiServerStandIn.start(join(folder, 'api'));
    server = serveTelemetry({
      listen: { address: parseIp('127.0.0.1') as IpAddress, port: 0 }, metrics: () => '', notReady: () => [], log: silentLog, onFailure: (error) => { throw error; },
      page: (request, response) => answerReadApi(fakeBackend(), { config: { node: { name: 'hv-07' } } } as World, request, response),
    });
    api.pods = [{ name: 'landfall-aaaaa', node: 'hv-07', port: (await server.listening) as number }, { name: 'landfall-deaf', node: 'hv-09' }];
    writeFileSync(join(folder, 'kubeconfig'), `apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: test}}]
clusters: [{name: test, cluster: {server: "https://127.0.0.1:${api.port}", certificate-authority: ${api.folder}/ca.crt}}]
users: [{name: test, user: {token: ${api.token}}}]
`, { mode: 0o600 });
  });
  after(async () => {
    server?.close();
    await api?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  const landfall = (...words: string[]): ReturnType<typeof run> =>
    run(['env', `PATH=${folder}:${process.env['PATH']}`, `KUBECONFIG=${folder}/kubeconfig`, process.execPath, join(root, 'dist/src/cli.js'), '--timeout', '20s', ...words], { timeoutMs: 60_000 });

  it('asks one node, with its words for what is refused', async () => {
    const one = await landfall('show', 'peers', '--node', 'hv-07');
    assert.deepEqual([one.status, one.stderr], [0, '']);
    assert.match(one.stdout, /^PEER +ADDRESS[^\n]*\ntor-a /);
    const none = await landfall('show', 'peers', 'nope', '--node', 'hv-07');
    assert.deepEqual([none.status, none.stderr], [1, 'landfall: hv-07: no peer is named nope\n']);
  });

  it('asks all nodes, and names one that is deaf', async () => {
    const all = await landfall('show', 'peers', '--all-nodes', '-o', 'name');
    assert.equal(all.status, 1, all.stderr);
    assert.equal(all.stdout, 'hv-07 tor-a\nhv-07 tor-b\n');
    assert.match(all.stderr, /^landfall: hv-09 can't be asked: .*; its telemetry must listen/);
  });

  it('says what kubectl says of a token that is refused', async () => {
    api.token = 'another';
    const refused = await landfall('status', '--all-nodes');
    assert.equal(refused.status, 4);
    assert.match(refused.stderr, /^landfall: the cluster can't be asked: .*(Unauthorized|logged in)/);
    api.token = 'token-1';
  });
});
