import { CommandError, print, status } from './global.ts';

/** What there is to complete: gathered from the command line's own definition, so that it cannot lag behind it. */
export interface CompletionTree {
  /** The verb with its path: `show peers`. '' is the program itself. */
  readonly path: string;
  /** What follows the path: `[options] <ip>`. */
  readonly usage: string;
  readonly summary: string;
  readonly verbs: readonly { readonly name: string; readonly summary: string }[];
  /** `values`: the words an option takes, where they are few. `takesValue`: another word follows.
   *  `synopsis`: the flags with their value, `-c, --config <file>`. */
  readonly options: readonly {
    readonly synopsis: string;
    readonly flags: readonly string[];
    readonly summary: string;
    readonly takesValue: boolean;
    readonly values: readonly string[];
  }[];
}

/** Verbs whose argument the daemon knows, and options whose value it does: what prints the candidates, one a line. */
const asked: Readonly<Record<string, string>> = {
  'show peers': 'landfall show peers -o name',
  'show prefixes': 'landfall show prefixes -o name',
  'show migration': 'landfall show migrations -o name',
  'show prefixes --peer': 'landfall show peers -o name',
  'show received --peer': 'landfall show peers -o name',
  clear: 'landfall show prefixes --state held -o name',
};

/** `completion SHELL`: a script for standard output, to be sourced by the shell. */
export function completion(shell: string, tree: readonly CompletionTree[]): number {
  switch (shell) {
    case 'bash': print(bashScript(tree)); return 0;
    case 'zsh': print(zshScript(tree)); return 0;
    case 'fish': print(fishScript(tree)); return 0;
    default: throw new CommandError(status.usage, `unknown shell ${JSON.stringify(shell)}; shells are bash, zsh, fish`);
  }
}

/** Cases over the verb path, each giving the words that may follow; an option before the cursor may give others. */
function bashScript(tree: readonly CompletionTree[]): string {
  const cases = tree.map(({ path, verbs, options }) => {
    const words = [...verbs.map((verb) => verb.name), ...options.flatMap((option) => option.flags)].join(' ');
    const dynamic = asked[path] === undefined ? '' : ` $(${asked[path]} 2>/dev/null)`;
    return `    '${path}') words="${words}${dynamic}" ;;`;
  });
  return `# landfall completion for bash: source <(landfall completion bash)
_landfall() {
  local word previous path words i
  word="\${COMP_WORDS[COMP_CWORD]}"
  previous="\${COMP_WORDS[COMP_CWORD-1]}"
  path=''
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
${pathCases(tree)}
    esac
  done
  case "$path $previous" in
${valueCases(tree, (values) => `COMPREPLY=($(compgen -W "${values}" -- "$word")); return`, (command) => `COMPREPLY=($(compgen -W "$(${command} 2>/dev/null)" -- "$word")); return`, 'compopt -o default; COMPREPLY=(); return')}
  esac
  case "$path" in
${cases.join('\n')}
    *) words='' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _landfall landfall
`;
}

function zshScript(tree: readonly CompletionTree[]): string {
  const cases = tree.map(({ path, verbs, options }) => {
    const entries = [...verbs.map((verb) => zshEntry(verb.name, verb.summary)), ...options.flatMap((option) => option.flags.map((flag) => zshEntry(flag, option.summary)))];
    const dynamic = asked[path] === undefined ? '' : `; list+=(\${(f)"$(${asked[path]} 2>/dev/null)"})`;
    return `    '${path}') list=(${entries.join(' ')})${dynamic} ;;`;
  });
  return `#compdef landfall
# landfall completion for zsh: source <(landfall completion zsh), or a file _landfall in a folder of $fpath
_landfall() {
  local landfall_path='' word
  local -a list
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$landfall_path $word" in
${pathCases(tree, 'landfall_path')}
    esac
  done
  case "$landfall_path \${words[CURRENT-1]}" in
${valueCases(tree, (values) => `compadd ${values}; return`, (command) => `compadd \${(f)"$(${command} 2>/dev/null)"}; return`, '_files; return')}
  esac
  case "$landfall_path" in
${cases.join('\n')}
  esac
  _describe 'landfall' list
}
if [[ "$funcstack[1]" = _landfall ]]; then _landfall "$@"; else compdef _landfall landfall; fi
`;
}

