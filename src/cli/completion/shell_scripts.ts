/**
 * The script by which each shell completes the command: it gives the typed words to `__complete`, and
 * offers what that prints.
 *
 * `__complete` prints one candidate a line, followed by a tab and its description. The last line is a
 * colon, followed by `nospace`, `files` or nothing. No shell evaluates any of that text.
 */

/** The script for each shell, given the name of the program, a word that needs no quoting. */
export const SHELL_SCRIPTS = { bash, zsh, fish } as const;

/** A shell that has a script. */
export type Shell = keyof typeof SHELL_SCRIPTS;

function functionName(program: string): string {
  return `_${program.replaceAll(/[^A-Za-z0-9]/g, "_")}`;
}

/**
 * bash also splits words at `:` and `=`, and expects only the part after the last split: the script
 * splits the line itself, and cuts off the part that bash keeps.
 */
function bash(program: string): string {
  const name = functionName(program);
  return `# Completion of ${program} in bash: source this file, or put it into
# ~/.local/share/bash-completion/completions/${program}
${name}() {
  local IFS=$' \\t\\n' line=\${COMP_LINE:0:COMP_POINT} current then cut='' kept=''
  local breaks=\${COMP_WORDBREAKS//[!:=]/}
  local -a typed
  COMPREPLY=()
  read -ra typed <<<"$line"
  [[ $line == *[[:space:]] ]] && typed+=('')
  current=\${typed[-1]}
  mapfile -t COMPREPLY < <("$1" __complete -- "\${typed[@]:1}" 2>/dev/null)
  ((\${#COMPREPLY[@]})) || return
  then=\${COMPREPLY[-1]}
  unset 'COMPREPLY[-1]'
  COMPREPLY=("\${COMPREPLY[@]%%$'\\t'*}")
  if [[ $then == :files ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    compopt -o filenames 2>/dev/null
  fi
  [[ $then == :nospace ]] && compopt -o nospace 2>/dev/null
  [[ -n $breaks ]] && cut=\${current%"\${current##*[$breaks]}"}
  COMPREPLY=("\${COMPREPLY[@]#"$cut"}")
}
complete -F ${name} '${program}'
`;
}

function zsh(program: string): string {
  const name = functionName(program);
  return `#compdef ${program}
# Completion of ${program} in zsh: put this into a folder of $fpath as _${program}, or source it after
# compinit
${name}() {
  local -a offered found space
  local each word
  offered=("\${(@f)$("$words[1]" __complete -- "\${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
  [[ $offered[-1] == :nospace ]] && space=(-S '')
  [[ $offered[-1] == :files ]] && _files
  for each in "\${(@)offered[1,-2]}"; do
    word=\${each%%$'\\t'*}
    found+=("\${\${word//\\\\/\\\\\\\\}//:/\\\\:}:\${each#*$'\\t'}")
  done
  _describe -t values value found $space
}
# In $fpath this file is the function itself; sourced, it registers the function
if [[ "$funcstack[1]" == '_${program}' ]]; then ${name} "$@"; else compdef ${name} '${program}'; fi
`;
}

function fish(program: string): string {
  const name = `_${functionName(program)}`;
  return `# Completion of ${program} in fish: put this into
# ~/.config/fish/completions/${program}.fish, or source it
function ${name}
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l offered ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
    test "$offered[-1]" = :files; and __fish_complete_path "$current"
    test (count $offered) -gt 1; and printf '%s\\n' $offered[1..-2]
end
complete -c '${program}' -f -a '(${name})'
`;
}
