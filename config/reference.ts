import { reloadClassOf, reloadEffects } from './reload-class.ts';
import { rawJsonSchema } from './schema.ts';

interface Node {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Node[];
  readonly items?: Node;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

const intro = `# Configuration

<!-- Written by \`npm run docs\` from config/schema.ts and config/schema/. Change it there. -->

One YAML file, \`/etc/landfall/landfall.yaml\` unless \`--config\` or \`LANDFALL_CONFIG\` says otherwise. The shortest one that works:

\`\`\`yaml
apiVersion: landfall/v1
bgp:
  asn: 65010
  nextHop: {ipv6: "2001:db8::17"}   # the session below runs over IPv4
  peers:
    - {name: tor-a, address: 192.0.2.1, asn: 65010}
watch:
  - bridge: br-vlan
    ports: {local: ["vnet*"], uplink: [bond0]}
    prefixes: [203.0.113.0/24, "2001:db8:100::/64"]
    exclude: [203.0.113.1, "2001:db8:100::1"]
identity:
  bindings:
    - {vm: shop/web-1, mac: "52:54:00:aa:00:01", ips: [203.0.113.11, "2001:db8:100::11"]}
\`\`\`

\`landfall config check\` says everything that is wrong with a file at once, each with line, column and key; it exits with 3 if there is an
error and with 0 if there are only warnings. \`landfall config init\` writes a commented file from what it finds on the host.
\`landfall config schema\` prints the JSON Schema; editors find it by the first line
\`# yaml-language-server: $schema=/usr/share/landfall/landfall.schema.json\`. More files: [examples](../examples).

## Rules

- YAML 1.2, one document, no tags. Anchors and aliases are allowed within limits. A file has at most 1 MiB, and nobody but its owner and
  group may be able to write it.
- A key that does not exist is an error; the message names the nearest one that does.
- A duration is a whole number with its unit: \`250ms\`, \`3s\`, \`2m\`, \`24h\`.
- \`\${NAME}\` in a value is replaced from the environment. A variable that is not set is an error, unless there is a default:
  \`\${NAME:-default}\` (used where the variable is missing or empty). What is replaced may be a number (\`asn: \${ASN}\`). Where the result is
  empty, a key that may be left out counts as left out.
- IPv6 addresses and MACs are written in quotes: YAML reads some of them as something else.

## One file for a fleet

A peer with a \`nodeSelector\` exists only on nodes that have all of its labels. \`overrides\` change any key on the nodes that their
\`nodeSelector\` matches; they are merged in order, key by key, and a list replaces the whole list. A node's labels are \`node.labels\`,
whose values may come from the environment. See [fleet.yaml](../examples/fleet.yaml). Leave \`routerId\` out there: each node finds its own.

## Which profile

On iBGP, with the nodes as clients of their ToRs, the default \`sequence\` is right. On eBGP nothing is right everywhere, so \`config check\` asks:

| profile | the newest claim wins by | fits |
| --- | --- | --- |
| \`sequence\` | iBGP: LOCAL_PREF from the claim; eBGP: MED from the claim | (a) one AS, nodes as route-reflector clients, no inbound LOCAL_PREF policy; (b) eBGP with all nodes in one AS *and* all ToRs of the prefix in one AS. Not a Clos with an AS per ToR: MED stops at the first ToR |
| \`ladder\` | one of eight communities, which routers map to LOCAL_PREF 200 to 207: a claim takes one step above the highest rival in sight | an AS per ToR, any number of moves. Every eBGP router maps the communities, each ToR also on its sessions towards the spines |
| \`window\` | LOCAL_PREF, MED and community *elevated* for \`migration.elevatedFor\`, then *normal* | small fixed preference plans; on eBGP every router maps the communities to LOCAL_PREF. A second move within the window ties and is reported |
| \`prepend\` | AS_PATH: a fresh claim has no prepends, a normal one \`routes.prepend\`, a leaving one twice as many | several ASes and no router configuration. A second move within \`elevatedFor\` ties and is reported |

What the configuration alone can't tell, the received routes do: \`landfall status\` warns when the profile of a peer can't order two nodes on the
fabric that it sees there. See [Which of two claims wins](handover.md#which-of-two-claims-wins).

Except in \`sequence\`, \`elevatedFor\` must be longer than the Hold Time and \`gracefulRestart.restartTime\` together: the route of a node that died can
stand that long. With a 2-byte ASN the levels have the communities \`<asn>:100\`, \`:200\` and \`:50\`, and the steps of the ladder \`<asn>:200\` to \`:207\`; a
4-byte ASN does not fit into one, so the defaults are the large communities \`<asn>:9:100\` and so on.

## Bindings

A RARP, which is the first that QEMU sends after a migration, carries a MAC and no address. Without a binding (or, in mode \`learn\`, a pair
heard before) it can't be announced. Bindings stand in the file, in \`identity.bindingsFile\` (a list of the same shape), or in both. An
address with two owners in a VRF is an error, and so is a MAC with two bindings in a VLAN. A binding outside \`watch.prefixes\` is a
warning, for one bindings file may serve nodes that watch different networks.

`;

/** `docs/configuration.md`. */
export function makeReference(): string {
  const { overrides, ...sections } = (rawJsonSchema() as Node).properties ?? {};
  const keys = Object.entries(sections).flatMap(([key, node]) => [`### ${key}`, '', ...sectionOf(key, node, true), '']);
  return [
    intro + '## Changing a running configuration', '',
    '`landfall reload` (or SIGHUP) reads the file again and applies what differs; `landfall reload --dry-run` only says what would. What counts is the',
    'effective configuration: an edit that changes nothing on this node changes nothing. A file that is not valid changes nothing either: the old',
    'configuration stays, and the command exits with 3. `identity.bindingsFile` needs no reload, it is watched; so is the file itself where it comes',
    'from a ConfigMap that is mounted as a folder. How a changed key is applied:', '',
    '| class | effect |', '| --- | --- |', ...Object.entries(reloadEffects).map(([name, effect]) => `| ${name} | ${effect} |`), '',
    '## All keys', '',
    'Keys without a default have to be there, unless they say otherwise. `[]` stands for each element of a list.', '',
    ...keys,
    '### overrides', '', overrides?.description ?? '', '',
  ].join('\n');
}

function sectionOf(key: string, node: Node, required: boolean): string[] {
  const rows = rowsOf(key, node, required);
  return [...(node.description === undefined || rows.length < 2 ? [] : [node.description, '']), '| key | value | default | reload | |', '| --- | --- | --- | --- | --- |', ...rows];
}

/** A row for a value; for a map or a list of maps, the rows of what is in it. */
function rowsOf(path: string, node: Node, required: boolean): string[] {
  const inner = node.items?.properties === undefined ? node : node.items;
  if (inner.properties === undefined) return [row(path, node, required)];
  const innerPath = inner === node ? path : `${path}[]`;
  return Object.entries(inner.properties).flatMap(([key, value]) => rowsOf(`${innerPath}.${key}`, value, inner.required?.includes(key) === true));
}

function row(path: string, node: Node, required: boolean): string {
  const text = (node.description ?? '').replaceAll('|', '\\|');
  const fallback = node.default === undefined || isEmpty(node.default) ? (required ? '*required*' : '-') : `\`${JSON.stringify(node.default).replace(/^"(.*)"$/, '$1')}\``;
  return `| \`${path}\` | ${kindOf(node)} | ${fallback} | ${reloadClassOf(path)} | ${text} |`;
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function kindOf(node: Node): string {
  if (node.const !== undefined) return `\`${String(node.const)}\``;
  if (node.enum !== undefined) return node.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (node.items !== undefined) return `list of ${kindOf(node.items)}`;
  if (node.type === 'boolean') return '`true`, `false`';
  if (node.type === 'integer') return `${node.title === 'ASN' ? 'ASN, ' : ''}${node.minimum}..${node.maximum}`;
  return node.title ?? node.type ?? 'value';
}
