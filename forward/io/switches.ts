import { readFileSync, writeFileSync } from 'node:fs';

/** Gives a file of `/proc/sys` this value. One that has it already is not written, for the folder may be read-only. @returns what it was. @throws where it can't be read or written */
export function setSwitch(file: string, value: string): string {
  const before = readFileSync(file, 'utf8').trim();
  if (before !== value) writeFileSync(file, value);
  return before;
}
