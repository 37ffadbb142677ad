import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import type { Config, PeerConfig } from '../../../config/config.ts';
import { formatRecorded, recordingFormat, type RecordingHeader, type RecordingLine } from '../format.ts';

/** Octets of a recording; then it stops. */
export const recordingLimit = 256 * 1024 * 1024;
/** Lines that wait to be written; a flood beyond that ends the recording rather than the daemon. */
const mostWaiting = 20_000;
/** How long a line waits at most, in milliseconds. */
const flushEveryMs = 200;

export const recordingFile = 'recording.jsonl';

export interface Recorder {
  readonly folder: string;
  /** For the speaker that is recorded. */
  readonly seed: number;
  write(line: RecordingLine): void;
  /** Writes what waits. */
  close(): void;
}

/**
 * Begins a recording in `folder`, which is made if it is not there; what was in it of an earlier one is replaced. Only lines are gathered
 * while the speaker works: text is made of them, and written, when a timer comes round. `onStop` is called once, with a sentence, if
 * the recording ends before the daemon does.
 * @throws an Error of the file system if it can't begin
 */
export function openRecorder(folder: string, header: Omit<RecordingHeader, 'recording' | 'seed' | 'config'> & { readonly config: Config }, onStop: (text: string) => void, limit = recordingLimit): Recorder {
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  const path = join(folder, recordingFile);
  const fd = openSync(path, 'w', 0o640);
  const seed = randomInt(0x7fffffff);
  let waiting: (RecordingLine | string)[] = [];
  let timer: NodeJS.Timeout | undefined;
  let written = 0;
  let open = true;
  const put = (text: string): void => {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    written += bytes.length;
  };
  const stop = (text: string): void => {
    if (!open) return;
    open = false;
    clearTimeout(timer);
    waiting = [];
    closeSync(fd);
    onStop(text);
  };
  const flush = (): void => {
    timer = undefined;
    if (!open) return;
    const lines = waiting;
    waiting = [];
    try {
      let text = '';
      for (const line of lines) {
        text += typeof line === 'string' ? line : `${formatRecorded(line)}\n`;
        if (text.length < 1 << 20) continue;
        put(text);
        text = '';
      }
      if (text !== '') put(text);
    } catch (error) {
      stop(`the recording in ${folder} stops: ${(error as Error).message}`);
      return;
    }
    if (written > limit) stop(`the recording in ${folder} stops: it has ${limit} octets, which is all that it may have`);
  };
  // Secrets are no part of a Config: it knows where a key is kept, and that is left out too.
  const { bgp, ...rest } = header.config;
  const nowhere = { env: 'REMOVED' };
  const bare = <Keyed extends Pick<PeerConfig, 'password' | 'tcpAo'>>(keyed: Keyed): Keyed => ({
    ...keyed, ...(keyed.password === undefined ? {} : { password: nowhere }),
    ...(keyed.tcpAo === undefined ? {} : { tcpAo: { ...keyed.tcpAo, keys: keyed.tcpAo.keys.map((key) => ({ ...key, key: nowhere })) } }),
  });
  const { ranges, ...listen } = bgp.listen;
  const config = { ...rest, bgp: { ...bgp, listen: { ...listen, ...(ranges === undefined ? {} : { ranges: ranges.map(bare) }) }, peers: bgp.peers.map(bare) } };
  put(`${formatRecorded({ ...header, config, recording: recordingFormat, seed })}\n`);
  return {
    folder,
    seed,
    write(line) {
      if (!open) return;
      if (waiting.length >= mostWaiting) {
        stop(`the recording in ${folder} stops: more comes in than can be written`);
        return;
      }
      // What comes often is never changed by anybody, so that its text can wait; what comes rarely may be taken over by the speaker.
      waiting.push('call' in line && !isFrequent(line) ? `${formatRecorded(line)}\n` : line);
      timer ??= setTimeout(flush, flushEveryMs).unref();
    },
    close() {
      clearTimeout(timer);
      flush();
      if (open) closeSync(fd);
      open = false;
    },
  };
}

function isFrequent({ args }: Extract<RecordingLine, { readonly call: string }>): boolean {
  const type = (args[0] as { readonly type?: unknown } | undefined)?.type;
  return type === 'frame' || type === 'session' || type === 'tick' || type === 'written';
}
