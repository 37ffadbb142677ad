/** Longest text of a stranger (a VM, a peer, an API client) that any surface shows, in UTF-16 units. */
export const printableLimit = 1000;

const plain = /^[\x20-\x7e]*$/;
/** Control, format, private and unassigned code points, lone surrogates, line and paragraph separators. */
const hidden = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * Text that is safe on a terminal, in a log line and in a table cell: what a terminal could obey or what would hide or turn
 * around its neighbours is spelt out (`\x1b`, `\n`, `\u{202e}`). Applied twice, it changes nothing more.
 * @param limit longer text is cut, and `…` marks the cut.
 */
export function printable(text: string, limit: number = printableLimit): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return plain.test(cut) ? cut : cut.replace(hidden, spell);
}

function spell(character: string): string {
  if (character === '\n') return '\\n';
  if (character === '\r') return '\\r';
  if (character === '\t') return '\\t';
  const code = character.codePointAt(0) as number;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}
