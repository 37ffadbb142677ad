import { createReadStream, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseRecorded, type RecordingLine } from '../format.ts';
import { NoRecording, RecordingReplay } from '../recording.ts';
import { recordingFile } from './recorder.ts';

/** True for a folder: a recording, not a capture. */
export function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/**
 * Replays the recording in a folder, line by line. The last line may be cut short: the daemon was killed while it wrote.
 * @throws NoRecording, or an Error of the file system
 */
export async function replayFolder(folder: string): Promise<RecordingReplay> {
  const lines = createInterface({ input: createReadStream(join(folder, recordingFile)), crlfDelay: Infinity });
  let replay: RecordingReplay | undefined;
  let number = 0;
  let broken: string | undefined;
  for await (const line of lines) {
    number += 1;
    if (line === '') continue;
    if (broken !== undefined) throw new NoRecording(broken);
    let value: unknown;
    try {
      value = parseRecorded(line);
    } catch {
      broken = `line ${number} of the recording is no JSON`;
      continue;
    }
    if (replay === undefined) replay = new RecordingReplay(value);
    else replay.take(value as RecordingLine);
  }
  if (replay === undefined) throw new NoRecording(`there is no recording in ${folder}`);
  return replay;
}
