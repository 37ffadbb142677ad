import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { garpFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { parseIp, type IpAddress } from '../../net/ip.ts';
import { findProgram } from '../../src/demo/processes.ts';
import { serveTelemetry, type TelemetryServer } from '../../src/io/http.ts';
import { openWeb, type Web } from '../../src/io/web.ts';
import type { BindingConfig, Config } from '../../config/config.ts';
import { Fabric, vm4, vm6, vmMac } from '../sim/fabric.ts';
import { fakeBackend, silentLog } from '../src/fake-daemon.ts';
import { openBrowser, type Browser, type Tab } from './browser.ts';

// The page in a real browser, at the size of a phone and of a desk. UPDATE_SCREENSHOT=1 renews the picture in docs/.

const evil = '<img src=x onerror="window.pwned=1">';

describe('the timeline page in Chromium', function () {
  this.timeout(120_000);
  let browser: Browser | undefined;
  let server: TelemetryServer | undefined;
  let web: Web | undefined;
  let url = '';
  let backend: ReturnType<typeof fakeBackend>;
  let vmName = evil;

  before(async function () {
    if (findProgram('chromium') === undefined) {
      if (process.env['CI'] === 'true') throw new Error('would be skipped: needs chromium');
      process.stderr.write('    skipped: needs chromium\n');
      return this.skip();
    }
    browser = await openBrowser();
  });
  after(async () => browser?.close());
  afterEach(() => {
    web?.close();
    server?.close();
  });

  /** A VM comes to the second node of a small fabric; its page is that of this node. */
  async function serve(): Promise<void> {
    const named = (config: Config): Config => ({ ...config, identity: { ...config.identity, mode: 'strict', bindings: [{ vm: vmName, mac: vmMac, vrf: 'default', ips: [vm4, vm6] } satisfies BindingConfig] } });
    const fabric = new Fabric();
    const [a, b] = [fabric.addNode(1, named), fabric.addNode(2, named)];
    fabric.run(3000);
    fabric.frame(a, fabric.addPort(a, 'tap0'), garpFrame(vmMac, vm4));
    fabric.run(5000);
    fabric.frame(b, fabric.addPort(b, 'tap0'), rarpFrame(vmMac), { capturedAtMs: fabric.nowMs - 0.2 });
    fabric.run(100_000);
    const canned = fakeBackend();
    backend = {
      ...canned, emit: canned.emit, subscribe: canned.subscribe, listeners: 0,
      handle: (request) => JSON.parse(JSON.stringify(canned.handle(request)).replaceAll('shop/web-1', JSON.stringify(vmName).slice(1, -1)).replaceAll('Bad Peer AS', vmName === evil ? JSON.stringify(evil).slice(1, -1) : 'Bad Peer AS')) as ReturnType<typeof canned.handle>,
    };
    web = openWeb({ backend, world: () => b.speaker.world });
    server = serveTelemetry({
      listen: { address: parseIp('127.0.0.1') as IpAddress, port: 0 }, metrics: () => '', notReady: () => [], log: silentLog, page: web.answer, onFailure: (error) => { throw error; },
    });
    url = `http://127.0.0.1:${await server.listening}/`;
  }

  const loaded = 'document.querySelectorAll("article svg .mark").length > 4 && document.querySelectorAll("#peers tbody tr").length === 2 && document.querySelectorAll("#prefixes tbody tr").length === 3 && document.getElementById("connection").textContent === "Live."';

  async function show(width: number, height: number): Promise<Tab> {
    const tab = await (browser as Browser).open(width, height);
    await tab.go(url);
    await tab.until(loaded, 40_000);
    return tab;
  }

  it('shows what a VM says as text, and the browser has nothing to complain of', async () => {
    vmName = evil;
    await serve();
    const tab = await show(1000, 800);
    assert.equal(await tab.evaluate('window.pwned === undefined && document.images.length === 0 && document.scripts.length === 1'), true);
    assert.equal(await tab.evaluate(`document.querySelector("article h3").textContent.startsWith(${JSON.stringify(evil)})`), true);
    assert.equal(await tab.evaluate(`document.getElementById("peers").textContent.includes(${JSON.stringify(evil)})`), true);
    assert.deepEqual(tab.complaints.filter((text) => !text.includes('favicon')), []);
    assert.ok(tab.requests.every((asked) => asked.startsWith(url)), tab.requests.join());
    await tab.evaluate('document.body.insertAdjacentText("beforeend", ""); try { document.body.innerHTML = "<b>x</b>"; "markup was taken"; } catch { "refused"; }').then((said) => assert.equal(said, 'refused'));
    await tab.close();
  });

  it('fits a phone, with letters of a readable size', async () => {
    vmName = 'shop/web-1';
    await serve();
    const tab = await show(360, 740);
    assert.equal(await tab.evaluate('document.documentElement.scrollWidth <= 360'), true, 'nothing is wider than the screen');
    const smallest = await tab.evaluate('Math.min(...[...document.querySelectorAll("article svg text")].map((text) => parseFloat(getComputedStyle(text).fontSize) * text.ownerSVGElement.clientWidth / text.ownerSVGElement.viewBox.baseVal.width))');
    assert.ok((smallest as number) >= 10, `${smallest as number} px`);
    await tab.close();
  });

  it('tells a screen reader headings, tables with captions, and each picture in words', async () => {
    await serve();
    const tab = await show(1000, 800);
    const tree = await tab.accessibility();
    const names = (role: string): string[] => tree.filter((node) => node.role === role).map((node) => node.name);
    assert.deepEqual(names('heading').filter((name) => ['Peers', 'Handovers', 'Prefixes'].includes(name)), ['Peers', 'Handovers', 'Prefixes']);
    assert.ok(names('columnheader').includes('Last error'));
    assert.ok(tree.some((node) => /image|img|graphics/i.test(node.role) && /Timeline of .*frame, .*accepted/.test(node.name)), JSON.stringify(tree.filter((node) => /im|gr/i.test(node.role)).slice(0, 5)));
    await tab.close();
  });

  it('follows what happens, and says when the daemon is gone', async () => {
    await serve();
    const tab = await show(1000, 1100);
    if (process.env['UPDATE_SCREENSHOT'] === '1') {
      await tab.evaluate('document.querySelector("details").open = true');
      writeFileSync(new URL('../../docs/page.png', import.meta.url), await tab.screenshot());
    }
    await tab.evaluate('document.getElementById("handover-list").replaceChildren(), 1');
    backend.emit({ time: '2026-11-24T10:41:07.123Z', type: 'migration', event: 'migration.started' });
    await tab.until('document.querySelectorAll("article").length > 0', 20_000);
    web?.close();
    server?.close();
    await tab.until('document.getElementById("connection").textContent.startsWith("The daemon does not answer")', 30_000);
    await tab.close();
  });
});
