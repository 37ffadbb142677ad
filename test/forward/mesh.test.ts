import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { decodeMesh, encodeMesh, isFresh, meshHelloOctets, meshMessageOctets, meshName, newMeshMemory, outbids, type Hmac, type MeshClaim, type MeshMessage } from '../../forward/mesh.ts';
import { tunnelGateway, tunnelMac } from '../../forward/wire/tunnel.ts';
import { ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';

const hmac = (key: string): Hmac => (bytes) => createHmac('sha256', key).update(bytes).digest();
const claim: MeshClaim = {
  type: 'claim', segment: 1, node: ip('192.0.2.6'), boot: '0123456789abcdef', counter: 7, sequence: 216_000_000, address: ip('203.0.113.11'), nextHop: ip('192.0.2.6'),
};

describe('forward: what speakers tell each other', () => {
  it('comes back as it was, IPv4 and IPv6', () => {
    for (const more of [{}, { address: ip('2001:db8::11') }, { address: ip('2001:db8::11'), nextHop: ip('2001:db8:1::2') }, { counter: 2 ** 40 + 3, boot: 'ffffffff00000001' }]) {
      const bytes = encodeMesh({ ...claim, ...more }, hmac('k'));
      assert.equal(bytes.length, meshMessageOctets);
      assert.deepEqual(decodeMesh(bytes, hmac('k')), { ...claim, ...more });
    }
  });

  it('so do all the other messages', () => {
    const { segment, node, boot, counter, nextHop } = claim;
    const sender = { segment, node, boot, counter, nextHop };
    const mac = '52:54:00:aa:00:01' as Mac;
    const messages: MeshMessage[] = [
      { type: 'hello', ...sender, name: 'hv-07.example' }, { type: 'hello', ...sender, name: 'n'.repeat(64) }, { type: 'ready', ...sender, address: ip('2001:db8::11') },
      { type: 'unready', ...sender, address: ip('203.0.113.11') }, { type: 'handing', ...sender, address: ip('203.0.113.11'), mac }, { type: 'gateway', ...sender, address: ip('2001:db8::1'), mac },
    ];
    for (const message of messages) {
      const bytes = encodeMesh(message, hmac('k'));
      assert.equal(bytes.length, message.type === 'hello' ? meshHelloOctets : meshMessageOctets);
      assert.deepEqual(decodeMesh(bytes, hmac('k')), message);
      assert.equal(decodeMesh(bytes.subarray(0, bytes.length - 1), hmac('k')), undefined);
    }
    const long = decodeMesh(encodeMesh({ type: 'hello', ...sender, name: `${'n'.repeat(70)}` }, hmac('k')), hmac('k'));
    assert.equal(long?.type === 'hello' ? long.name : undefined, meshName('n'.repeat(70)));
    const odd = decodeMesh(encodeMesh({ type: 'hello', ...sender, name: 'a\x1b[2J' }, hmac('k')), hmac('k'));
    assert.equal(odd?.type === 'hello' ? odd.name : undefined, 'a', 'nothing that a terminal would act on');
  });

  it('another key, any changed bit, any other length: nothing', () => {
    const bytes = encodeMesh(claim, hmac('k'));
    assert.equal(decodeMesh(bytes, hmac('l')), undefined);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.equal(decodeMesh(changed, hmac('k')), undefined, `bit ${bit}`);
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (any) => assert.equal(decodeMesh(any, hmac('k')), undefined)));
  });

  it('a message counts once; others may overtake it', () => {
    const memory = newMeshMemory();
    for (const [counter, fresh] of [[5, true], [5, false], [7, true], [6, true], [6, false], [2000, true], [900, false], [1999, true]] as const) {
      assert.equal(isFresh(memory, { ...claim, counter }), fresh, String(counter));
    }
  });

  it('a life that another one followed is over', () => {
    const memory = newMeshMemory();
    const later = { ...claim, boot: 'aaaaaaaaaaaaaaaa' };
    assert.ok(isFresh(memory, claim));
    assert.ok(isFresh(memory, { ...later, counter: 1 }));
    assert.ok(!isFresh(memory, { ...claim, counter: 8 }));
    assert.ok(isFresh(memory, { ...later, counter: 2 }));
  });

  it('what is remembered of a node is bounded', () => {
    const memory = newMeshMemory();
    for (let counter = 1; counter < 20_000; counter++) isFresh(memory, { ...claim, counter });
    assert.ok((memory.nodes.get(claim.node)?.recent.size ?? Infinity) <= 2048);
  });

  it('only a newer claim moves packets: a recording is never newer', () => {
    assert.ok(outbids(claim, { sequence: claim.sequence - 1, node: ip('192.0.2.2') }));
    assert.ok(!outbids(claim, { sequence: claim.sequence + 1, node: ip('192.0.2.2') }));
    assert.ok(!outbids(claim, { sequence: claim.sequence, node: ip('192.0.2.2') }), 'of equals the lower identifier wins');
    assert.ok(outbids(claim, { sequence: claim.sequence, node: ip('192.0.2.9') }));
  });

  it('ends of the tunnel are told apart by address', () => {
    assert.equal(tunnelMac(ip('192.0.2.6')), '02:1f:c0:00:02:06');
    assert.equal(tunnelGateway(ip('192.0.2.6')), 'fe80::c000:206');
    assert.equal(tunnelGateway(ip('2001:db8::1:2')), 'fe80::1:2');
  });
});
