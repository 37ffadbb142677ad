// Where everything of a handover's picture goes: numbers in, numbers out, no document. All lengths are in CSS pixels.

const markRadius = 9;
const laneGap = 14;
const top = 8;
const bottom = 24;

const routerEvents = new Set(['reflected', 'source', 'source-demoted', 'source-gone', 'remote-claim']);
const troubleEvents = new Set(['held', 'superseded']);
const endEvents = new Set(['settled', 'withdrawn']);

/** Milliseconds to a share of the width; equal factors of time are equal lengths, and what lies before 0.1 ms is at the left edge. */
function place(ms, lastMs) {
  const scale = (value) => Math.log10(1 + Math.max(0, value) / 0.1);
  return lastMs <= 0 ? 0 : scale(ms) / scale(lastMs);
}

/** `0.4 ms`, `12 ms`, `1.5 s`. */
export function formatTime(seconds) {
  const ms = seconds * 1000;
  if (Math.abs(ms) < 10) return `${Math.round(ms * 10) / 10} ms`;
  return Math.abs(ms) < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`;
}

/**
 * @param entries the timeline, as the API gives it
 * @param width of the picture
 * @returns ticks, lanes (the node first, then each router), bars (frame to last byte written, and from there to what a router shows)
 * and numbered marks; marks that would cover each other are stacked
 */
export function layOut(entries, width) {
  const labels = width < 480 ? 64 : 110;
  const right = 14;
  const lastMs = Math.max(1, ...entries.map((entry) => entry.atSeconds * 1000));
  const x = (seconds) => labels + place(seconds * 1000, lastMs) * Math.max(1, width - labels - right);
  const names = ['', ...new Set(entries.map((entry) => entry.peer).filter((peer) => peer !== undefined))];
  const lanes = names.map((peer) => ({ peer, marks: [], height: 0 }));
  entries.forEach((entry, at) => {
    const lane = lanes[Math.max(0, names.indexOf(entry.peer ?? ''))];
    const markX = x(entry.atSeconds);
    let level = 0;
    while (lane.marks.some((mark) => mark.level === level && Math.abs(mark.x - markX) < markRadius * 2 + 1)) level += 1;
    lane.marks.push({ number: at + 1, x: markX, level, kind: kindOf(entry.event), event: entry.event, atSeconds: entry.atSeconds });
  });
  let y = top;
  for (const lane of lanes) {
    const levels = 1 + Math.max(0, ...lane.marks.map((mark) => mark.level));
    lane.height = levels * (markRadius * 2 + 2);
    lane.y = y;
    lane.middle = y + lane.height - markRadius - 1;
    for (const mark of lane.marks) mark.y = lane.middle - mark.level * (markRadius * 2 + 2);
    y += lane.height + laneGap;
  }
  return { width, height: y - laneGap + bottom, left: labels, radius: markRadius, lanes, bars: barsOf(entries, lanes, x), ticks: ticksOf(lastMs, x, width < 480 ? 48 : 56) };
}

function kindOf(event) {
  if (troubleEvents.has(event)) return 'trouble';
  if (endEvents.has(event)) return 'end';
  return routerEvents.has(event) ? 'router' : 'own';
}

function barsOf(entries, lanes, x) {
  const first = entries.find((entry) => entry.event === 'frame' || entry.event === 'remote-claim' || entry.event === 'port-gone');
  const written = entries.filter((entry) => entry.event === 'written');
  const bars = [];
  if (first !== undefined && written.length > 0) {
    const last = Math.max(...written.map((entry) => entry.atSeconds));
    bars.push({ kind: 'own', x: x(first.atSeconds), width: x(last) - x(first.atSeconds), y: lanes[0].middle - 3 });
  }
  for (const lane of lanes.slice(1)) {
    const from = written.find((entry) => entry.peer === lane.peer);
    const shown = entries.filter((entry) => entry.peer === lane.peer && routerEvents.has(entry.event));
    if (from === undefined || shown.length === 0) continue;
    const to = Math.max(...shown.map((entry) => entry.atSeconds));
    if (to > from.atSeconds) bars.push({ kind: 'router', x: x(from.atSeconds), width: x(to) - x(from.atSeconds), y: lane.middle - 3 });
  }
  return bars;
}

function ticksOf(lastMs, x, apart) {
  const ticks = [{ x: x(0), text: '0' }];
  for (const ms of [0.1, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000]) {
    const tick = { x: x(ms / 1000), text: ms < 1000 ? `${ms} ms` : `${ms / 1000} s` };
    if (ms <= lastMs && tick.x - ticks[ticks.length - 1].x >= apart) ticks.push(tick);
  }
  return ticks;
}
