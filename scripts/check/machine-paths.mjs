// Text that ties a file to the machine it was written on. The patterns are put together here so that this file does not match itself.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const patterns = [
  ['/wo', 'rk/'],
  ['/fa', 'rm/'],
  ['/home/', '[a-z]'],
  ['/ro', 'ot/'],
  ['/tmp/', 'lf'],
  ['registry\\.', 'npmjs'],
  ['deb\\.', 'debian\\.'],
].map((parts) => new RegExp(parts.join('')));

/** @returns {string[]} `file:line: text` for each tracked or new file of the git checkout at `root` */
export function findMachinePaths(root) {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8', timeout: 20_000, maxBuffer: 16 << 20 });
  return list
    .split('\0')
    .filter((file) => file !== '')
    .flatMap((file) => linesWithPaths(root, file));
}

function linesWithPaths(root, file) {
  let text;
  try {
    text = readFileSync(join(root, file), 'utf8');
  } catch {
    return []; // a folder, or deleted in the work tree
  }
  if (text.includes('\0')) return [];
  return text.split('\n').flatMap((line, index) => (patterns.some((pattern) => pattern.test(line)) ? [`${file}:${index + 1}: ${line.trim().slice(0, 120)}`] : []));
}