function fishScript(tree: readonly CompletionTree[]): string {
  const lines = ['# landfall completion for fish: landfall completion fish | source', 'complete -c landfall -f'];
  const root = tree.find(({ path }) => path === '');
  for (const { path, verbs, options } of tree) {
    const names = path.split(' ').filter((name) => name !== '');
    const here = names.map((name) => `__fish_seen_subcommand_from ${name}`);
    const none = verbs.length === 0 ? [] : [`not __fish_seen_subcommand_from ${verbs.map((verb) => verb.name).join(' ')}`];
    const condition = [...here, ...none].join('; and ') || 'true';
    for (const verb of verbs) lines.push(`complete -c landfall -n '${condition}' -a ${verb.name} -d '${quoteFish(verb.summary)}'`);
    if (asked[path] !== undefined) lines.push(`complete -c landfall -n '${condition}' -a '(${asked[path]} 2>/dev/null)'`);
    for (const option of options) {
      if (path !== '' && root?.options.some((global) => global.flags[0] === option.flags[0]) === true) continue;
      const flags = option.flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)).join(' ');
      const value = !option.takesValue ? '' : option.values.length > 0 ? ` -x -a '${option.values.join(' ')}'` : ` -r ${valueOf(path, option.flags)}`;
      lines.push(`complete -c landfall -n '${path === '' ? 'true' : here.join('; and ')}' ${flags}${value} -d '${quoteFish(option.summary)}'`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** After an option of a verb that takes a word: its words, those that the daemon knows, or (for a file, a name) what `otherwise` does. */
function valueCases(tree: readonly CompletionTree[], some: (values: string) => string, ask: (command: string) => string, otherwise: string): string {
  const global = tree.find(({ path }) => path === '')?.options ?? [];
  const isGlobal = (flag: string): boolean => global.some(({ flags }) => flags.includes(flag));
  const verbs = tree.filter(({ path }) => path !== '').flatMap(({ path, options }) => options.filter(({ flags }) => !flags.some(isGlobal)).map((option) => ({ ...option, path })));
  // Those of a verb come first; the others are the same wherever they stand.
  return [...verbs, ...global.map((option) => ({ ...option, path: undefined }))].filter(({ takesValue }) => takesValue).map(({ path, flags, values }) => {
    const labels = flags.map((flag) => (path === undefined ? `*' ${flag}'` : `'${path} ${flag}'`)).join('|');
    const command = flags.map((flag) => asked[`${path} ${flag}`]).find((found) => found !== undefined);
    return `    ${labels}) ${values.length > 0 ? some(values.join(' ')) : command === undefined ? otherwise : ask(command)} ;;`;
  }).join('\n');
}

/** `'show peers'`-like steps from one path to the next. */
function pathCases(tree: readonly CompletionTree[], variable = 'path'): string {
  return tree
    .flatMap(({ path, verbs }) => verbs.map(({ name }) => `      '${path} ${name}') ${variable}='${`${path} ${name}`.trim()}' ;;`))
    .join('\n');
}

/** In fish: what the daemon knows, or a file. */
function valueOf(path: string, flags: readonly string[]): string {
  const command = flags.map((flag) => asked[`${path} ${flag}`]).find((found) => found !== undefined);
  return command === undefined ? '-F' : `-f -a '(${command} 2>/dev/null)'`;
}

function zshEntry(name: string, summary: string): string {
  return `'${name}:${summary.replaceAll("'", "'\\''").replaceAll(':', '\\:')}'`;
}

function quoteFish(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
}
