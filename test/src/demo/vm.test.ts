import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demoVm } from '../../../src/demo/addresses.ts';
import type { Migration } from '../../../src/demo/vm/migration.ts';
import type { QmpEvent } from '../../../src/demo/vm/qmp.ts';
import { openQmp } from '../../../src/demo/vm/qmp.ts';
import type { VmMoveFacts } from '../../../src/demo/vm/report.ts';
import { describeLoss, describeMove, reportVmMove } from '../../../src/demo/vm/report.ts';

describe('QMP', () => {
  let folder: string;
  let server: Server;
  let peer: Socket;
  /** A monitor that answers what `answers` has for a command, and nothing to what it has not. */
  async function monitor(answers: Readonly<Record<string, object>>): Promise<string> {
    folder = mkdtempSync(join(tmpdir(), 'landfall-qmp-'));
    const path = join(folder, 'qmp');
    server = createServer((socket) => {
      peer = socket;
      socket.write('{"QMP":{"version":{},"capabilities":[]}}\r\n');
      socket.on('data', (bytes) => {
        for (const line of bytes.toString().trim().split('\n')) {
          const { execute, id } = JSON.parse(line) as { execute: string; id: number };
          const answer = execute === 'qmp_capabilities' ? { return: {} } : answers[execute];
          if (answer !== undefined) socket.write(`${JSON.stringify({ ...answer, id })}\r\n`);
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return path;
  }
  afterEach(() => {
    server.close();
    peer?.destroy();
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives answers to those who asked, errors in QEMU\'s words, and events with QEMU\'s time', async () => {
    const events: QmpEvent[] = [];
    const qmp = await openQmp(await monitor({ 'query-status': { return: { running: true } }, cont: { error: { class: 'GenericError', desc: 'no' } } }), (event) => events.push(event));
    const [status, refused] = await Promise.allSettled([qmp.execute('query-status'), qmp.execute('cont')]);
    assert.deepEqual(status, { status: 'fulfilled', value: { running: true } });
    assert.equal(refused.status === 'rejected' ? (refused.reason as Error).message : '', 'cont: no');
    peer.write('{"timestamp":{"seconds":1700000000,"microseconds":250500},"event":"MIG');
    peer.write('RATION","data":{"status":"active"}}\r\n');
    await qmp.execute('query-status');
    assert.deepEqual(events, [{ at: 1_700_000_000_250.5, event: 'MIGRATION', data: { status: 'active' } }]);
    qmp.close();
  });

  it('rejects what was not answered when QEMU ends, and what is asked after', async () => {
    const qmp = await openQmp(await monitor({}), () => undefined);
    const asked = qmp.execute('migrate');
    peer.destroy();
    await assert.rejects(asked, /closed its monitor/);
    await assert.rejects(qmp.execute('quit'), /closed its monitor/);
  });
});

describe('the report of a real migration', () => {
  const vm = demoVm(1);
  const qmp = (node: 'a' | 'b', at: number, event: string, status?: string): Migration['events'][number] => ({ node, at, event, data: status === undefined ? {} : { status } });
  const migration: Migration = {
    from: 'a', to: 'b', flow: 'libvirt', outcome: 'moved', startedAt: 9000, stoppedAt: 9900, resumedAt: 10_000, zeroAt: 10_000, copiedBytes: 64 << 20,
    events: [qmp('a', 9900, 'STOP'), qmp('b', 10_000, 'RESUME')],
  };
  const facts: VmMoveFacts = {
    number: 1, beganAt: 8000, migration, vm, streams: [], incoming: [], outgoing: [],
    // Sent before STOP, in the downtime (one of them answered late, from a queue), at RESUME and after it.
    samples: { 'udp-ipv4': [[9890, 9891], [9899, null], [9950, null], [9999, 10_005], [10_000, null], [10_004, 10_006]] },
    routes: [
      { at: 10_003, prefix: '203.0.113.11/32', deleted: false, device: 'b0', multipath: false },
      { at: 10_003, prefix: '203.0.113.99/32', deleted: false, device: 'b0', multipath: false },
      { at: 7000, prefix: '203.0.113.11/32', deleted: false, device: 'a0', multipath: false },
    ],
    heard: [{ event: 'frame', at: 10_000.1, node: 'b', port: 'tap1', kind: 'rarp', mac: vm.mac }, { event: 'port', at: 8500, node: 'b', port: 'tap1', state: 'carrier' }],
  };

  it('has all on one timeline, from RESUME, and nothing of other moves or VMs', () => {
    const report = reportVmMove(facts);
    assert.deepEqual(report.timeline.map((line) => `${line.atMs.toFixed(1)} ${line.event}: ${line.text}`), [
      '-1500.0 port: node b: tap1 has carrier',
      "-1000.0 qmp: node a: migrate (libvirt's order: pause before switchover, then cont)",
      '-100.0 qmp: node a: STOP',
      '0.0 qmp: node b: RESUME',
      `0.1 frame: node b: RARP from tap1, ${vm.mac}`,
      '3.0 router: kernel route of 203.0.113.11/32 leads to node b',
      '5.0 first packet: udp-ipv4: first answer from node b',
    ]);
    assert.match(describeMove(report), /moved; 64 MiB in 1000 ms; the VM stood still for 100\.0 ms/);
  });

  it('tells what the downtime explains from what it does not', () => {
    const report = reportVmMove(facts);
    assert.equal(report.probes['udp-ipv4']?.lost, 3);
    assert.equal(report.probes['udp-ipv4']?.lostBeyondDowntime, 2);
    assert.match(describeLoss(report)[0] ?? '', /3 of 6 packets never answered, 2 of them sent outside/);
  });

  it('of one that was broken off while the VM ran has no downtime', () => {
    const report = reportVmMove({ ...facts, migration: { from: 'a', to: 'b', flow: 'plain', outcome: 'destination-killed', startedAt: 9000, zeroAt: 10_000, copiedBytes: 6 << 20, events: [qmp('a', 10_000, 'MIGRATION', 'failed')] } });
    assert.equal(report.pauseMs, 0);
    assert.equal(report.probes['udp-ipv4']?.lostBeyondDowntime, 3);
    assert.ok(report.timeline.some((line) => line.atMs === 0 && line.text === 'node a: MIGRATION failed'));
    assert.match(describeMove(report), /killed; 6 MiB in 1000 ms; the VM never stood still\. Times from the end of the migration/);
  });
});
