/**
 * Shells as they complete a line that somebody types. For tests of completion scripts; register them
 * with `testWith`, for a shell may not be there.
 */

import assert from "node:assert/strict";

/** A shell whose completion can be driven. */
export type DrivenShell = "bash" | "zsh" | "fish";

/** Prints `LINE`, what a TAB at the end of each line offers, and `END`, for each line. */
const DRIVERS: Readonly<Record<DrivenShell, string>> = {
  bash: `
    source "$1"; name=$2; shift 2
    for line; do
      complete=$(complete -p "$name"); complete=\${complete#*-F }
      COMP_LINE=$line COMP_POINT=\${#line} COMPREPLY=()
      "\${complete%% *}" "$name"
      echo LINE; printf '%s\\n' "\${COMPREPLY[@]}"; echo END
    done`,
  fish: `
    set script $argv[1]; set -e argv[1]; set -e argv[1]
    source $script
    for line in $argv; echo LINE; complete -C $line | string replace -r '\\t.*' ''; echo END; end`,
  // The real completion system on a terminal of its own, its lowest function made to tell
  zsh: `
    zmodload zsh/zpty
    zpty typed zsh -f -i
    typed() { local chunk; seen=; while [[ $seen != *$1* ]] && zpty -r typed chunk; do seen+=$chunk; done }
    zpty -w typed 'stty -echo; PS1= PS2= RPS1=; autoload -Uz compinit; compinit -u -D
      offered() { local hits=(); builtin compadd -A hits "$@"; print -rl -- HIT:$^hits }
      compadd() {
        [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]] || offered "$@"
        builtin compadd "$@"
      }
      told() { comppostfuncs=(over); _main_complete }
      over() { print OV""ER }
      zle -C told complete-word told; bindkey "^I" told
      zstyle ":completion:*" list-prompt ""; LISTMAX=0
      source '"\${(q)1}"'; print REA""DY'
    typed READY
    shift 2
    for line; do
      zpty -w -n typed "$line"$'\\t'; typed OVER
      print LINE; print -r -- "$seen" | tr -d '\\r' | sed -n 's/^.*HIT:\\(..*\\)$/\\1/p'; print END
      zpty -w -n typed $'\\C-u'
    done`,
};

/** What `shell` offers for each of `lines` after it has read `script`, which completes `program`. */
export function offered(
  shell: DrivenShell,
  script: string,
  program: string,
  lines: readonly string[],
  env: Readonly<Record<string, string>> = {},
): string[][] {
  const flags = shell === "bash" ? ["--norc", "-c"] : shell === "zsh" ? ["-f", "-c"] : ["-N", "-c"];
  // The first argument of sh's -c is $0; fish has no such
  const name = shell === "fish" ? [] : [shell];
  const { stdout, stderr } = new Deno.Command(shell, {
    args: [...flags, DRIVERS[shell], ...name, script, program, ...lines],
    env: { TERM: "dumb", LC_ALL: "C.UTF-8", ...env },
    stdin: "null",
  }).outputSync();
  const text = new TextDecoder().decode(stdout);
  const all = [...text.matchAll(/^LINE\n([^]*?)^END$/gm)].map(([, part]) =>
    part!.split("\n").filter((each) => each !== "")
  );
  assert.equal(all.length, lines.length, `${text}${new TextDecoder().decode(stderr)}`);
  return all;
}
