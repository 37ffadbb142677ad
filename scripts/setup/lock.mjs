// One set-up at a time in a checkout: a second one waits, and a lock left by a dead process is no obstacle.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

const waitSeconds = 1200;

/**
 * @param {string} file the lock file
 * @param {(text: string) => void} say tells the user why nothing happens
 * @returns {() => void} gives the lock back
 */
export function takeLock(file, say) {
  const deadline = Date.now() + waitSeconds * 1000;
  let told = false;
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if (error.code === 'EACCES' || error.code === 'EROFS') throw new Error(`this user cannot write to ${file}: run it as the owner of the checkout, or in a clone of your own`, { cause: error });
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = holderOf(file);
    if (holder === undefined) {
      rmSync(file, { force: true });
      continue;
    }
    if (Date.now() > deadline) {
      throw new Error(`another set-up (process ${holder}) has held ${file} for ${waitSeconds / 60} minutes; if it is none, delete that file`);
    }
    if (!told) say(`another set-up (process ${holder}) is at work here; waiting for it`);
    told = true;
    sleep(300);
  }
}

/** The living process that holds the lock, or undefined. An empty file is one that is being written: looked at twice. */
function holderOf(file) {
  for (let attempt = 0; attempt < 2; attempt += 1) {
    let pid;
    try {
      pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
    } catch {
      return undefined;
    }
    if (Number.isInteger(pid)) return isAlive(pid) ? pid : undefined;
    sleep(100);
  }
  return undefined;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function sleep(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
