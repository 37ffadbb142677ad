import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseApiRequest } from '../../src/api-request.ts';
import type { ApiRequest } from '../../src/backend.ts';

function request(method: string, target: string, body = ''): ApiRequest {
  const parsed = parseApiRequest(method, target, body);
  assert.equal(parsed.type, 'request', JSON.stringify(parsed));
  return (parsed).request;
}

describe('api request', () => {
  const right: [string, string, string, ApiRequest][] = [
    ['GET', '/v1/status', '', { verb: 'status' }],
    ['HEAD', '/v1/status', '', { verb: 'status' }],
    ['GET', '/v1/peers', '', { verb: 'peers' }],
    ['GET', '/v1/peers/tor-a', '', { verb: 'peers', name: 'tor-a' }],
    ['GET', '/v1/peers/a%2Fb', '', { verb: 'peers', name: 'a/b' }],
    ['GET', '/v1/prefixes?prefix=203.0.113.0/24&peer=tor-a&state=held&vm=shop%2Fweb-1', '', { verb: 'prefixes', prefix: '203.0.113.0/24', peer: 'tor-a', state: 'held', vm: 'shop/web-1' }],
    ['GET', '/v1/prefixes?prefix=203.0.113.11', '', { verb: 'prefixes', prefix: '203.0.113.11/32' }],
    ['GET', '/v1/received?prefix=2001:DB8::0:11', '', { verb: 'received', prefix: '2001:db8::11/128' }],
    ['GET', '/v1/migrations?sinceSeconds=3600&vm=x', '', { verb: 'migrations', sinceSeconds: 3600, vm: 'x' }],
    ['GET', '/v1/migrations/k3f9', '', { verb: 'migration', id: 'k3f9' }],
    ['GET', '/v1/bindings', '', { verb: 'bindings' }],
    ['GET', '/v1/ignored?sinceSeconds=0.5', '', { verb: 'ignored', sinceSeconds: 0.5 }],
    ['GET', '/v1/config', '', { verb: 'config' }],
    ['GET', '/v1/why/203.0.113.11', '', { verb: 'why', address: '203.0.113.11' }],
    ['POST', '/v1/announce', '{"address":"203.0.113.11"}', { verb: 'announce', address: '203.0.113.11' }],
    ['POST', '/v1/announce', '{"address":"2001:db8::11/128","vrf":"red"}', { verb: 'announce', address: '2001:db8::11', vrf: 'red' }],
    ['POST', '/v1/withdraw', '{"address":"203.0.113.11/32","forSeconds":600}', { verb: 'withdraw', address: '203.0.113.11', forSeconds: 600 }],
    ['POST', '/v1/auto', '{"address":"203.0.113.11"}', { verb: 'auto', address: '203.0.113.11' }],
    ['POST', '/v1/hint', '{"state":"paused","vm":"shop/web-1","to":"hv-2"}', { verb: 'hint', state: 'paused', vm: 'shop/web-1', to: 'hv-2' }],
    ['POST', '/v1/hint', '{"state":"running","vm":"52:54:00:aa:00:01","vrf":"red"}', { verb: 'hint', state: 'running', vm: '52:54:00:aa:00:01', vrf: 'red' }],
  ];
  for (const [method, target, body, expected] of right) it(`${method} ${target} ${body}`, () => assert.deepEqual(request(method, target, body), expected));

  const wrong: [string, string, string, number, RegExp][] = [
    ['GET', '/', '', 404, /no such path/],
    ['GET', '', '', 404, /no such path/],
    ['GET', '/v2/status', '', 404, /no such path/],
    ['GET', '/v1/nothing', '', 404, /there are \/v1\/status/],
    ['GET', '/v1/__proto__', '', 404, /no such path/],
    ['GET', '/v1/constructor', '', 404, /no such path/],
    ['GET', '/v1/why', '', 404, /no such path/],
    ['GET', '/v1/peers/a/b', '', 404, /no such path/],
    ['GET', '/v1/announce', '', 405, /takes POST only/],
    ['POST', '/v1/status', '{}', 405, /takes GET only/],
    ['DELETE', '/v1/status', '', 405, /takes GET only/],
    ['GET', '/v1/peers/', '', 400, /1 to 253 characters/],
    ['GET', '/v1/peers/%', '', 400, /% escape/],
    ['GET', '/v1/status?x=1', '', 400, /unknown parameter "x"; there is none here/],
    ['GET', '/v1/prefixes?verb=auto', '', 400, /known here: prefix, peer, state, vm/],
    ['GET', '/v1/prefixes?vm=a&vm=b', '', 400, /given twice/],
    ['GET', `/v1/prefixes?vm=${'x'.repeat(300)}`, '', 400, /longer than 253/],
    ['GET', '/v1/prefixes?prefix=203.0.113.1/24', '', 400, /host bits/],
    ['GET', '/v1/prefixes?state=best', '', 400, /states are normal/],
    ['GET', '/v1/ignored?sinceSeconds=-1', '', 400, /number of seconds/],
    ['GET', '/v1/ignored?sinceSeconds=NaN', '', 400, /number of seconds/],
    ['GET', '/v1/ignored?sinceSeconds=999999999', '', 400, /number of seconds/],
    ['GET', '/v1/migrations/a%20b', '', 400, /no migration/],
    ['GET', '/v1/why/%1b[2J', '', 400, /\\x1b/],
    ['GET', '/v1/events?type=nope', '', 400, /types are migration/],
    ['GET', '/v1/events?recent=1001', '', 400, /0 to 1000/],
    ['GET', '/v1/events?follow=1', '', 400, /true or false/],
    ['POST', '/v1/announce', '', 400, /not JSON/],
    ['GET', '/v1/hint', '', 405, /takes POST only/],
    ['POST', '/v1/hint', '{"state":"resting","vm":"x"}', 400, /paused or running/],
    ['POST', '/v1/hint', '{"state":"paused"}', 400, /vm is missing/],
    ['POST', '/v1/announce', '{"address":', 400, /not JSON/],
    ['POST', '/v1/announce', '[]', 400, /not a JSON object/],
    ['POST', '/v1/announce', 'null', 400, /not a JSON object/],
    ['POST', '/v1/announce', '{}', 400, /address is missing/],
    ['POST', '/v1/announce', '{"address":7}', 400, /must be a string/],
    ['POST', '/v1/announce', '{"address":"203.0.113.0/31"}', 400, /not an IP address/],
    ['POST', '/v1/announce', '{"address":"203.0.113.11","forSeconds":1}', 400, /unknown parameter "forSeconds"/],
    ['POST', '/v1/announce', '{"address":"203.0.113.11","__proto__":"x"}', 400, /unknown parameter "__proto__"/],
    ['POST', '/v1/announce?x=1', '{"address":"203.0.113.11"}', 400, /unknown parameter/],
    ['POST', '/v1/withdraw', '{"address":"203.0.113.11","forSeconds":"1"}', 400, /must be a number/],
    ['POST', '/v1/withdraw', '{"address":"203.0.113.11","forSeconds":0}', 400, /number of seconds/],
  ];
  for (const [method, target, body, status, message] of wrong) {
    it(`refuses ${method} ${target.slice(0, 60)} ${body}`, () => {
      const parsed = parseApiRequest(method, target, body);
      assert.equal(parsed.type, 'problem', JSON.stringify(parsed));
      const { problem } = parsed;
      assert.equal(problem.status, status);
      assert.match(problem.message, message);
      assert.doesNotMatch(problem.message, /[\x00-\x1f\x7f-\x9f]/);
    });
  }

  it('reads what events are wanted', () => {
    assert.deepEqual(parseApiRequest('GET', '/v1/events', ''), { type: 'events', query: { types: undefined, recent: 0, follow: true } });
    assert.deepEqual(parseApiRequest('GET', '/v1/events?type=peer,migration&recent=5&follow=false', ''), { type: 'events', query: { types: new Set(['peer', 'migration']), recent: 5, follow: false } });
  });

  it('is total', () => {
    const method = fc.constantFrom('GET', 'POST', 'PUT', '');
    const target = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('/v1/why/', '/v1/prefixes?', '/v1/announce').chain((start) => fc.string({ unit: 'binary' }).map((end) => start + end)));
    fc.assert(fc.property(method, target, fc.oneof(fc.string(), fc.json()), (m, t, b) => {
      assert.ok(['request', 'events', 'problem'].includes(parseApiRequest(m, t, b).type));
    }), { numRuns: 150 });
  });
});
