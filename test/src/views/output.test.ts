import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { toYaml } from '../../../config/yaml-text.ts';
import type { ListReply } from '../../../src/views/items.ts';
import { migrationsView, migrationView } from '../../../src/views/migrations.ts';
import { formatReply, type OutputFormat } from '../../../src/views/output.ts';
import { peersView } from '../../../src/views/peers.ts';
import { prefixesView } from '../../../src/views/prefixes.ts';
import { receivedView } from '../../../src/views/received.ts';
import type { View } from '../../../src/views/view.ts';
import { whyView } from '../../../src/views/why.ts';
import { migrations, peers, prefixes } from '../fake-daemon.ts';

function reply<Item>(kind: string, items: Item[]): ListReply<Item> {
  return { apiVersion: 'landfall/v1', kind, node: 'hv-07', time: '2026-11-24T10:41:15.000Z', items };
}

function format<Item, Row>(items: Item[], view: View<Item, Row>, output: OutputFormat, style: { headers?: boolean; color?: boolean } = {}): string {
  return formatReply(reply('List', items), view, { format: output, headers: style.headers ?? true, color: style.color ?? false, toYaml });
}

describe('tables', () => {
  it('show peers', () => {
    assert.equal(format(peers, peersView, 'table'), `\
PEER   ADDRESS    ASN    TYPE  STATE        UP/DOWN   FAMILY  SENT  RCVD  AUTH  LAST ERROR
tor-a  192.0.2.1  65010  ibgp  established  4d02h11m  ipv4      42     3  md5   -
                                                      ipv6      42     0
tor-b  192.0.2.2  65001  ebgp  active       1m12s     -          0     0  md5   Bad Peer AS (2/2): it says 65011
`);
  });

  it('show peers -o wide, of a router that is away', () => {
    const away = peers.slice(1).map((peer) => ({ ...peer, families: [{ family: 'ipv4' as const, negotiated: false, sent: 0, received: 0, stale: { routes: 12, longLived: true, endsSeconds: 3600 } }] }));
    assert.match(format(away, peersView, 'wide'), /RCVD +STALE +AUTH.*\ntor-b .* ipv4 +0 +0 +12 for 1h(00m)? /);
  });

  it('show prefixes', () => {
    assert.equal(format(prefixes, prefixesView, 'table'), `\
PREFIX           VM          STATE      LOCAL-PREF  MED  COMMUNITIES  PEERS  SINCE  NEXT
203.0.113.11/32  shop/web-1  elevated          200    0  65010:200      2/2  8s     normal in 82s
203.0.113.12/32  shop/db-1   normal            100  100  65010:100      2/2  3h12m  -
203.0.113.19/32  shop/old-3  withdrawn           -    -  -              0/2  41s    -
`);
  });

  it('show prefixes -o wide', () => {
    assert.equal(format(prefixes, prefixesView, 'wide'), `\
PREFIX           VM          STATE      LOCAL-PREF  MED  COMMUNITIES  PEERS  SINCE  NEXT           MAC                VLAN  PORT   SOURCE
203.0.113.11/32  shop/web-1  elevated          200    0  65010:200      2/2  8s     normal in 82s  52:54:00:aa:00:01   100  vnet4  garp
203.0.113.12/32  shop/db-1   normal            100  100  65010:100      2/2  3h12m  -              52:54:00:aa:00:02   100  vnet1  rarp
203.0.113.19/32  shop/old-3  withdrawn           -    -  -              0/2  41s    -              52:54:00:aa:00:09   100  -      port-gone
`);
  });

  it('show migrations', () => {
    assert.equal(format(migrations, migrationsView, 'table'), `\
ID    VM          PREFIX           DIR  PEER NODE  STARTED              SEEN BY  ANNOUNCED  REFLECTED  SOURCE GONE  RESULT
k3f9  shop/web-1  203.0.113.11/32  in   hv-03      2026-11-24 10:41:07  garp     1.1 ms     11.4 ms    41 ms        settled
k3f8  shop/db-1   203.0.113.12/32  out  hv-09      2026-11-24 10:39:55  uplink   -          -          0.7 ms       withdrawn
`);
  });

  it('show migration', () => {
    assert.equal(format(migrations.slice(0, 1), migrationView, 'table'), `\
    0.0 ms  frame      garp from vnet4, 52:54:00:aa:00:01, vlan 100 (kernel time stamp)
    0.3 ms  accepted   binding shop/web-1; inside 203.0.113.0/24
    1.1 ms  announced  tor-a: local-pref 200, 65010:200; tor-b: med 0, 65010:200
90001.1 ms  settled    normal route sent to tor-a, tor-b (profile window)
`);
  });

  it('show why', () => {
    const item = { address: '203.0.113.13', vrf: 'default', announced: false, answer: 'no.', checks: [{ check: 'a', result: 'ok' as const, text: 'x' }, { check: 'bb', result: 'fail' as const, text: 'y' }] };
    assert.equal(format([item], whyView, 'table'), 'no.\nok    a   x\nFAIL  bb  y\n');
  });

  it('an empty list is its headers; without headers nothing', () => {
    assert.equal(format([], prefixesView, 'table'), 'PREFIX  VM  STATE  LOCAL-PREF  MED  COMMUNITIES  PEERS  SINCE  NEXT\n');
    assert.equal(format([], prefixesView, 'table', { headers: false }), '');
  });

  it('--no-headers keeps rows and alignment', () => {
    const [first] = format(prefixes, prefixesView, 'table', { headers: false }).split('\n');
    assert.equal(first, '203.0.113.11/32  shop/web-1  elevated   200    0  65010:200  2/2  8s     normal in 82s');
  });

  it('colour changes no column', () => {
    const colored = format(peers, peersView, 'table', { color: true });
    assert.match(colored, /\x1b\[32mestablished\x1b\[39m/);
    assert.match(colored, /\x1b\[31mactive\x1b\[39m/);
    assert.equal(colored.replaceAll(/\x1b\[\d+m/g, ''), format(peers, peersView, 'table'));
  });

  it('lets no text of a stranger steer the terminal, in any format', () => {
    const evil = 'x\x1b]0;owned\x07\r\n\x9b2J\u202e';
    const items = [{ peer: evil, prefix: evil, nextHop: evil, asPath: evil, communities: [evil], largeCommunities: [], kind: evil, node: evil, since: evil }];
    for (const output of ['table', 'wide', 'json', 'jsonl', 'yaml', 'name'] as const) {
      const text = format(items, receivedView, output);
      assert.ok(text.includes('owned'), output);
      assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/, output);
    }
  });
});

describe('data formats', () => {
  it('json is the whole reply', () => assert.deepEqual(JSON.parse(format(prefixes, prefixesView, 'json')), reply('List', prefixes)));
  it('yaml is the same data', () => assert.deepEqual(parse(format(prefixes, prefixesView, 'yaml')), reply('List', prefixes)));
  it('jsonl is one item a line', () => {
    const lines = format(prefixes, prefixesView, 'jsonl').trimEnd().split('\n');
    assert.deepEqual(lines.map((line) => JSON.parse(line) as unknown), prefixes);
  });
  it('name is one name a line', () => assert.equal(format(peers, peersView, 'name'), 'tor-a\ntor-b\n'));
  it('DEL and C1 in JSON stay the same text', () => {
    const items = [{ ...(prefixes[0] as object), vm: 'a\x7f\x9bb\u2028' }] as typeof prefixes;
    const json = format(items, prefixesView, 'jsonl');
    assert.ok(json.includes('\\u007f\\u009b'));
    assert.equal((JSON.parse(json) as { vm: string }).vm, 'a\x7f\x9bb\u2028');
  });
});
