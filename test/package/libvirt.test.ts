import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Namespaces } from '../../src/demo/namespaces.ts';
import { Daemon, findProgram, landfallCommand, must, run, waitFor } from '../../src/demo/processes.ts';
import { findGuest } from '../../src/demo/vm/guest-files.ts';
import type { ListReply, MigrationItem } from '../../src/views/items.ts';

// The first page of docs/guides/libvirt.md as it is written, with a real libvirtd on each of two nodes (network, mount and UTS namespaces of
// their own) and a VM that `virsh migrate --live` moves. What differs: no ssh lies between the two libvirtds.

const mac = '52:54:00:aa:00:01';
const ips = ['203.0.113.11', '2001:db8:100::11'];
const nodes = ['a', 'b'] as const;
type Node = (typeof nodes)[number];
const address: Readonly<Record<Node, string>> = { a: '10.99.0.1', b: '10.99.0.2' };

describe('the guide for libvirt', function () {
  this.timeout(180_000);
  let namespaces: Namespaces;
  let folder: string;
  const daemons: Daemon[] = [];

  before(async function () {
    const missing = [...(process.geteuid?.() === 0 ? [] : ['root']), ...['libvirtd', 'virsh', 'virt-xml-validate', 'qemu-system-x86_64'].filter((name) => findProgram(name) === undefined), ...(findGuest() === undefined ? ['the small VM'] : [])];
    if (missing.length > 0) {
      process.stderr.write(`    skipped: needs ${missing.join(', ')} (packages libvirt-daemon, libvirt-daemon-driver-qemu, libvirt-clients)\n`);
      return this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'landfall-libvirt-'));
    namespaces = new Namespaces(`lfvirt${process.pid}`);
    for (const node of nodes) {
      await namespaces.create(node);
      await namespaces.ip(node, ['link add br-vlan type bridge', 'link set br-vlan up']);
    }
    await namespaces.ip('a', ['link add move0 type veth peer name move0 netns @b']);
    for (const node of nodes) await namespaces.ip(node, [`address add ${address[node]}/24 dev move0`, 'link set move0 up']);
    for (const node of nodes) startLibvirt(node);
    for (const node of nodes) await waitFor(`libvirtd of node ${node}`, 60_000, async () => (await virsh(node, 'version')).status === 0, 200);
  });
  after(async () => {
    for (const daemon of daemons) await daemon.stop('SIGKILL');
    await namespaces?.removeAll();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  /** libvirtd with files of its own. Its default user is one that its Debian package makes; here a copy of the user file has it. */
  function startLibvirt(node: Node): void {
    const own = (name: string): string => join(folder, node, name);
    for (const name of ['run', 'etc', 'lib', 'log', 'cache']) mkdirSync(own(name), { recursive: true });
    writeFileSync(own('passwd'), `${readFileSync('/etc/passwd', 'utf8')}libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin\n`);
    writeFileSync(own('group'), `${readFileSync('/etc/group', 'utf8')}libvirt-qemu:x:64055:\n`);
    writeFileSync(own('etc/libvirtd.conf'), `auth_unix_rw = "none"\nhost_uuid = "${node === 'a' ? '1' : '2'}1111111-1111-4111-8111-111111111111"\n`);
    writeFileSync(own('etc/qemu.conf'), `user = "root"\ngroup = "root"\nsecurity_driver = "none"\ncgroup_controllers = []\nnamespaces = []\nremember_owner = 0\nstdio_handler = "file"\n`);
    const places = { run: '/run/libvirt', etc: '/etc/libvirt', lib: '/var/lib/libvirt', log: '/var/log/libvirt', cache: '/var/cache/libvirt' };
    const mounts = Object.entries(places).map(([name, place]) => `mkdir -p ${place}; mount --bind ${own(name)} ${place}`);
    const script = ['mount --make-rprivate /', `hostname hv-${node}`, `mount --bind ${own('passwd')} /etc/passwd`, `mount --bind ${own('group')} /etc/group`, ...mounts, 'mkdir -p /var/lib/libvirt/qemu /var/log/libvirt/qemu', `exec libvirtd -f /etc/libvirt/libvirtd.conf -p ${own('pid')}`];
    daemons.push(new Daemon(`libvirtd ${node}`, namespaces.exec(node, ['unshare', '-m', '-u', 'sh', '-ec', script.join('\n')]), { log: join(folder, `libvirtd-${node}.log`) }));
  }

  const uri = (node: Node): string => `qemu+unix:///system?socket=${folder}/${node}/run/libvirt-sock`;
  const virsh = (node: Node, ...words: string[]): ReturnType<typeof run> => run(['virsh', '-q', '-c', uri(node), ...words], { timeoutMs: 120_000 });
  const socket = (node: Node): string => join(folder, `${node}.sock`);
  const landfall = (node: Node, ...words: string[]): ReturnType<typeof run> => run([...landfallCommand(), '-s', socket(node), ...words], { timeoutMs: 20_000 });
  const migrations = async (node: Node): Promise<MigrationItem[]> => (JSON.parse((await landfall(node, 'show', 'migrations', '-o', 'json')).stdout) as ListReply<MigrationItem>).items;

  it('config init names the guest that libvirt has defined, and what it writes passes the check', async () => {
    const guest = findGuest();
    writeFileSync(join(folder, 'web-1.xml'), `<domain type='qemu'>
  <name>web-1</name><memory unit='KiB'>98312</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><kernel>${guest?.kernel}</kernel><initrd>${guest?.initramfs}</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 mitigations=off ipv4=${ips[0]}/24 ipv6=${ips[1]}/64 gateway4=203.0.113.1 gateway6=2001:db8:100::1</cmdline></os>
  <features><acpi/></features>
  <devices>
    <emulator>${findProgram('qemu-system-x86_64')}</emulator>
    <interface type='bridge'><mac address='${mac}'/><source bridge='br-vlan'/><model type='virtio'/></interface>
    <serial type='file'><source path='${folder}/console.log'/></serial>
  </devices>
</domain>
`);
    await must(['virt-xml-validate', join(folder, 'web-1.xml'), 'domain'], { timeoutMs: 30_000 });
    for (const words of [['define', join(folder, 'web-1.xml')], ['start', 'web-1']]) {
      const done = await virsh('a', ...words);
      assert.equal(done.status, 0, done.stderr);
    }
    await waitFor('the VM to boot', 90_000, () => readFileSync(join(folder, 'console.log'), 'utf8').includes('guest: ready'), 200);
    const script = `mount --make-rprivate /; mkdir -p /etc/libvirt; mount --bind ${folder}/a/etc /etc/libvirt; exec "$@"`;
    const init = await run(namespaces.exec('a', ['unshare', '-m', 'sh', '-c', script, 'sh', ...landfallCommand(), 'config', 'init', '--platform', 'libvirt']), { timeoutMs: 30_000 });
    assert.equal(init.status, 0, init.stderr);
    assert.match(init.stdout, new RegExp(`bridge: "br-vlan"[^]*local: \\["vnet\\*","tap\\*"\\][^]*# +- \\{vm: "web-1", mac: "${mac}", ips: \\[CHANGE\\]\\} +# on br-vlan`));
    // What the guide leaves to the reader: the addresses, and here no router.
    const text = init.stdout.replace('  # bindings:', '  bindings:').replace(/ {2}# {3}- \{vm: "web-1"(.*)\[CHANGE\]\}/, `    - {vm: "web-1"$1[${ips[0]}, "${ips[1]}"]}`).replace('prefixes: [203.0.113.0/24]', 'prefixes: [203.0.113.0/24, "2001:db8:100::/64"]');
    for (const node of nodes) {
      writeFileSync(join(folder, `${node}.yaml`), `${text}\nnode: {name: hv-${node}}\napi: {socket: ${socket(node)}, mode: "0600"}\nstate: {file: ${join(folder, `${node}.json`)}}\ntelemetry: {listen: off}\n`);
      const check = await landfall(node, 'config', 'check', join(folder, `${node}.yaml`));
      assert.equal(check.status, 0, check.stderr);
    }
  });

  it('run --dry-run on both nodes sees virsh migrate --live: by the RARP at the target, by the port at the source', async () => {
    for (const node of nodes) daemons.push(new Daemon(`landfall ${node}`, namespaces.exec(node, [...landfallCommand(), 'run', '--dry-run', '-c', join(folder, `${node}.yaml`)]), { log: join(folder, `landfall-${node}.log`) }));
    for (const node of nodes) await waitFor(`landfall on node ${node}`, 60_000, async () => (await landfall(node, 'status')).status === 0, 200);
    // The VM was there before: it is asked, and answers.
    await waitFor('the VM on node a', 30_000, async () => (await landfall('a', 'show', 'prefixes', '--vm', 'web-1', '-o', 'name')).stdout.trim().split('\n').length === 2, 200);
    const moved = await virsh('a', 'migrate', '--live', '--persistent', 'web-1', uri('b'), `tcp:${address.b}`);
    assert.equal(moved.status, 0, moved.stderr);
    const into = await waitFor('both addresses at node b', 20_000, async () => {
      const items = (await migrations('b')).filter(({ direction }) => direction === 'in');
      return items.length === 2 ? items : undefined;
    }, 200);
    for (const item of into) {
      assert.deepEqual([item.vm, item.mac, item.seenBy], ['web-1', mac, 'rarp']);
      assert.match(item.timeline[0]?.text ?? '', /^rarp from vnet\d+, 52:54:00:aa:00:01/);
    }
    assert.deepEqual(into.map(({ prefix }) => prefix).sort(), [`${ips[1]}/128`, `${ips[0]}/32`]);
    await waitFor('both withdrawn at node a', 20_000, async () => (await migrations('a')).filter(({ direction, result }) => direction === 'out' && result === 'withdrawn').length === 2, 200);
    const ports = (await landfall('b', 'doctor')).stdout;
    assert.doesNotMatch(ports, /warn {2}marks/, 'libvirt marks its taps by their MAC');
  });
});
