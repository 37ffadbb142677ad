// The page. Whatever the daemon tells goes into the document as text, never as markup; nothing is asked of any other host.
import { formatTime, layOut } from './timeline.js';

const find = (id) => document.getElementById(id);
const svgSpace = 'http://www.w3.org/2000/svg';
/** The handovers whose details are open, and the last data, by path. */
const open = new Set();
const last = new Map();

/** An element with attributes and children; text children become text nodes. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function draw(name, attributes, ...children) {
  const element = document.createElementNS(svgSpace, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

async function ask(path) {
  const response = await fetch(`api/${path}`, { cache: 'no-store' });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

function table(element, caption, columns, items) {
  const head = make('tr', {}, ...columns.map(([name, , kind]) => make('th', kind === 'number' ? { scope: 'col', class: 'number' } : { scope: 'col' }, name)));
  const rows = items.map((item) => make('tr', {}, ...columns.map(([, cell, kind]) => {
    const value = cell(item);
    const tone = kind === 'state' ? { class: ['established', 'normal', 'elevated'].includes(value) ? 'good' : 'bad' } : kind === 'number' ? { class: 'number' } : {};
    return make('td', tone, value === undefined ? '-' : String(value));
  })));
  element.replaceChildren(make('caption', {}, caption), make('thead', {}, head), make('tbody', {}, ...rows));
}

const span = (seconds) => {
  if (seconds === undefined) return undefined;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
};
const sum = (families, key) => families.reduce((total, family) => total + family[key], 0);

function showStatus({ items: [status], node }) {
  document.title = `landfall on ${node}`;
  find('title').textContent = `landfall on ${node}`;
  const prefixes = Object.entries(status.prefixes).filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`).join(', ');
  find('summary').textContent = `Version ${status.version}, up ${span(status.uptimeSeconds)}. ${status.peers.established} of ${status.peers.configured} peers established. Prefixes: ${prefixes || 'none'}.`;
  find('warnings').hidden = status.warnings.length === 0;
  find('warning-list').replaceChildren(...status.warnings.slice(0, 20).map((text) => make('li', {}, text)));
}

function showPeers({ items }) {
  table(find('peers'), `${items.length} configured`, [
    ['Peer', (peer) => peer.name], ['State', (peer) => peer.state, 'state'], ['For', (peer) => span(peer.upSeconds ?? peer.downSeconds)],
    ['Routes sent', (peer) => sum(peer.families, 'sent'), 'number'], ['Received', (peer) => sum(peer.families, 'received'), 'number'],
    ['Address', (peer) => peer.address], ['AS', (peer) => peer.asn, 'number'], ['Last error', (peer) => peer.lastError],
  ], items);
}

function showPrefixes({ items, total }) {
  find('prefixes-note').textContent = total > items.length ? `The first ${items.length} of ${total}.` : '';
  table(find('prefixes'), `${total} known`, [
    ['Prefix', (item) => item.prefix], ['VM', (item) => item.vm], ['State', (item) => item.state, 'state'], ['For', (item) => span(item.sinceSeconds)],
    ['Peers', (item) => `${item.peers.sent} of ${item.peers.of}`, 'number'], ['Port', (item) => item.port], ['Source', (item) => item.source],
  ], items);
}

function showMigrations({ items }) {
  const pictures = find('handover-list');
  const width = Math.max(280, Math.min(960, pictures.clientWidth - 26));
  pictures.replaceChildren(...(items.length === 0 ? [make('p', {}, 'None yet.')] : items.map((item) => handover(item, width))));
}

function handover(item, width) {
  const name = item.vm ?? item.mac ?? 'unknown VM';
  const way = item.direction === 'in' ? `came here${item.peerNode === undefined ? '' : ` from ${item.peerNode}`}` : `left${item.peerNode === undefined ? '' : ` for ${item.peerNode}`}`;
  const facts = [
    ['Seen by', item.seenBy], ['Announced', time(item.announceSeconds)], ['Reflected', time(item.reflectedSeconds)], ['Source gone', time(item.sourceGoneSeconds)],
    ['Withdrawn', time(item.withdrawnSeconds)], ['Held', time(item.heldSeconds)], ['Result', item.result],
  ].filter(([, value]) => value !== undefined);
  const steps = make('details', {}, make('summary', {}, `${item.timeline.length} steps`),
    make('ol', {}, ...item.timeline.map((entry) => make('li', {}, `${formatTime(entry.atSeconds)}: ${entry.event}. ${entry.text}`))));
  steps.open = open.has(item.id);
  steps.addEventListener('toggle', () => (steps.open ? open.add(item.id) : open.delete(item.id)));
  return make('article', { 'aria-labelledby': `h-${item.id}` },
    make('h3', { id: `h-${item.id}` }, `${name}, ${item.prefix}, ${way}`),
    make('p', { class: 'note' }, make('time', { datetime: item.startedAt }, new Date(item.startedAt).toLocaleString()), ` (${item.id})`),
    make('dl', {}, ...facts.map(([term, value]) => make('div', {}, make('dt', {}, term), make('dd', {}, value)))),
    make('figure', {}, picture(item, width), make('figcaption', {}, 'Numbers are the steps below. Blue: this node. Amber: what a router shows.')),
    steps);
}

const time = (seconds) => (seconds === undefined ? undefined : formatTime(seconds));

function picture(item, width) {
  const { height, left, radius, lanes, bars, ticks } = layOut(item.timeline, width);
  const svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-labelledby': `t-${item.id} d-${item.id}` },
    draw('title', { id: `t-${item.id}` }, `Timeline of ${item.prefix}`),
    draw('desc', { id: `d-${item.id}` }, item.timeline.map((entry) => `${formatTime(entry.atSeconds)} ${entry.event}${entry.peer === undefined ? '' : ` (${entry.peer})`}`).join(', ')));
  for (const tick of ticks) {
    svg.append(draw('line', { class: 'grid', x1: tick.x, x2: tick.x, y1: 0, y2: height - 20 }), draw('text', { class: 'tick', x: tick.x, y: height - 5, 'text-anchor': 'middle' }, tick.text));
  }
  for (const lane of lanes) {
    const label = lane.peer === '' ? 'node' : lane.peer;
    const room = Math.floor((left - 8) / 7);
    svg.append(draw('line', { class: 'grid', x1: left, x2: width, y1: lane.middle, y2: lane.middle }),
      draw('text', { class: 'lane', x: 0, y: lane.middle + 4 }, label.length > room ? `${label.slice(0, room - 1)}…` : label));
  }
  for (const bar of bars) svg.append(draw('rect', { class: `bar-${bar.kind}`, x: bar.x, y: bar.y, width: Math.max(2, bar.width), height: 6 }));
  for (const lane of lanes) {
    for (const mark of lane.marks) {
      svg.append(draw('g', { class: `mark ${mark.kind}` }, draw('title', {}, `${mark.number}: ${mark.event}, ${formatTime(mark.atSeconds)}`),
        draw('circle', { cx: mark.x, cy: mark.y, r: radius }), draw('text', { x: mark.x, y: mark.y + 4 }, String(mark.number))));
    }
  }
  return svg;
}

const views = { status: showStatus, peers: showPeers, migrations: showMigrations, prefixes: showPrefixes };
let due = new Set();
let waiting = false;
let lastAsked = 0;

/** Asks for parts of the page again, all at once and at most once a second. */
function renew(...parts) {
  for (const part of parts) due.add(part);
  if (waiting) return;
  waiting = true;
  setTimeout(async () => {
    const now = due;
    due = new Set();
    lastAsked = Date.now();
    for (const part of now) {
      try {
        const data = await ask(part);
        last.set(part, data);
        views[part](data);
      } catch (error) {
        tell(`Not up to date: ${error.message}`);
      }
    }
    waiting = false;
    if (due.size > 0) renew();
  }, Math.max(100, lastAsked + 1000 - Date.now()));
}

function tell(text) {
  if (find('connection').textContent !== text) find('connection').textContent = text;
}

const source = new EventSource('events');
source.addEventListener('open', () => {
  tell('Live.');
  renew('status', 'peers', 'migrations', 'prefixes');
});
source.addEventListener('error', () => tell('The daemon does not answer. Trying again.'));
source.addEventListener('message', ({ data }) => {
  const { type } = JSON.parse(data);
  if (type === 'migration') renew('migrations', 'prefixes', 'status');
  else renew('status', 'peers');
});
setInterval(() => renew('status', 'peers', 'prefixes'), 10_000);
let drawnWidth = window.innerWidth;
window.addEventListener('resize', () => {
  if (window.innerWidth === drawnWidth || !last.has('migrations')) return;
  drawnWidth = window.innerWidth;
  showMigrations(last.get('migrations'));
});
renew('status', 'peers', 'migrations', 'prefixes');
