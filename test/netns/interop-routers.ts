import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Daemon, findProgram, must, run, waitFor } from '../../src/demo/processes.ts';
import { chownToFrr } from '../../src/demo/tor-frr.ts';
import { cells, hostPrefix, nodeAsns, routerAsn, routerId, theirs, type Cell, type RouterKind } from './interop-cells.ts';
import { exabgp } from './interop-exabgp.ts';
import type { InteropRouter, Place } from './interop-place.ts';

// Each router in its namespace, with a configuration, a folder and a control socket of its own, and how it is asked what it has.

export const programs: Readonly<Record<RouterKind, readonly string[]>> = {
  frr: ['zebra', 'bgpd', 'bfdd', 'vtysh'], bird: ['bird', 'birdc'], gobgp: ['gobgpd', 'gobgp'], exabgp: ['exabgp'], openbgpd: ['bgpctl'],
};

/** FRR and OpenBGPD both call theirs bgpd. */
const frrFolder = '/usr/lib/frr';
const openbgpd = '/usr/sbin/bgpd';
const wantsBfd = ({ feature }: Cell): boolean => feature === 'bfd';

export function createInteropRouter(kind: RouterKind, place: Place): InteropRouter {
  return { frr: frr, bird: bird, gobgp: gobgp, exabgp: exabgp, openbgpd: openBgpd }[kind](place);
}

function frr({ namespaces, namespace, folder }: Place): InteropRouter {
  const vtysh = async (command: string): Promise<string> => (await run(['vtysh', '--vty_socket', folder, '-c', command])).stdout;
  const json = async (command: string): Promise<Record<string, unknown>> => JSON.parse((await vtysh(`${command} json`)) || '{}') as Record<string, unknown>;
  const family = (name: 'ipv4' | 'ipv6'): string => ` address-family ${name} unicast
  network ${hostPrefix(theirs[`${name}-unicast`])}
${cells.filter((cell) => cell.family.startsWith(name)).map(({ node }) => `  neighbor ${node} activate\n`).join('')} exit-address-family
`;
  const config = `frr defaults traditional
router bgp ${routerAsn}
 bgp router-id ${routerId}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 timers bgp 3 9
${cells.flatMap((cell) => [
    `remote-as ${nodeAsns[cell.mode]}`, `update-source ${cell.router}`, 'passive', 'advertisement-interval 0', ...(cell.key === undefined ? [] : [`password ${cell.key}`]),
    ...(cell.transport === 'v4-over-v6' ? ['capability extended-nexthop'] : []), ...(wantsBfd(cell) ? ['bfd 3 300 300'] : []),
  ].map((line) => ` neighbor ${cell.node} ${line}\n`)).join('')}${family('ipv4')}${family('ipv6')}`;
  return {
    async start() {
      chownToFrr(folder);
      for (const name of ['zebra', 'bfdd', 'bgpd']) {
        const file = join(folder, `${name}.conf`);
        writeFileSync(file, name === 'bgpd' ? config : 'log stdout\n');
        chownToFrr(file);
        const control = name === 'bfdd' ? ['--bfdctl', join(folder, 'bfdd.sock')] : [];
        new Daemon(name, namespaces.exec(namespace, [join(frrFolder, name), '-f', file, '-i', join(folder, `${name}.pid`), '-z', join(folder, 'zserv.api'), '--vty_socket', folder, '-P', '0', ...control]), { log: join(folder, `${name}.out`) });
        await waitFor(`${name} answers`, 20_000, async () => (await run(['vtysh', '--vty_socket', folder, '-d', name, '-c', 'show version'])).status === 0, 200);
      }
    },
    async established() {
      const all = await json('show bgp neighbors') as Record<string, { bgpState?: string }>;
      return new Set(Object.entries(all).flatMap(([address, { bgpState }]) => (bgpState === 'Established' ? [address] : [])));
    },
    async received() {
      const tables = await Promise.all([json('show bgp ipv4 unicast'), json('show bgp ipv6 unicast')]);
      return new Set(tables.flatMap(({ routes }) => Object.entries((routes ?? {}) as Record<string, { peerId?: string; valid?: boolean }[]>)
        .flatMap(([prefix, paths]) => paths.flatMap(({ peerId, valid }) => (peerId === undefined || valid !== true ? [] : [`${peerId} ${prefix}`])))));
    },
    async bfdUp() {
      const all = JSON.parse((await vtysh('show bfd peers json')) || '[]') as { peer: string; status: string }[];
      return new Set(all.flatMap(({ peer, status }) => (status === 'up' ? [peer] : [])));
    },
  };
}

