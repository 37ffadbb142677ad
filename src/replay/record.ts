import type { Speaker } from '../speaker.ts';
import type { Output } from '../world.ts';
import { decisionText } from './account.ts';
import type { RecordingLine } from './format.ts';

/**
 * The same speaker, with each call that may change it given to `write` before it is made, and what it decided after. The arguments are
 * handed on as they are: the speaker never changes them, and frames and octets of TCP are never used again by whoever made them.
 */
export function recorded(speaker: Speaker, write: (line: RecordingLine) => void): Speaker {
  return new Proxy(speaker, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function' || typeof name !== 'string' || name === 'nextDeadline' || name === 'tell') return value;
      return (...args: unknown[]): unknown => {
        write({ call: name, args });
        const outputs = (value as (...args: unknown[]) => unknown).apply(target, args);
        if (Array.isArray(outputs)) outputs.push(...target.tell());
        for (const decided of decisionsOf(outputs)) write({ decided });
        return outputs;
      };
    },
  });
}

/** The decisions among what a call gave back, in order. */
export function decisionsOf(outputs: unknown): string[] {
  if (!Array.isArray(outputs)) return [];
  return (outputs as Output[]).flatMap((output) => (output.type === 'note' ? decisionText(output.note) ?? [] : []));
}
