import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { waitFor } from '../../../src/demo/processes.ts';
import type { WorkerOptions } from '../../../src/io/kubernetes/worker.ts';
import { whereApiServer } from '../../../src/io/kubernetes/api.ts';
import { usualPace } from '../../../src/io/kubernetes/pace.ts';
import { openKubernetes, type Kubernetes } from '../../../src/io/kubernetes.ts';
import type { Note } from '../../../src/world.ts';
import { silentLog } from '../fake-daemon.ts';
import { ApiServerStandIn } from '../kubernetes/api-server.ts';

// The thread that speaks with the API server, against HTTPS on loopback.

const pace = { ...usualPace, answerMs: 500, watchMs: 60_000, againMs: 20, retryMs: 20, retryAtMostMs: 100 };
/** The worker from its source. */
const startThread = (workerData: WorkerOptions): Worker => new Worker(
  `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(new URL('../../../src/io/kubernetes/worker.ts', import.meta.url).href)}); })`, { eval: true, workerData });
const down: Note = { level: 'info', room: 'bgp', peer: 'tor-a', event: 'session.transition', fields: { from: 'established', to: 'idle', cause: 'HoldTimer_Expires' } };

describe('kubernetes.enabled', function () {
  this.timeout(60_000);
  this.slow(3000);
  let folder: string;
  let api: ApiServerStandIn;
  let open: Kubernetes | undefined;
  let changes = 0;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-kube-'));
    api = await ApiServerStandIn.start(join(folder, 'api'));
    changes = 0;
  });
  afterEach(async () => {
    open?.close();
    open = undefined;
    await api.stop();
    rmSync(folder, { recursive: true });
  });

  async function begin(more: { server?: string; environment?: Record<string, string>; events?: boolean } = {}): Promise<Kubernetes> {
    open = await openKubernetes({
      config: { enabled: true, server: more.server ?? `https://127.0.0.1:${api.port}`, serviceAccount: api.folder }, node: 'hv-1', stateFile: join(folder, 'state.json'),
      environment: more.environment ?? {}, events: more.events ?? true, log: silentLog, pace, startThread,
    });
    open.onLabels(() => { changes += 1; });
    return open;
  }

  it('has the labels at the start, and hears of each change', async () => {
    api.setNode('hv-1', { rack: 'r1' });
    const kubernetes = await begin();
    assert.deepEqual(kubernetes.labels(), { rack: 'r1' });
    assert.deepEqual(kubernetes.problems(), []);
    assert.match(api.requests[0]?.accept ?? '', /PartialObjectMetadata/);
    await waitFor('the watch', 20_000, () => api.watching === 1);
    api.setNode('hv-1', { rack: 'r2', 'node-role.kubernetes.io/worker': '' });
    await waitFor('the new label', 20_000, () => kubernetes.labels()?.['rack'] === 'r2');
    assert.equal(changes, 1);
    api.setNode('hv-1', { rack: 'r2', 'node-role.kubernetes.io/worker': '' });
    api.setNode('hv-9', { rack: 'r9' });
    api.bookmark();
    api.setNode('hv-1', { rack: 'r3' });
    await waitFor('the newest label', 20_000, () => kubernetes.labels()?.['rack'] === 'r3');
    assert.equal(changes, 2, 'an object that changed otherwise, another node and a bookmark are no change of the labels');
  });

  it('goes on from the last version after an end, and after a connection that broke', async () => {
    api.setNode('hv-1', { rack: 'r1' });
    const kubernetes = await begin();
    await waitFor('the watch', 20_000, () => api.watching === 1);
    api.bookmark();
    const version = api.version;
    api.endWatches();
    const versionOfLast = (): string | undefined => new URL(api.requests.at(-1)?.path ?? '', 'https://x').searchParams.get('resourceVersion') ?? undefined;
    await waitFor('the next watch', 20_000, () => api.watching === 1 && versionOfLast() === String(version));
    api.drop();
    api.setNode('hv-1', { rack: 'r2' });
    await waitFor('what happened meanwhile', 20_000, () => kubernetes.labels()?.['rack'] === 'r2');
    assert.deepEqual(kubernetes.problems(), []);
  });

  for (const goneAs of ['status', 'event'] as const) {
    it(`begins anew where its version is too old (410 as ${goneAs})`, async () => {
      api.setNode('hv-1', { rack: 'r1' });
      const kubernetes = await begin();
      await waitFor('the watch', 20_000, () => api.watching === 1);
      Object.assign(api, { goneAs, oldest: 1_000_000 });
      api.endWatches();
      await waitFor('the watch without a version', 20_000, () => api.requests.filter(({ path }) => !path.includes('resourceVersion')).length === 2 && api.watching === 1);
      api.setNode('hv-1', { rack: 'r2' });
      await waitFor('the new label', 20_000, () => kubernetes.labels()?.['rack'] === 'r2');
      assert.deepEqual(kubernetes.problems(), []);
    });
  }

  it('reads the token anew after a 401, and says what is wrong until then', async () => {
    api.setNode('hv-1', { rack: 'r1' });
    api.token = 'token-2';
    const kubernetes = await begin();
    await waitFor('the problem', 20_000, () => kubernetes.problems().some((text) => /401 Unauthorized/.test(text)));
    assert.equal(kubernetes.labels(), undefined);
    writeFileSync(join(api.folder, 'token'), 'token-2\n');
    await waitFor('the labels', 20_000, () => kubernetes.labels()?.['rack'] === 'r1');
    await waitFor('no problem', 20_000, () => kubernetes.problems().length === 0);
  });

  it('says what the API server says of a 403, waits as a 429 asks, and outlives a server that is silent, away or talks nonsense', async () => {
    api.setNode('hv-1', { rack: 'r1' });
    api.refusals.push({ path: '/api/v1/nodes', answer: 403, times: 2 });
    const kubernetes = await begin();
    await waitFor('the labels', 20_000, () => kubernetes.labels() !== undefined);
    api.refusals.push({ path: '/api/v1/nodes', answer: 429, retryAfter: 1, times: 1 });
    const before = api.requests.length;
    const at = performance.now();
    api.endWatches();
    await waitFor('the next', 20_000, () => api.requests.length >= before + 2);
    assert.ok(performance.now() - at > 900, 'Retry-After');
    await waitFor('the watch', 20_000, () => api.watching === 1);
    api.refusals.push({ path: '/api/v1/nodes', answer: 'silent', times: 3 });
    api.endWatches();
    await waitFor('the problem', 20_000, () => kubernetes.problems().some((text) => /no answer within 0\.5 s/.test(text)));
    await waitFor('the watch', 20_000, () => api.watching === 1);
    const asked = api.requests.length;
    api.say('{"type":"NONSENSE"}\n');
    await waitFor('another watch', 20_000, () => api.requests.length > asked && api.watching === 1 && kubernetes.problems().length === 0);
    api.removeNode('hv-1');
    await waitFor('the word of it', 20_000, () => kubernetes.problems().some((text) => /gone from the cluster/.test(text)));
    assert.deepEqual(kubernetes.labels(), { rack: 'r1' });
  });

  it('says that there is no such Node until there is one, also after bookmarks and the end of a watch', async () => {
    const kubernetes = await begin();
    await waitFor('the problem', 20_000, () => kubernetes.problems().some((text) => /no Node hv-1/.test(text)));
    api.bookmark();
    api.endWatches();
    await waitFor('the next watch', 20_000, () => api.requests.length === 2 && api.watching === 1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.match(kubernetes.problems().join(), /no Node hv-1/);
    api.setNode('hv-1', { rack: 'r1' });
    await waitFor('no problem', 20_000, () => kubernetes.problems().length === 0);
    api.removeNode('hv-1');
    await waitFor('the word of it', 20_000, () => kubernetes.problems().some((text) => /gone from the cluster/.test(text)));
    api.endWatches();
    await waitFor('the watch after it', 20_000, () => api.requests.length === 3 && api.watching === 1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.match(kubernetes.problems().join(), /hv-1/);
    assert.deepEqual(kubernetes.labels(), { rack: 'r1' });
  });

  it('starts with the labels of an earlier run where the API server is away', async () => {
    api.setNode('hv-1', { rack: 'r1' });
    const first = await begin();
    await waitFor('the file', 20_000, () => existsSync(join(folder, 'node-labels.json')));
    first.close();
    const { port } = api;
    await api.stop();
    const kubernetes = await begin({ server: `https://127.0.0.1:${port}` });
    assert.deepEqual(kubernetes.labels(), { rack: 'r1' });
    await waitFor('both problems', 20_000, () => kubernetes.problems().length === 2);
    assert.match(kubernetes.problems().join('\n'), /earlier run[^]*ECONNREFUSED|ECONNREFUSED[^]*earlier run/);
  });

  it('trusts no server whose certificate the cluster\'s CA has not signed, and needs to be told where the server is', async () => {
    const other = await ApiServerStandIn.start(join(folder, 'other'));
    writeFileSync(join(api.folder, 'ca.crt'), readFileSync(join(other.folder, 'ca.crt')));
    const kubernetes = await begin();
    await waitFor('the problem', 20_000, () => kubernetes.problems().some((text) => /CERT|VERIFY|SIGNATURE/i.test(text)));
    assert.equal(api.requests.length, 0, 'the token was not sent');
    kubernetes.close();
    await other.stop();
    assert.deepEqual(whereApiServer('https://[2001:db8::1]:6443', {}), { host: '2001:db8::1', port: 6443 });
    assert.deepEqual(whereApiServer(undefined, { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' }), { host: '10.96.0.1', port: 443 });
    assert.equal(whereApiServer(undefined, {}), undefined);
    assert.equal(whereApiServer(undefined, { KUBERNETES_SERVICE_HOST: 'x', KUBERNETES_SERVICE_PORT: 'https' }), undefined);
  });

  it('creates an Event on the Node for what is one, tries again after a failure, and gives up on a refusal', async () => {
    api.setNode('hv-1', {});
    const kubernetes = await begin();
    await waitFor('the watch', 20_000, () => api.watching === 1);
    api.refusals.push({ path: '/api/v1/namespaces/default/events', answer: 500, times: 2 });
    kubernetes.note(down, Date.UTC(2026, 10, 24, 10, 41, 7, 123));
    kubernetes.note({ ...down, fields: { from: 'connect', to: 'active' } }, 0);
    await waitFor('the Event', 20_000, () => api.events.length === 1);
    const event = api.events[0] as unknown as Record<string, unknown>;
    const { name } = event['metadata'] as { name: string };
    assert.match(name, /^hv-1\.[0-9a-f]{16}$/);
    assert.deepEqual(event, {
      apiVersion: 'v1', kind: 'Event', metadata: { name, namespace: 'default' }, involvedObject: { apiVersion: 'v1', kind: 'Node', name: 'hv-1', uid: 'uid-of-hv-1' },
      reason: 'BGPSessionDown', type: 'Warning', message: 'the session with tor-a is down (HoldTimer_Expires)', count: 1,
      firstTimestamp: '2026-11-24T10:41:07Z', lastTimestamp: '2026-11-24T10:41:07Z', source: { component: 'landfall', host: 'hv-1' }, reportingComponent: 'landfall', reportingInstance: 'hv-1',
    });
    await waitFor('no problem', 20_000, () => kubernetes.problems().length === 0);
    api.refusals.push({ path: '/api/v1/namespaces/default/events', answer: 403, times: 1 });
    kubernetes.note(down, 0);
    await waitFor('the problem', 20_000, () => kubernetes.problems().some((text) => /Events can't be created: 403 planted/.test(text)));
    kubernetes.note(down, 0);
    await waitFor('the next', 20_000, () => api.events.length === 2 && kubernetes.problems().length === 0);
  });

  it('leaves Events out rather than let them pile up, and says how many', async () => {
    api.setNode('hv-1', {});
    api.refusals.push({ path: '/api/v1/namespaces/default/events', answer: 'silent', times: 1 });
    const kubernetes = await begin();
    for (let i = 0; i < 1000; i++) kubernetes.note(down, 0);
    await waitFor('those under way', 10_000, () => api.events.length >= 64);
    kubernetes.note(down, 0);
    await waitFor('the count', 20_000, () => api.events.some(({ reason, message }) => reason === 'EventsOmitted' && message.startsWith('936 more events')));
    assert.ok(api.events.length <= 67);
  });

  it('tells nothing in a dry run', async () => {
    api.setNode('hv-1', { rack: 'r1' });
    const kubernetes = await begin({ events: false });
    kubernetes.note(down, 0);
    api.setNode('hv-1', { rack: 'r2' });
    await waitFor('the label', 20_000, () => kubernetes.labels()?.['rack'] === 'r2');
    assert.equal(api.events.length, 0);
  });
});
