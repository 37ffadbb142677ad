import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new folder for configurations, logs and sockets. Others may enter it: FRR runs as a user of its own. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), `landfall-demo-${process.pid}-`));
  chmodSync(folder, 0o755);
  return folder;
}