function bird({ namespaces, namespace, folder }: Place): InteropRouter {
  const socket = join(folder, 'bird.ctl');
  const birdc = async (command: string): Promise<string> => (await run([findProgram('birdc') ?? 'birdc', '-s', socket, ...command.split(' ')])).stdout;
  const nodeOf = (name: string): string => cells[Number(name.slice(1))]?.node ?? name;
  const protocols = cells.map((cell, i) => `protocol bgp n${i} {
  local ${cell.router} as ${routerAsn}; neighbor ${cell.node} as ${nodeAsns[cell.mode]}; direct; passive on;
  hold time 9; keepalive time 3; error wait time 1, 2;${cell.key === undefined ? '' : ` password "${cell.key}";`}${wantsBfd(cell) ? ' bfd on;' : ''}
  ${cell.family.slice(0, 4)} { import all; export where source = RTS_STATIC;${cell.transport === 'v4-over-v6' ? ' extended next hop on;' : ''} };
}
`);
  const config = `router id ${routerId};
log stderr all;
protocol device { }
protocol bfd { interface "*" { min rx interval 300 ms; min tx interval 300 ms; multiplier 3; }; }
protocol static { ipv4; route ${hostPrefix(theirs['ipv4-unicast'])} blackhole; }
protocol static { ipv6; route ${hostPrefix(theirs['ipv6-unicast'])} blackhole; }
${protocols.join('')}`;
  return {
    async start() {
      writeFileSync(join(folder, 'bird.conf'), config);
      const daemon = new Daemon('bird', namespaces.exec(namespace, [findProgram('bird') as string, '-f', '-c', join(folder, 'bird.conf'), '-s', socket, '-P', join(folder, 'bird.pid')]), { log: join(folder, 'bird.log') });
      await waitFor('bird answers', 20_000, async () => {
        if (!daemon.alive) throw new Error(`bird ended: ${daemon.tail}`);
        return (await birdc('show status')).includes('up and running');
      });
    },
    async established() {
      return new Set([...(await birdc('show protocols')).matchAll(/^(n\d+)\s+BGP\s.*Established/gm)].map(([, name]) => nodeOf(name as string)));
    },
    async received() {
      const found = new Set<string>();
      let prefix = '';
      for (const line of (await birdc('show route')).split('\n')) {
        const [, own, name] = /^(\S+\/\d+)?\s+(?:unicast|unreachable) \[(n\d+) /.exec(line) ?? [];
        if (/^\S+\/\d+/.test(line)) prefix = line.split(/\s/)[0] as string;
        if (name !== undefined) found.add(`${nodeOf(name)} ${own ?? prefix}`);
      }
      return found;
    },
    async bfdUp() {
      return new Set([...(await birdc('show bfd sessions')).matchAll(/^(\S+)\s+\S+\s+Up\s/gm)].map(([, address]) => address as string));
    },
  };
}

function gobgp({ namespaces, namespace, folder }: Place): InteropRouter {
  const ask = (...words: string[]): ReturnType<typeof run> => run(namespaces.exec(namespace, ['gobgp', '-j', ...words]));
  const blocks = cells.map((cell) => `
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${cell.node}"
    peer-as = ${nodeAsns[cell.mode]}${cell.key === undefined ? '' : `
    auth-password = "${cell.key}"`}
  [neighbors.timers.config]
    hold-time = 9
    keepalive-interval = 3
    idle-hold-time-after-reset = 1
  [neighbors.transport.config]
    local-address = "${cell.router}"
    passive-mode = true
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 60
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "${cell.family}"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
`);
  return {
    async start() {
      writeFileSync(join(folder, 'gobgpd.toml'), `[global.config]\n  as = ${routerAsn}\n  router-id = "${routerId}"\n${blocks.join('')}`);
      const daemon = new Daemon('gobgpd', namespaces.exec(namespace, [findProgram('gobgpd') as string, '-f', join(folder, 'gobgpd.toml'), '--api-hosts', '127.0.0.1:50051', '--pprof-disable']), { log: join(folder, 'gobgpd.log') });
      await waitFor('gobgpd answers', 20_000, async () => {
        if (!daemon.alive) throw new Error(`gobgpd ended: ${daemon.tail}`);
        return (await ask('neighbor')).status === 0;
      });
      for (const address of Object.values(theirs)) await must(namespaces.exec(namespace, ['gobgp', 'global', 'rib', 'add', hostPrefix(address), '-a', address.includes(':') ? 'ipv6' : 'ipv4']));
    },
    async established() {
      const all = JSON.parse((await ask('neighbor')).stdout || '[]') as { state?: { neighbor_address?: string; session_state?: number } }[];
      return new Set(all.flatMap(({ state }) => (state?.session_state === 6 ? [state.neighbor_address ?? ''] : [])));
    },
    async received() {
      const tables = await Promise.all(['ipv4', 'ipv6'].map((family) => ask('global', 'rib', '-a', family)));
      return new Set(tables.flatMap(({ stdout }) => Object.entries(JSON.parse(stdout.trim() || '{}') as Record<string, { 'neighbor-ip'?: string }[]>)
        .flatMap(([prefix, paths]) => paths.map((path) => `${path['neighbor-ip']} ${prefix}`))));
    },
    bfdUp: () => Promise.resolve(new Set()),
  };
}

/** bgpd of OpenBSD changes its root to /run/openbgpd: it gets one that only its own mount namespace has. */
function openBgpd({ namespaces, namespace, folder }: Place): InteropRouter {
  const socket = join(folder, 'bgpd.sock');
  const ask = async <T>(...words: string[]): Promise<T> => JSON.parse((await run(['bgpctl', '-s', socket, '-j', ...words])).stdout || '{}') as T;
  const neighbors = cells.map((cell) => `neighbor ${cell.node} {
  remote-as ${nodeAsns[cell.mode]}
  local-address ${cell.router}${cell.key === undefined ? `
  passive` : ''}
  announce IPv4 ${cell.family === 'ipv4-unicast' ? 'unicast' : 'none'}
  announce IPv6 ${cell.family === 'ipv6-unicast' ? 'unicast' : 'none'}${cell.key === undefined ? '' : `
  tcp md5sig password ${cell.key}`}
}
`);
  const config = `AS ${routerAsn}
router-id ${routerId}
fib-update no
holdtime 9
socket "${socket}"
${Object.values(theirs).map((address) => `network ${hostPrefix(address)}\n`).join('')}${neighbors.join('')}allow from any
allow to any
`;
  return {
    async start() {
      const file = join(folder, 'bgpd.conf');
      writeFileSync(file, config, { mode: 0o600 });
      const inside = 'mount -t tmpfs tmpfs /run && mkdir /run/openbgpd && exec "$0" "$@"';
      const daemon = new Daemon('openbgpd', namespaces.exec(namespace, ['sh', '-c', inside, openbgpd, '-d', '-f', file]), { log: join(folder, 'bgpd.log') });
      await waitFor('bgpd answers', 20_000, async () => {
        if (!daemon.alive) throw new Error(`bgpd ended: ${daemon.tail}`);
        return (await run(['bgpctl', '-s', socket, 'show'])).status === 0;
      }, 200);
    },
    async established() {
      const { neighbors: all = [] } = await ask<{ neighbors?: { remote_addr: string; state: string }[] }>('show', 'neighbor');
      return new Set(all.flatMap(({ remote_addr: address, state }) => (state === 'Established' ? [address] : [])));
    },
    async received() {
      const { rib = [] } = await ask<{ rib?: { prefix: string; neighbor: { remote_addr: string } }[] }>('show', 'rib', 'in');
      return new Set(rib.map(({ prefix, neighbor }) => `${neighbor.remote_addr} ${prefix}`));
    },
    bfdUp: () => Promise.resolve(new Set()),
  };
}
