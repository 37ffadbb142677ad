#!/usr/bin/env node
// Tells landfall what QEMU tells of a live migration, so that no packet for the VM is lost: when the VM stands still because it is about to
// run elsewhere, `hint paused`; when it goes on here after all, `hint running`. The same as
//     landfall hint paused VM [--to NODE]        landfall hint running VM
// said over the daemon's own socket, which costs a millisecond instead of the start of a process.
//
//     qmp-watcher.mjs --qmp SOCKET --vm NAME|MAC|IP [--api SOCKET] [--to NODE] [--lead MS]
//
// SOCKET is a QMP monitor that nobody else uses: QEMU takes one client for each (-qmp unix:PATH,server=on,wait=off may be given more than
// once; libvirt: `virsh qemu-monitor-event DOMAIN --loop` tells the same events, without a second monitor).
// --lead: the hint is given about so long before the VM is stopped, in ms (default 60; 0: when it is). Then nothing arrives while it stands
// still. What is left of the memory, and how fast that shrinks, tells the moment; where the VM writes faster than that, the hint is taken back.
import { connect } from 'node:net';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { qmp: { type: 'string' }, vm: { type: 'string' }, api: { type: 'string', default: '/run/landfall/landfall.sock' }, to: { type: 'string' }, lead: { type: 'string', default: '60' } },
});
if (values.qmp === undefined || values.vm === undefined) {
  process.stderr.write('usage: qmp-watcher.mjs --qmp SOCKET --vm NAME|MAC|IP [--api SOCKET] [--to NODE] [--lead MS]\n');
  process.exit(2);
}
const leadMs = Number(values.lead);

let migrating = false;
let paused = false;
/** The VM stands still: from now on only QEMU's word that it goes on takes the hint back. */
let stopped = false;
let downtimeLimitMs = 300;
let pausedAt = 0;
let asking;
/** What was left of the memory, and when, ms: the last few answers. */
let progress = [];

warmUp(20);
const monitor = connect(values.qmp);
monitor.on('error', (error) => end(`${values.qmp}: ${error.message}`, 1));
monitor.on('close', () => end('QEMU has closed its monitor', 0));
createInterface({ input: monitor }).on('error', () => undefined).on('line', (line) => {
  const message = JSON.parse(line);
  if (message.QMP !== undefined) {
    process.stdout.write(`watching ${values.qmp} for ${values.vm}\n`);
    execute('qmp_capabilities');
    // Without this capability QEMU says nothing of the migration's progress. Other capabilities stay as they are.
    execute('migrate-set-capabilities', { capabilities: [{ capability: 'events', state: true }] });
  } else if (message.event !== undefined) {
    take(message.event, message.data ?? {});
  } else if (message.return?.ram !== undefined) {
    judge(message.return);
  } else if (message.return?.['downtime-limit'] !== undefined) {
    downtimeLimitMs = message.return['downtime-limit'];
  } else if (message.return?.status !== undefined && asking !== undefined && migrating && !stopped) {
    ask(); // it has just begun
  }
});

function execute(command, args) {
  monitor.write(`${JSON.stringify({ execute: command, ...(args === undefined ? {} : { arguments: args }) })}\n`);
}

function take(event, data) {
  if (event === 'MIGRATION') {
    if (['setup', 'active', 'pre-switchover', 'device'].includes(data.status)) migrating = true;
    // A migration that ends otherwise leaves the VM here; `completed` leaves it to the destination's claim.
    if (data.status === 'active') watchProgress();
    else if (['cancelled', 'cancelling', 'failed'].includes(data.status)) stays();
    else if (data.status === 'completed') forget();
  } else if (event === 'STOP' && migrating) {
    stopped = true;
    if (paused) process.stdout.write(`${new Date().toISOString()} stopped ${(performance.now() - pausedAt).toFixed(1)} ms after the hint\n`);
    pause();
  } else if (event === 'RESUME') {
    stays();
  }
}

function watchProgress() {
  if (leadMs <= 0 || asking !== undefined || stopped) return;
  progress = [];
  execute('query-migrate-parameters');
  ask();
}

function ask(inMs = 5) {
  asking = setTimeout(() => execute('query-migrate'), inMs);
}

/** QEMU stops the VM as soon as what is left goes over, at the speed of late, within its downtime limit. */
function judge({ ram, status }) {
  if (status !== 'active' || stopped) return;
  const at = performance.now();
  progress.push({ at, remaining: ram.remaining });
  while (progress.length > 2 && at - progress[1].at > 20) progress.shift();
  const shrunk = progress[0].remaining - ram.remaining;
  // A new pass: what is left has grown.
  if (shrunk < 0) progress = [{ at, remaining: ram.remaining }];
  const more = ram.remaining - (ram.mbps * 1000 / 8) * downtimeLimitMs;
  const leftMs = more <= 0 ? 0 : shrunk > 0 ? (more / shrunk) * (at - progress[0].at) : undefined;
  if (leftMs !== undefined && leftMs < leadMs) pause();
  else if (paused && leftMs !== undefined && leftMs > 10 * leadMs) resume();
  // The VM runs on and gets nothing: enough of that. STOP gives the hint again.
  if (paused && at - pausedAt > 5 * leadMs) {
    resume();
    return;
  }
  ask(leftMs === undefined ? 5 : Math.min(25, Math.max(3, (leftMs - leadMs) / 8)));
}

function pause() {
  if (paused) return;
  paused = true;
  pausedAt = performance.now();
  hint('paused');
}

function resume() {
  if (!paused) return;
  paused = false;
  hint('running');
}

function stays() {
  resume();
  forget();
}

function forget() {
  migrating = false;
  paused = false;
  stopped = false;
  clearTimeout(asking);
  asking = undefined;
}

function hint(state) {
  const sent = performance.now();
  call('/v1/hint', { state, vm: values.vm, ...(state === 'paused' && values.to !== undefined ? { to: values.to } : {}) }, ({ items, error }) => {
    const said = error === undefined ? items.map((item) => `${item.prefix} ${item.state}${item.node === undefined ? '' : ` to ${item.node}`}`).join(', ') : `refused: ${error.message}`;
    process.stdout.write(`${new Date().toISOString()} ${state} ${values.vm}: ${said} (${(performance.now() - sent).toFixed(1)} ms)\n`);
  });
}

function call(path, body, then) {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  const asked = request({ socketPath: values.api, path, method: body === undefined ? 'GET' : 'POST', headers }, (response) => {
    let answer = '';
    response.setEncoding('utf8').on('data', (part) => { answer += part; }).on('end', () => then(JSON.parse(answer)));
  });
  asked.on('error', (error) => process.stderr.write(`${values.api}: ${error.message}\n`));
  asked.end(text);
}

/** The first call of a process costs tens of milliseconds: it is made now. */
function warmUp(times) {
  call('/v1/drain', undefined, () => { if (times > 1) warmUp(times - 1); });
}

function end(text, status) {
  process.stderr.write(`${text}\n`);
  process.exit(status);
}
