import * as z from 'zod';
import { parseFileMode, parseListenAddress } from '../values.ts';
import { duration, hostAddress, parsed, password, path, text, whole } from './kinds.ts';

// Sections of the process and of the node it runs on: what it keeps, passes on, writes into the kernel and tells of itself.

export const state = z.strictObject({
  file: path.optional().describe('What has to outlive the process: claims with their sequences, learned pairs, overrides. Default: `/var/lib/landfall/state.json` where that folder can be written to.'),
}).prefault({}).describe('What a restart remembers.');

export const stragglers = z.strictObject({
  enabled: z.boolean().prefault(false).describe('Needs CAP_NET_ADMIN and `key`.'),
  mode: z.enum(['auto', 'on-link', 'vxlan']).prefault('auto').describe('How they travel: straight to the other node where both share a subnet (`on-link`), else by a VXLAN tunnel.'),
  ceiling: duration('100ms', '60s').prefault('5s').describe('They are passed on no longer than this, whatever the routers do.'),
  listen: parsed('address:port', parseListenAddress).optional().describe('Where other speakers are heard (UDP). Default: at port 17490 of each session\'s local address and of those own addresses that are next hops of our routes. `0.0.0.0` is every address, of both families. An address of its own is this end of the tunnel too; else that is the next hop of our routes.'),
  members: z.union([z.literal('auto'), z.array(hostAddress).max(4096)]).prefault('auto').describe('Who is told of a claim. `auto`: the next hop of the route that showed where the VM was; over eBGP that is a router, so name the nodes there.'),
  key: password.optional().describe('The key of the fleet: one of `credential`, `file`, `env`. Without the key nothing is told and nothing believed.'),
}).superRefine((value, context) => {
  if (value.enabled && value.key === undefined) context.addIssue({ code: 'custom', path: ['key'], message: 'is required where stragglers are enabled: without a key nothing is told and nothing believed' });
  if (value.enabled && value.listen === 'off') context.addIssue({ code: 'custom', path: ['listen'], message: 'must be an address and a port' });
}).prefault({}).describe('Until the routers have moved, the node that a VM left sends what still arrives for it on to the node that claims it.');

export const kernel = z.strictObject({
  routes: z.enum(['off', 'received', 'host']).prefault('off').describe('Which routes this node itself has to VMs. `off`: none. `received`: to VMs elsewhere, with proxy ARP and ND on the bridge; the subnet stays connected. `host`: to VMs here, with permanent neighbours; no subnet is connected. Needs CAP_NET_ADMIN. See docs/data-plane.md.'),
  refreshNeighbors: z.boolean().prefault(false).describe('The node\'s neighbour entry of a VM that moved here is written in the pass that announces. Needs CAP_NET_ADMIN.'),
}).prefault({}).describe('The node\'s own data plane. Off by default: the VLAN is stretched, or another agent does it.');

export const kubernetes = z.strictObject({
  enabled: z.boolean().prefault(false).describe('The labels of the Node object with this node\'s name count as `node.labels` (those of the file win), and what happens is told as Events on it. Needs a service account that may watch Nodes and create Events.'),
  server: text('URL', /^https:\/\/[^\s/@?#]{1,255}\/?$/, 'must be https://HOST or https://HOST:PORT').optional().describe('The API server. Default: as each pod is told (`KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`).'),
  serviceAccount: path.prefault('/var/run/secrets/kubernetes.io/serviceaccount').describe('The folder with `token` and `ca.crt`.'),
}).prefault({}).describe('Kubernetes. `landfall --node` and `--all-nodes` need it too. See docs/kubernetes.md.');

export const process = z.strictObject({ scheduling: z.enum(['normal', 'fifo']).prefault('normal').describe('`fifo`: real-time priority; needs CAP_SYS_NICE.') }).prefault({});

export const telemetry = z.strictObject({
  listen: parsed('address:port', parseListenAddress).prefault('127.0.0.1:17479').describe('Where `/metrics`, `/healthz` and `/readyz` are answered over HTTP, or `off`. Anyone who can reach it can read it.'),
  web: z.boolean().prefault(false).describe('A page at `/` there: peers, prefixes and the timeline of each handover, read-only.'),
  perPrefixMetrics: z.boolean().prefault(false).describe('One series for each prefix; it grows with the number of VMs.'),
  bmp: z.array(z.strictObject({
    address: hostAddress.describe('The station. We connect to it.'),
    port: whole(1, 65535).prefault(11019).describe('Its TCP port.'),
    statistics: duration('1s', '1h', 1000).prefault('60s').describe('Between two reports of how many routes each session has.'),
  })).max(16, { error: 'at most 16 stations' }).prefault([]).describe('BMP stations (RFC 7854, 8671): each is told of all sessions, of the routes received on them before any policy, and of those sent after it.'),
  mrt: z.strictObject({
    file: path.describe('Where the messages go; the packaged unit lets it be below `/var/lib/landfall`. Full files are `FILE.1` (the youngest), `FILE.2`, and so on.'),
    maxBytes: whole(65_536, 1_073_741_824).prefault(67_108_864).describe('Of one file.'),
    keep: whole(0, 100).prefault(4).describe('Files that are kept besides the present one.'),
  }).optional().describe('All BGP messages, sent and received, and changes of the sessions\' states as MRT (RFC 6396), which `landfall decode` and other tools read. A full disk costs records, nothing else. Left out: none.'),
  history: z.strictObject({ keep: whole(1, 100_000).prefault(1000).describe('Migrations kept in memory for `show migrations`.'), file: path.optional().describe('A file (JSON lines) that keeps them over restarts. Default: `migrations.jsonl` beside the state file, where that folder can be written to.') }).prefault({}),
}).prefault({});

export const log = z.strictObject({
  level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).prefault('info'),
  format: z.enum(['auto', 'json', 'text']).prefault('auto').describe('`auto`: JSON where stderr is no terminal.'),
}).prefault({});

export const api = z.strictObject({
  socket: text('path', /^\/[^\0]{0,106}$/, 'must be an absolute path of at most 107 characters').prefault('/run/landfall/landfall.sock').describe('The Unix socket of the command line.'),
  mode: parsed('file mode', parseFileMode).prefault('0660').describe('Who may connect, in quotes (`"0660"`).'),
  group: text('name', /^[a-zA-Z0-9._-]{1,32}$/, 'must be the name of a group').optional().describe('The group of the socket file.'),
}).prefault({});
