// What was built from what: a step whose inputs have not changed is skipped.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The hash of files and whole folders (names and contents). One that does not exist counts as empty. */
export function hashOf(root, paths, keep = () => true) {
  const hash = createHash('sha256');
  for (const path of paths) for (const file of filesBelow(root, path)) if (keep(file)) hash.update(`${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

function filesBelow(root, path) {
  let entries;
  try {
    entries = readdirSync(join(root, path), { withFileTypes: true });
  } catch (error) {
    return error.code === 'ENOTDIR' ? [path] : [];
  }
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(root, join(path, entry.name)) : [join(path, entry.name)]));
}

export function readStamp(file) {
  try {
    const stamp = JSON.parse(readFileSync(file, 'utf8'));
    return typeof stamp === 'object' && stamp !== null ? stamp : {};
  } catch {
    return {};
  }
}

export function writeStamp(file, stamp) {
  writeFileSync(file, `${JSON.stringify(stamp, null, 2)}\n`);
}
