/**
 * Text that a VM, a peer or an administrator chose, made fit for a terminal, a log line and a label: printable ASCII stays, anything
 * else becomes `\xNN` or `\u{…}`. At most `max` characters come out (at least 3); what is longer ends in `...`. Printing twice changes
 * nothing more.
 */
export function printable(text: string, max = 64): string {
  // The common case costs one scan and no copy.
  if (text.length <= max && !/[^\x20-\x7e]/.test(text)) return text;
  let out = '';
  /** Where to cut so that `...` still fits. */
  let cut = 0;
  for (let i = 0; i < text.length; ) {
    const code = text.codePointAt(i) as number;
    i += code > 0xffff ? 2 : 1;
    out += escapeCode(code);
    if (out.length <= max - 3) cut = out.length;
    if (out.length > max) return out.slice(0, cut) + '...';
  }
  return out;
}

function escapeCode(code: number): string {
  if (code >= 0x20 && code <= 0x7e) return String.fromCharCode(code);
  const hex = code.toString(16);
  return code <= 0xff ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`;
}
