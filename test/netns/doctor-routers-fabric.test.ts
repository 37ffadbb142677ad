import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { demoVm, nodeNames, type NodeName } from '../../src/demo/addresses.ts';
import { Daemon, landfallCommand, must, run, sleep, waitFor } from '../../src/demo/processes.ts';
import { cableOf, nodeNamespace, plug, unplug } from '../../src/demo/topology.ts';
import type { FindingItem } from '../../src/views/items.ts';
import { findingOf, say, type Row } from './doctor-routers-place.ts';
import { rarpFrame } from './frames.ts';
import { Lab, needs } from './lab.ts';

// Two nodes and two FRR that hide one node's claims from the other, take their time, or have a policy of their own: what doctor finds on the
// nodes once a VM has moved, and that its fix is one.

const [slow, slower] = [demoVm(7), demoVm(8)];
const address = '203.0.113.11';
const unused = '203.0.113.200';
const clientsFix = /^make the nodes route-reflector clients at the router/;
const row = (name: string, kind: string, text: RegExp, fix: RegExp): Row => ({ name, kind, text, fix });
const hidden = ['tor', 'tor2'].map((tor) => row(tor, 'warn fabric', new RegExp(`^${tor}: \\S+ was heard through an uplink, and no router has shown another node's claim`), clientsFix));
const unseen = ['tor', 'tor2'].map((tor) => row(tor, 'warn reflected', new RegExp(`^${tor} has shown no node's claim to us: handover times .* and a rival behind it is not seen`), /^make the nodes route-reflector clients there; with one node alone this is as it must be/));
const halfHidden = row('half hidden', 'warn fabric', /^tor2: tor shows \S+ of another node and this router does not: it hides rivals/, clientsFix);
const late = row('late', 'warn fabric', /^tor: this router took \d+\.\d s to answer a claim: it holds UPDATEs back \(MRAI\)/, /^set advertisement-interval 0 at the routers, towards the nodes and in the fabric; said until the session is next reset/);
const policies = ['tor', 'tor2'].map((tor) => row(`policy at ${tor}`, 'warn fabric', new RegExp(`^${tor}: .* claim comes with LOCAL_PREF 100, not with its sequence \\d+: an inbound policy rewrites LOCAL_PREF`), /^remove the policy at the router, or use profile window with it/));
const manual = row('manual', 'warn manual', /^203\.0\.113\.200\/32 is announced by hand: its VM decides nothing/, /^landfall auto 203\.0\.113\.200/);

/** No reflector: what one node sends, the other never sees. */
const frrConfig = (nodes: readonly string[]): string => `frr defaults traditional
route-map flat permit 10
 set local-preference 100
 set metric 0
router bgp 65010
 bgp router-id ${nodes[0]?.replace(/\d+$/, (last) => `${Number(last) - 1}`)}
 no bgp default ipv4-unicast
 timers bgp 3 9
${nodes.map((node) => ` neighbor ${node} remote-as 65010\n neighbor ${node} passive\n neighbor ${node} advertisement-interval 0\n`).join('')}${['ipv4', 'ipv6'].map((family) => ` address-family ${family} unicast
${nodes.map((node) => `  neighbor ${node} activate\n  neighbor ${node} send-community both\n`).join('')} exit-address-family
`).join('')}`;

