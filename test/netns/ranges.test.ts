import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../src/demo/folder.ts';
import { Namespaces, removeLeftovers } from '../../src/demo/namespaces.ts';
import { Daemon, findProgram, killAtExit, landfallCommand, run, sleep, stopAll, waitFor } from '../../src/demo/processes.ts';
import type { ListReply, PeerItem } from '../../src/views/items.ts';
import { beforeSecondTry } from './lab.ts';

// Routers that landfall does not know by name: BIRD dials it from several addresses of a keyed range, over IPv4 and IPv6.

const prefix = `lfrg${process.pid}`;
const callers = ['10.7.0.1', '10.7.0.2', '10.7.0.3', '2001:db8:7::1', '10.7.0.66'] as const;
/** The last one has another key, and the third comes when the range is full. */
const keyOf = (address: string): string => (address === '10.7.0.66' ? 'another' : 'of-the-range');

describe('peers of a range, bird', function () {
  this.timeout(60_000);
  const namespaces = new Namespaces(prefix);
  const folder = makeFolder();
  const file = (name: string): string => join(folder, name);
  /** BIRD has one session with an address, so that the node has an address for each. */
  const ours = (address: string): string => (address.includes(':') ? '2001:db8:7::100' : `10.7.0.${100 + callers.indexOf(address as typeof callers[number])}`);
  const birdc = async (command: string): Promise<string> => (await run([findProgram('birdc') ?? 'birdc', '-s', file('bird.ctl'), ...command.split(' ')])).stdout;
  const cli = (...args: string[]) => run(namespaces.exec('node', [...landfallCommand(), '--socket', file('landfall.sock'), ...args]));
  const peers = async (): Promise<Record<string, string>> => Object.fromEntries((JSON.parse((await cli('show', 'peers', '-o', 'json')).stdout) as ListReply<PeerItem>).items.map(({ name, state }) => [name, state]));
  const config = (maxPeers: number): string => `apiVersion: landfall/v1
node: {name: node}
bgp:
  asn: 65010
  routerId: 10.7.0.100
  listen:
    enabled: true
    ranges:
      - {name: leafs, prefix: 10.7.0.0/24, asn: 65001, maxPeers: ${maxPeers}, password: {file: ${file('key')}}}
      - {name: leafs6, prefix: "2001:db8:7::/64", asn: 65001, password: {file: ${file('key')}}, nextHop: {ipv4: 10.7.0.100}}
  peers: []
routes: {profile: sequence}
watch:
  - {bridge: br0, ports: {local: ["tap*"]}, prefixes: [203.0.113.0/24]}
state: {file: ${file('state.json')}}
log: {level: info, format: json}
api: {socket: ${file('landfall.sock')}, mode: "0600"}
telemetry: {listen: off}
`;

  before(async function () {
    const missing = process.geteuid?.() !== 0 ? ['root'] : ['bird', 'birdc'].filter((program) => findProgram(program) === undefined);
    if (missing.length > 0) {
      if (process.env['CI'] === 'true') throw new Error(`would be skipped: needs ${missing.join(', ')}`);
      process.stderr.write(`    skipped: needs ${missing.join(', ')}\n`);
      return this.skip();
    }
    for (const name of ['router', 'node']) await namespaces.create(name);
    await namespaces.ip('router', ['link add eth0 type veth peer name eth0 netns @node', 'link set eth0 up', ...callers.map((address) => `address add ${address}/${address.includes(':') ? '64 nodad' : '24'} dev eth0`)]);
    await namespaces.ip('node', ['link add br0 type bridge', 'link set eth0 up', ...callers.map((address) => `address add ${ours(address)}/${address.includes(':') ? '64 nodad' : '24'} dev eth0`)]);
    writeFileSync(file('key'), 'of-the-range', { mode: 0o600 });
    writeFileSync(file('landfall.yaml'), config(2));
    writeFileSync(file('bird.conf'), `router id 10.7.0.1;
log stderr all;
protocol device { }
${callers.map((address, i) => `protocol bgp n${i} {
  local ${address} as 65001; neighbor ${ours(address)} as 65010; direct; disabled ${i === 2 ? 'on' : 'off'}; password "${keyOf(address)}";
  hold time 9; keepalive time 3; connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 { import all; export none; };
}
`).join('')}`);
    const daemon = new Daemon('landfall', namespaces.exec('node', [...landfallCommand(), 'run', '-c', file('landfall.yaml')]), { log: file('landfall.log') });
    await waitFor('landfall answers', 20_000, async () => {
      if (!daemon.alive) throw new Error(daemon.tail);
      return (await cli('status')).status === 0;
    });
    assert.equal((await cli('announce', '203.0.113.11')).status, 0);
    new Daemon('bird', namespaces.exec('router', [findProgram('bird') as string, '-f', '-c', file('bird.conf'), '-s', file('bird.ctl'), '-P', file('bird.pid')]), { log: file('bird.log') });
  });

  after(async () => {
    await stopAll();
    await namespaces.removeAll();
    if (process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(folder, { recursive: true, force: true });
  });

  beforeSecondTry(async (title) => {
    if (title.startsWith('have')) return;
    const conf = (await run(['cat', file('bird.conf')])).stdout.replaceAll('rotated', 'of-the-range');
    writeFileSync(file('bird.conf'), conf);
    writeFileSync(file('key'), 'of-the-range', { mode: 0o600 });
    const third = title.startsWith('take');
    writeFileSync(file('landfall.yaml'), config(third ? 3 : 2));
    await birdc(third ? 'enable n2' : 'disable n2');
    await waitFor('n2 as at the beginning', 15_000, async () => third || (await peers())['leafs-10.7.0.3'] !== 'established', 200);
    await cli('reload');
    await birdc('configure');
    const wanted = third ? { ...up, 'leafs-10.7.0.3': 'established' } : up;
    await waitFor('the sessions', 30_000, async () => Object.entries(wanted).every(([name, state]) => seen[name] === state, seen = await peers()), 200);
  });
  let seen: Record<string, string> = {};

  const up = { 'leafs-10.7.0.1': 'established', 'leafs-10.7.0.2': 'established', 'leafs6-2001:db8:7::1': 'established' };

  it('have sessions by the key of the range, and routes; one with another key has none', async () => {
    await waitFor('the sessions', 20_000, async () => JSON.stringify(Object.fromEntries(Object.entries(await peers()).sort())) === JSON.stringify(up), 200).catch(async () => assert.deepEqual(await peers(), up));
    await waitFor('the routes', 10_000, async () => ((await birdc('show route')).match(/203\.0\.113\.11|\[n\d /g) ?? []).filter((word) => word.startsWith('[n')).length === 3, 200);
    assert.ok(!/^n4\s.*Established/m.test(await birdc('show protocols')));
  });

  it('are no more than maxPeers, until a reload lets more in; the others stay', async () => {
    await birdc('enable n2');
    await waitFor('the refusal', 10_000, async () => /Received: Connection rejected/.test(await birdc('show protocols all n2')) || /n2.*Connection rejected/.test(await birdc('show protocols')), 200);
    const since = (await birdc('show protocols')).match(/^n[013]\s.*$/gm);
    writeFileSync(file('landfall.yaml'), config(3));
    assert.equal((await cli('reload')).status, 0);
    await waitFor('the third', 15_000, async () => (await peers())['leafs-10.7.0.3'] === 'established', 200);
    assert.deepEqual((await birdc('show protocols')).match(/^n[013]\s.*$/gm), since);
  });

  it('take another key with a reload', async () => {
    writeFileSync(file('key'), 'rotated', { mode: 0o600 });
    const planned = (JSON.parse((await cli('reload', '--dry-run', '-o', 'json')).stdout) as ListReply<{ changes: { key: string }[] }>).items[0]!.changes.map(({ key }) => key).sort();
    assert.deepEqual(planned, ['bgp.listen.ranges[leafs6].password', 'bgp.listen.ranges[leafs].password', ...['leafs-10.7.0.1', 'leafs-10.7.0.2', 'leafs-10.7.0.3', 'leafs6-2001:db8:7::1'].map((name) => `bgp.peers[${name}].password`)]);
    assert.equal((await cli('reload')).status, 0);
    // BIRD ends its sessions when it is told of another key; they are back with it at once.
    writeFileSync(file('bird.conf'), (await run(['cat', file('bird.conf')])).stdout.replaceAll('of-the-range', 'rotated').replace('disabled on', 'disabled off'));
    await birdc('configure');
    await sleep(500);
    await waitFor('the sessions with the new key', 25_000, async () => ((await birdc('show protocols')).match(/Established/g) ?? []).length === 4, 300);
  });
});

killAtExit();
after(async function () {
  this.timeout(30_000);
  await stopAll();
  await removeLeftovers(prefix);
});
