import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostPrefix, linkOf } from '../../src/demo/addresses.ts';
import { must, sleep, waitFor } from '../../src/demo/processes.ts';
import type { ListReply, ReloadItem } from '../../src/views/items.ts';
import { Lab, allOn, needs } from './lab.ts';

// Another MD5 key under a session that is up: landfall by a reload, FRR's kernel sockets a while before or after it.

const rekeyScript = fileURLToPath(new URL('rekey.py', import.meta.url));
/** The two ends differ for so long, with a Hold Time of 30 s; TCP waits twice as long before each repeat, so that it costs up to twice that. */
const apartMs = 3000;
const frrConfig = (nodes: readonly string[]): string => `frr defaults traditional
router bgp 65010
 bgp router-id 192.0.2.250
 no bgp default ipv4-unicast
 timers bgp 10 30
${nodes.map((node) => ` neighbor ${node} remote-as 65010\n neighbor ${node} passive\n neighbor ${node} password the-first\n`).join('')}${['ipv4', 'ipv6'].map((family) => ` address-family ${family} unicast
${nodes.map((node) => `  neighbor ${node} activate\n`).join('')} exit-address-family
`).join('')}`;

describe('a change of the MD5 key, frr', function () {
  this.timeout(120_000);
  let lab: Lab;
  const address = linkOf(0, 'a').node.ipv4;
  const write = (key: string): void => writeFileSync(join(lab.nodes.a.folder, 'bgp-key'), `${key}\n`, { mode: 0o600 });
  const reload = async (...args: string[]): Promise<ReloadItem> => {
    const { stdout } = await lab.nodes.a.cli(['reload', '-o', 'json', ...args]);
    return (JSON.parse(stdout) as ListReply<ReloadItem>).items[0] as ReloadItem;
  };
  const rekeyRouter = async (key: string): Promise<void> => {
    const { namespaces } = lab.topology;
    const pids = (await must(['ip', 'netns', 'pids', namespaces.name(lab.tor.namespace)])).trim().split(/\s+/);
    const bgpd = pids.find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'bgpd') ?? assert.fail('no bgpd');
    assert.ok(Number(await must(['python3', rekeyScript, bgpd, address, key])) >= 2, 'the listener and the session');
  };
  const since = async (): Promise<string | undefined> => (await lab.nodes.a.peers())[0]?.since;
  const down = (): boolean => readFileSync(join(lab.nodes.a.folder, 'landfall.log'), 'utf8').split('\n').some((line) => line.includes('"from":"established"'));
  /** The router takes what is said now. */
  const carries = async (): Promise<void> => {
    const mine = hostPrefix(lab.vm.ipv4);
    await lab.nodes.a.cli(['withdraw', lab.vm.ipv4]);
    await waitFor('the withdraw at the router', 15_000, async () => !(await lab.tor.routes()).some(({ prefix }) => prefix === mine));
    await lab.nodes.a.cli(['auto', lab.vm.ipv4]);
    await lab.agree(allOn('a', [lab.vm]));
  };

  before(async function () {
    needs(this, 'frr');
    lab = await Lab.start({ mode: 'l3', tors: ['frr'], peering: { type: 'ibgp', password: 'the-first' },
      nodes: { rewrite: (yaml) => yaml.replace('hold: 9s, keepalive: 3s', 'hold: 30s, keepalive: 10s') }, router: (_, __, nodes) => frrConfig(nodes) });
    await lab.stage.boot([lab.vm], 'a');
    await lab.agree(allOn('a', [lab.vm]));
  });
  after(() => lab?.stop());

  it('is planned, and is nothing where the file says what it said', async () => {
    assert.equal((await reload()).result, 'unchanged');
    write('the-second');
    const planned = await reload('--dry-run');
    assert.deepEqual([planned.result, planned.changes.map(({ key, class: one }) => `${key} ${one}`), planned.peers], ['planned', ['bgp.peers[tor].password live'], []]);
    assert.ok(!JSON.stringify(planned).includes('the-second'));
  });

  it('here first: the session lives on, and what was said meanwhile arrives', async () => {
    const before = await since();
    assert.equal((await reload()).result, 'applied');
    await sleep(apartMs);
    await rekeyRouter('the-second');
    await carries();
    assert.deepEqual([await since(), down()], [before, false]);
  });

  it('there first: the session lives on', async () => {
    const before = await since();
    await rekeyRouter('the-third');
    await sleep(apartMs);
    write('the-third');
    assert.equal((await reload()).result, 'applied');
    await carries();
    assert.deepEqual([await since(), down()], [before, false]);
  });

  it('with a file that cannot be read the key before stays', async () => {
    const before = await since();
    writeFileSync(join(lab.nodes.a.folder, 'bgp-key'), '', { mode: 0o600 });
    await reload();
    await carries();
    assert.deepEqual([await since(), down()], [before, false]);
  });

  it('here alone: the session ends with the Hold Time, for the kernel has the new key', async () => {
    write('the-fourth');
    assert.equal((await reload()).result, 'applied');
    await waitFor('the end of the session', 40_000, down, 200);
    await rekeyRouter('the-fourth');
    await lab.sessionsUp(['a']);
    await lab.agree(allOn('a', [lab.vm]));
  });
});
