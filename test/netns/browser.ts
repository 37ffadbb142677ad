import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { findProgram, sleep } from '../../src/demo/processes.ts';

/** A headless Chromium, driven over a pipe in its own protocol: JSON messages, each ended by a zero octet. */
export interface Browser {
  open(width: number, height: number): Promise<Tab>;
  close(): Promise<void>;
}

export interface Tab {
  go(url: string): Promise<void>;
  /** The value of an expression. @throws when it throws. */
  evaluate(expression: string): Promise<unknown>;
  /** Waits until an expression is true. */
  until(expression: string, timeoutMs: number): Promise<void>;
  screenshot(): Promise<Buffer>;
  accessibility(): Promise<{ role: string; name: string }[]>;
  close(): Promise<void>;
  /** What stood on the console and in the log: errors, violations of the page's policy. */
  readonly complaints: string[];
  /** Every address that was asked for. */
  readonly requests: string[];
}

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly params?: any;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly result?: any;
  readonly error?: { readonly message: string };
}

export async function openBrowser(): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), 'landfall-browser-'));
  const child = spawn(findProgram('chromium') as string, [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--remote-debugging-pipe', `--user-data-dir=${folder}`, 'about:blank',
  ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const waiting = new Map<number, { resolve: (message: Message) => void; reject: (error: Error) => void }>();
  const hearers = new Map<string, (message: Message) => void>();
  let next = 1;
  let rest = '';
  (child.stdio[4] as Readable).setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\0');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      const message = JSON.parse(part) as Message;
      if (message.id === undefined) hearers.get(message.sessionId ?? '')?.(message);
      else {
        const one = waiting.get(message.id);
        waiting.delete(message.id);
        if (message.error === undefined) one?.resolve(message);
        else one?.reject(new Error(message.error.message));
      }
    }
  });
  const ended = new Promise<void>((resolve) => child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('chromium has ended'));
    resolve();
  }));
  const pipe = child.stdio[3] as Writable;
  pipe.on('error', () => undefined);
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const call = (method: string, params: object, sessionId?: string): Promise<any> => new Promise((resolve, reject) => {
    const id = next++;
    waiting.set(id, { resolve: (message) => resolve(message.result), reject });
    pipe.write(`${JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) })}\0`);
  });

  return {
    async open(width, height) {
      const { targetId } = (await call('Target.createTarget', { url: 'about:blank' })) as { targetId: string };
      const { sessionId } = (await call('Target.attachToTarget', { targetId, flatten: true })) as { sessionId: string };
      const complaints: string[] = [];
      const requests: string[] = [];
      hearers.set(sessionId, ({ method, params }) => {
        if (method === 'Log.entryAdded') complaints.push(String(params.entry.text));
        else if (method === 'Runtime.exceptionThrown') complaints.push(String(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text));
        else if (method === 'Runtime.consoleAPICalled' && params.type === 'error') complaints.push(JSON.stringify(params.args));
        else if (method === 'Network.requestWillBeSent') requests.push(String(params.request.url));
      });
      for (const domain of ['Page', 'Runtime', 'Log', 'Network', 'Accessibility']) await call(`${domain}.enable`, {}, sessionId);
      await call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 500 }, sessionId);
      const evaluate = async (expression: string): Promise<unknown> => {
        const { result, exceptionDetails } = (await call('Runtime.evaluate', { expression, returnByValue: true }, sessionId)) as { result: { value: unknown }; exceptionDetails?: { text: string } };
        if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
        return result.value;
      };
      return {
        complaints, requests, evaluate,
        async go(url) { await call('Page.navigate', { url }, sessionId); },
        async until(expression, timeoutMs) {
          for (const end = Date.now() + timeoutMs; (await evaluate(`Boolean(${expression})`).catch(() => false)) !== true; await sleep(100)) {
            if (Date.now() > end) throw new Error(`never true: ${expression}; ${complaints.join('; ')}; ${String(await evaluate('document.body.innerText'))}`);
          }
        },
        async screenshot() { return Buffer.from(((await call('Page.captureScreenshot', { format: 'png' }, sessionId)) as { data: string }).data, 'base64'); },
        async accessibility() {
          const { nodes } = (await call('Accessibility.getFullAXTree', {}, sessionId)) as { nodes: { ignored: boolean; role?: { value: string }; name?: { value: string }; description?: { value: string } }[] };
          return nodes.filter((node) => !node.ignored).map((node) => ({ role: node.role?.value ?? '', name: `${node.name?.value ?? ''}` }));
        },
        async close() { await call('Target.closeTarget', { targetId }); },
      };
    },
    async close() {
      call('Browser.close', {}).catch(() => undefined);
      await Promise.race([ended, sleep(5000)]);
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });   // its children end a little later
    },
  };
}
