import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GateCheck } from '../../../config/config.ts';
import { openGateKeeper, type GateAnswer } from '../../../src/io/gate.ts';

describe('asking the policy gate', () => {
  let folder: string;
  const servers: Server[] = [];
  beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'landfall-gate-')); });
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = (checks: readonly GateCheck[], port = 'tap0'): Promise<GateAnswer> => new Promise((resolve) => {
    const keeper = openGateKeeper(checks, (ifindex, name, answer) => {
      assert.deepEqual([ifindex, name], [7, port]);
      keeper.close();
      resolve(answer);
    });
    keeper.ask(7, port);
  });
  /** A service that answers each line with `reply`, or never. */
  const service = async (reply: (line: string) => string | undefined): Promise<string> => {
    const path = join(folder, 'policy.sock');
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (line) => {
        const said = reply(line.toString());
        if (said !== undefined) socket.end(said);
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return path;
  };

  it('a file is open when it exists, by the name of the port', async () => {
    const check = { file: join(folder, '{port}') };
    assert.deepEqual(await ask([check]), { open: false, text: `${folder}/tap0 is not there` });
    writeFileSync(join(folder, 'tap0'), '');
    assert.equal((await ask([check])).open, true);
    assert.equal((await ask([check], 'tap1')).open, false);
  });

  it('a service is sent port and ifindex, and opens with "open" alone', async () => {
    const heard: string[] = [];
    let reply = 'open policy 17\n';
    const path = await service((line) => { heard.push(line); return reply; });
    assert.deepEqual(await ask([{ unix: path }]), { open: true, text: `${path}: open policy 17` });
    assert.deepEqual(heard, ['tap0 7\n']);
    for (const closed of ['closed: loading\n', 'opening\n', 'OPEN\n', '\n', 'x'.repeat(1000), '']) {
      reply = closed;
      assert.equal((await ask([{ unix: path }])).open, false, JSON.stringify(closed));
    }
  });

  it('is shut where the service is not there, or does not answer', async () => {
    assert.match((await ask([{ unix: join(folder, 'nobody.sock') }])).text, /ENOENT/);
    const path = await service(() => undefined);
    assert.match((await ask([{ unix: path }])).text, /no answer within 1000 ms/);
  });

  it('is open when all checks are, else shut with the words of the first that is not', async () => {
    writeFileSync(join(folder, 'one'), '');
    assert.deepEqual(await ask([{ file: join(folder, 'one') }, { file: join(folder, 'two') }]), { open: false, text: `${folder}/two is not there` });
    writeFileSync(join(folder, 'two'), '');
    assert.equal((await ask([{ file: join(folder, 'one') }, { file: join(folder, 'two') }])).open, true);
  });

  it('has its words escaped, whatever the service says', async () => {
    const path = await service(() => 'closed \x1b[2Jx\r\n');
    assert.ok(!/[\x00-\x1f]/.test((await ask([{ unix: path }])).text));
  });

  it('answers for many ports, each once', async () => {
    writeFileSync(join(folder, 'tap3'), '');
    const answers = new Map<string, boolean>();
    await new Promise<void>((resolve) => {
      const keeper = openGateKeeper([{ file: join(folder, '{port}') }], (_ifindex, port, { open }) => {
        assert.ok(!answers.has(port));
        answers.set(port, open);
        if (answers.size === 500) { keeper.close(); resolve(); }
      });
      for (let i = 0; i < 500; i++) keeper.ask(i, `tap${i}`);
    });
    assert.deepEqual([...answers].filter(([, open]) => open), [['tap3', true]]);
  });
});