describe('doctor and routers that hide, wait or judge for themselves, frr', function () {
  this.timeout(180_000);
  let lab: Lab;
  let bootedAt = 0;
  const neighbors: Record<string, readonly string[]> = {};

  before(async function () {
    needs(this, 'frr');
    lab = await Lab.start({
      mode: 'l2', tors: ['frr', 'frr'], paperVms: [slow, slower],
      router: (_kind, _file, nodes) => {
        neighbors[Object.keys(neighbors).length === 0 ? 'tor' : 'tor2'] = nodes;
        return frrConfig(nodes);
      },
    });
    await lab.stage.boot([lab.vm], 'a');
    bootedAt = Date.now();
    await waitFor('node a to announce the VM', 30_000, async () => (await lab.nodes.a.prefixes()).some(({ prefix, peers }) => prefix === `${address}/32` && peers.sent === 2), 200);
  });
  after(() => lab?.stop());

  async function findings(node: NodeName): Promise<FindingItem[]> {
    const { stdout, stderr } = await lab.nodes[node].cli(['doctor', '-o', 'json']);
    assert.notEqual(stdout, '', stderr);
    return (JSON.parse(stdout) as { items: FindingItem[] }).items;
  }

  /** Waits until doctor on a node says these, each with its fix; or none of them. */
  async function says(node: NodeName, rows: readonly Row[], wanted = true): Promise<void> {
    let items: FindingItem[] = [];
    const wrong = (): Row[] => rows.filter((one) => (findingOf(items, one) !== undefined) !== wanted);
    await waitFor('the findings', 70_000, async () => {
      items = await findings(node);
      return wrong().length === 0;
    }, 1000).catch(() => assert.fail(`${wanted ? 'not' : 'still'} found on node ${node}: ${wrong().map(({ name }) => name).join(', ')}\n${say(items)}`));
    if (wanted) for (const one of rows) assert.match(findingOf(items, one)?.fix ?? '', one.fix, one.name);
  }

  async function configure(tor: 'tor' | 'tor2', lines: readonly string[]): Promise<void> {
    const folder = join(dirname(lab.nodes.a.folder), `${tor}-frr`);
    await must(['vtysh', '--vty_socket', folder, '-d', 'bgpd', '-c', 'configure terminal', '-c', 'router bgp 65010', ...lines.flatMap((line) => ['-c', line])]);
  }

  const each = (tor: 'tor' | 'tor2', line: string): string[] => (neighbors[tor] ?? []).map((node) => `neighbor ${node} ${line}`);
  const flatten = (tor: 'tor' | 'tor2', no: string): Promise<void> =>
    configure(tor, [...['ipv4', 'ipv6'].flatMap((family) => [`address-family ${family} unicast`, ...each(tor, 'route-map flat in').map((line) => no + line), 'exit-address-family']), 'do clear bgp * soft in']);
  const reflect = (tor: 'tor' | 'tor2'): Promise<void> => configure(tor, ['ipv4', 'ipv6'].flatMap((family) => [`address-family ${family} unicast`, ...each(tor, 'route-reflector-client'), 'exit-address-family']));

  it('an override that somebody forgot, until it is lifted', async () => {
    await must(lab.topology.namespaces.exec(nodeNamespace('a'), [...landfallCommand(), '-s', lab.nodes.a.socket, 'announce', unused]));
    await says('a', [manual]);
    await must(lab.topology.namespaces.exec(nodeNamespace('a'), [...landfallCommand(), '-s', lab.nodes.a.socket, 'auto', unused]));
    await says('a', [manual], false);
  });

  it('a claim that no router shows to the node that the VM left: on that node, after the move', async () => {
    await sleep(Math.max(0, bootedAt + 6500 - Date.now())); // the same frames within 5 s would be an echo of the fabric
    await lab.stage.move('b', { leadMs: 300 });
    await says('a', hidden);
  });

  it('routers that show nothing of what a node has sent, once they have had half a minute', () => says('b', unseen));

  it('is mended where the nodes are made clients: the other router is still found', async () => {
    await configure('tor', each('tor', 'advertisement-interval 8'));
    await reflect('tor');
    await lab.sessionsUp();
    await waitFor('node b\'s claim at node a', 30_000, async () => (await lab.nodes.a.cli(['show', 'received', address])).stdout.includes('rival'), 300);
    await says('a', hidden.slice(0, 1), false);
    await says('b', unseen.slice(0, 1), false);
  });

  it('a router that holds UPDATEs back', async () => {
    for (const vm of [slow, slower]) {
      await unplug(lab.topology, vm, 'b'); // a first try's
      await plug(lab.topology, vm, 'b');
    }
    // In its first seconds a session is not timed; then the router sends the first claim at once, and the second when its interval is over.
    const since = Date.parse((await lab.nodes.b.peers()).find(({ name }) => name === 'tor')?.since ?? '');
    await waitFor('the session to be old enough', 20_000, () => Date.now() - since > 13_000, 200);
    await lab.sendFrames('hv', cableOf(slow, 'b'), [rarpFrame(slow.mac)]);
    await waitFor('the first claim', 20_000, async () => (await lab.nodes.b.cli(['show', 'received', slow.ipv4])).stdout.includes('own'), 200);
    await lab.sendFrames('hv', cableOf(slower, 'b'), [rarpFrame(slower.mac)]);
    await says('b', [late]);
  });

  it('one router that hides what another shows, for half a minute', () => says('a', [halfHidden]));

  it('are all mended as the fixes say', async () => {
    await reflect('tor2');
    await configure('tor', [...each('tor', 'advertisement-interval 0'), 'do clear bgp *']);
    await lab.sessionsUp();
    for (const node of nodeNames) await says(node, [...hidden, ...unseen, halfHidden, late], false);
  });

  it('policies that make all claims equal: in words, and by a canary that does not win', async () => {
    for (const tor of ['tor', 'tor2'] as const) await flatten(tor, '');
    for (const node of nodeNames) await says(node, policies);
    const words = (node: NodeName, ...more: string[]): string[] => lab.topology.namespaces.exec(nodeNamespace(node), [...landfallCommand(), '-s', lab.nodes[node].socket, 'doctor', '--canary', unused, ...more]);
    const first = new Daemon('canary-a', words('a', '--for', '120s'));
    try {
      await waitFor('the canary of node a at node b', 20_000, async () => ((await lab.nodes.b.cli(['show', 'received', unused])).stdout.includes('rival')));
      const second = await run(words('b', '--for', '20s'), { timeoutMs: 60_000 });
      assert.equal(second.status, 1, second.stdout + second.stderr);
      for (const tor of ['tor', 'tor2']) assert.match(second.stdout, new RegExp(`^FAIL {2}canary {7}${tor} after \\d+\\.\\d s it still prefers the older canary of 192\\.0\\.2\\.2 \\(sequence \\d+, ours \\d+\\): a VM that moves here would stay unreachable; see landfall doctor, landfall tor-config ${tor}$`, 'm'));
    } finally {
      first.signal('SIGINT');
      await first.ended;
    }
  });

  it('are mended where the policy is removed', async () => {
    for (const tor of ['tor', 'tor2'] as const) await flatten(tor, 'no ');
    for (const node of nodeNames) await says(node, policies, false);
  });
});
