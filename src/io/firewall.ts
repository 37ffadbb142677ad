import { execFile } from 'node:child_process';

/** Each shows the rules of the others badly or not at all. `iptables-save` is one of two programs, and does not show what the other one wrote. */
const programs = [
  ['nft', ['list', 'ruleset']], ['iptables-save', []], ['ip6tables-save', []], ['iptables-legacy-save', []], ['ip6tables-legacy-save', []],
] as const;

/**
 * The firewall's rules as nft and iptables-save print them, below a line `# from PROGRAM` each. No table is named: that would load its
 * module, and change the host. Never rejects. @param mostOctets a program that prints more counts as unreadable
 */
export async function readFirewall(mostOctets = 16 * 1024 * 1024): Promise<{ readonly text: string } | { readonly unread: string }> {
  const texts: string[] = [];
  let problem = 'neither nft nor iptables-save is here';
  for (const [program, words] of programs) {
    const done = await output(program, words, mostOctets);
    if (typeof done === 'string') texts.push(`# from ${program}\n${done}`);
    else if (done.code !== 'ENOENT') problem = done.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER' ? `${program}: too many rules` : `${program}: not permitted, or it failed`;
  }
  return texts.length === 0 ? { unread: problem } : { text: texts.join('\n') };
}

function output(program: string, words: readonly string[], maxBuffer: number): Promise<string | { readonly code: unknown }> {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  return new Promise((resolve) => {
    execFile(program, words, { encoding: 'utf8', timeout: 5000, maxBuffer, env }, (error, stdout) => resolve(error === null ? stdout : { code: error.code }));
  });
}
