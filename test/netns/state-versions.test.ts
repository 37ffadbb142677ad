import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clockSequence } from '../../routes/claim.ts';
import type { NodeName } from '../../src/demo/addresses.ts';
import { hostPrefix } from '../../src/demo/addresses.ts';
import { sleep, waitFor, wallMs } from '../../src/demo/processes.ts';
import { logOf, statusOf } from './faults.ts';
import { Lab, allOn, needs } from './lab.ts';

// A speaker that starts with a state file of another release. What its records say is ten minutes ahead of the clock, as after a clock that was
// set back: the clock does not help a claim that forgets them. FRR and BIRD are routers of the same nodes, and their tables are asked.

type Json = Record<string, unknown>;
interface StateFile extends Json {
  addresses: (Json & { endpoint?: Json })[];
  learned?: Json[];
}

const aheadSeconds = 600;
const without = (from: Json, ...keys: string[]): Json => Object.fromEntries(Object.entries(from).filter(([key]) => !keys.includes(key)));

/** A file that is read: what makes it of another release, and whether the claim comes back as it was, or is asked for. */
const read: readonly { readonly what: string; readonly change: (file: StateFile) => Json; readonly asked: boolean }[] = [
  {
    what: 'of the first release, without the keys that came later', asked: false,
    change: (file) => ({ ...without(file, 'drained'), addresses: file.addresses.map((record) => without(record, 'step', 'hold', 'manual')) }),
  },
  {
    what: 'with nothing but what a claim can\'t do without', asked: true,
    change: (file) => ({
      ...without(file, 'learned'),
      addresses: file.addresses.map((record) => ({ ...without(record, 'source', 'ceiling', 'claimedWallMs'), endpoint: without(record.endpoint ?? {}, 'tagged', 'port', 'portMac') })),
    }),
  },
  {
    what: 'with keys of a later release', asked: false,
    change: (file) => ({
      ...file, sealed: { by: 'later' }, routes: [1, 2],
      addresses: file.addresses.map((record) => ({ ...record, weight: 7, endpoint: { ...record.endpoint, queue: [{}] } })),
    }),
  },
];

/** A file that is not read, and the words for it. */
const refused: readonly { readonly what: string; readonly version: unknown; readonly words: RegExp }[] = [
  { what: 'version 0', version: 0, words: /it is of version 0, which there never was/ },
  { what: 'version 99', version: 99, words: /it is of version 99, and this program reads versions up to 1/ },
];

describe('a state file of another release, FRR and BIRD', function () {
  this.timeout(90_000);
  let lab: Lab;
  const on = (node: NodeName): Promise<void> => lab.agree(allOn(node, [lab.vm]));
  const path = (): string => join(lab.nodes.a.folder, 'state.json');
  const ofVm = (): string[] => [hostPrefix(lab.vm.ipv4), hostPrefix(lab.vm.ipv6)];

  before(async function () {
    needs(this, 'frr', 'bird');
    lab = await Lab.start({ mode: 'l3', tors: ['frr', 'bird'] });
    await lab.stage.boot([lab.vm], 'a');
    await on('a');
  });
  after(() => lab?.stop());

  /** The LOCAL_PREF that each router's best routes to the VM have. */
  async function preferences(): Promise<number[]> {
    const routes = (await Promise.all(lab.tors.map((tor) => tor.routes()))).flat().filter((route) => route.best && ofVm().includes(route.prefix));
    assert.equal(routes.length, 2 * lab.tors.length);
    return routes.map(({ localPref }) => localPref ?? 0);
  }

  /** Node a is killed, and starts again with what `change` makes of its state. @returns the state as it was changed */
  async function restartWith(change: (file: StateFile) => Json): Promise<{ text: string; loggedBefore: number; at: number }> {
    await lab.nodes.a.stop('SIGKILL');
    rmSync(`${path()}.bad`, { force: true });
    const file = JSON.parse(readFileSync(path(), 'utf8')) as StateFile;
    const ahead = clockSequence({ monotonicMs: 0, wallMs: Date.now(), wallTrusted: true }) + aheadSeconds;
    const raised = file.addresses.map((record) => {
      const sequence = Math.max(ahead, record['highestSeen'] as number);
      return { ...record, sequence, highestSeen: sequence, ceiling: sequence + 64 };
    });
    const text = JSON.stringify(change({ ...file, addresses: raised }));
    writeFileSync(path(), text);
    const loggedBefore = logOf(lab, 'a').length;
    const at = wallMs();
    await lab.nodes.a.start();
    await lab.sessionsUp();
    return { text, loggedBefore, at };
  }

  /** There and back: each claim beats all that the routers ever had. */
  async function moves(): Promise<void> {
    for (const to of ['b', 'a'] as const) {
      const before = Math.max(...await preferences());
      await lab.stage.move(to, { leadMs: 100, keepSourceMs: 100 });
      await on(to);
      const after = await preferences();
      assert.ok(after.every((preference) => preference > before), `${after.join()} at node ${to} after ${before}`);
    }
  }

  /** No kernel route of the VM has gone since. FRR replaces an IPv6 route by deleting it and adding another. */
  const kept = (since: number): void => assert.deepEqual(lab.watches.flatMap(({ events }) => events.filter((event) => event.at >= since && event.deleted && event.prefix === ofVm()[0])), []);

  for (const { what, change, asked } of read) {
    it(`${what}: it is read, the routes stay, and the next move beats what it says`, async () => {
      await on('a');
      let said = 0;
      const { loggedBefore, at } = await restartWith((file) => {
        said = file.addresses[0]?.['sequence'] as number;
        return change(file);
      });
      await waitFor('the claims of the file at both routers', 20_000, async () => (await preferences()).every((preference) => (asked ? preference > said : preference === said)), 200);
      await on('a');
      kept(at);
      assert.ok(!existsSync(`${path()}.bad`));
      const log = logOf(lab, 'a').slice(loggedBefore);
      assert.match(log, /"event":"state\.restored","addresses":2,"claims":2,"learned":0,"refused":0/);
      assert.doesNotMatch(log, /"event":"state\.(refused|failed)"/);
      await moves();
    });
  }

  for (const { what, version, words } of refused) {
    it(`${what}: it is set aside whole, and said so; the VM is found by asking, and the next move beats what the routers had`, async () => {
      await on('a');
      const { text, loggedBefore, at } = await restartWith((file) => ({ ...file, version }));
      await waitFor('the VM to be found', 20_000, async () => (await lab.nodes.a.prefixes()).filter(({ state }) => state === 'elevated').length === 2, 200);
      await on('a');
      kept(at);
      assert.equal(readFileSync(`${path()}.bad`, 'utf8'), text, 'as it was');
      assert.match(logOf(lab, 'a').slice(loggedBefore), new RegExp(`"event":"state\\.refused".*${words.source}`));
      assert.match(JSON.stringify(await statusOf(lab.nodes.a)), new RegExp(`state file .* is not used: ${words.source}; it is now .*state\\.json\\.bad`));
      await sleep(200); // written behind the work
      assert.equal((JSON.parse(readFileSync(path(), 'utf8')) as Json)['version'], 1, 'a new file is kept');
      await moves();
    });
  }
});
