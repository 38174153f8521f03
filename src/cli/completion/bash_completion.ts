/** The completion script for bash. Internal: used by `completions_command.ts`. */

import {
  type CommandWords,
  type Completion,
  functionName,
  GLOBAL_OPTIONS,
  type OptionWords,
  semaphorePatterns,
  shellQuote,
} from "./completion_words.ts";

/**
 * The script that completes `program`, an executable name.
 *
 * bash also splits words at `:` and `=`, and expects only the part after the last split: the script
 * parses the line itself, and cuts off the part that bash keeps.
 */
export function bashCompletion(program: string, commands: readonly CommandWords[]): string {
  const name = functionName(program);
  return `# Completion of ${program} in bash: source this file, or put it into
# ~/.local/share/bash-completion/completions/${program}

# Keys and ids there are now: $1 is the program, $2 "keys", "ids" or "segments", $3 --semaphores or ""
${name}_objects() {
  local key id
  while read -r key id; do
    [[ $key == 0x* ]] || continue
    [[ $2 != ids && $key != 0x00000000 ]] && printf '%s\\n' "$key"
    [[ $2 == ids ]] && printf '%s\\n' "$id"
    [[ $2 == segments ]] && printf 'id:%s\\n' "$id"
  done < <("$1" ls \${3:+"$3"} --columns keyHex,id 2>/dev/null)
}

# What the value of option $2 of command $1 is: its kind in REPLY, words in words. 1 if it takes none
${name}_value() {
  words=()
  case "$1 $2" in
${
    commands.flatMap(({ name, options }) => options.flatMap((each) => valueCase(name, each))).join(
      "\n",
    )
  }
    *) return 1 ;;
  esac
}

# What the arguments of command $1 are, likewise
${name}_argument() {
  words=()
  case "$1" in
${
    commands.map((each) => `    ${shellQuote(each.name)}) ${assignment(each.argument)} ;;`).join(
      "\n",
    )
  }
    *) REPLY=nothing ;;
  esac
}

# The verbs of command $1, one of which its first argument is, likewise. 1 if it has none
${name}_verb() {
  case "$1" in
${
    commands.filter(({ verbs }) => verbs.length > 0).map((each) =>
      `    ${shellQuote(each.name)}) REPLY=words words=(${each.verbs.map(shellQuote).join(" ")}) ;;`
    ).join("\n")
  }
    *) return 1 ;;
  esac
}

# The options of command $1 in words
${name}_options() {
  case "$1" in
${
    commands.map((each) => `    ${shellQuote(each.name)}) words=(${forms(each.options)}) ;;`).join(
      "\n",
    )
  }
    *) words=(${forms(GLOBAL_OPTIONS)}) ;;
  esac
}

${name}() {
  local IFS=$' \\t\\n' line=\${COMP_LINE:0:COMP_POINT} program=$1 REPLY='' command='' ended=''
  local semaphores='' kept='' each
  local -a typed words=()
  read -ra typed <<<"$line"
  [[ $line == *[[:space:]] ]] && typed+=('')
  local last=$((\${#typed[@]} - 1))
  local current=\${typed[last]} before=''
  ((last > 1)) && command=\${typed[1]} before=\${typed[last - 1]}
  for each in "\${typed[@]:2:last > 1 ? last - 2 : 0}"; do
    [[ $each == -- ]] && ended=1
    ${semaphoresCase(commands)}
  done
  COMPREPLY=()
  if ((last < 1)); then return; fi
  if ((last == 1)); then
    REPLY=words
    words=(${commands.map((each) => shellQuote(each.name)).join(" ")} ${forms(GLOBAL_OPTIONS)})
  elif [[ -z $ended && $current == --*=* ]]; then
    kept=\${current%%=*}=
    ${name}_value "$command" "\${current%%=*}" || return
  elif [[ -z $ended && $before == -* ]] && ${name}_value "$command" "$before"; then
    :
  elif [[ -z $ended && $current == -* ]]; then
    REPLY=words
    ${name}_options "$command"
  elif ((last != 2)) || ! ${name}_verb "$command"; then
    ${name}_argument "$command"
  fi
  case $REPLY in
    keys | ids | segments) mapfile -t words < <(${name}_objects "$program" "$REPLY" "$semaphores") ;;
    list) [[ $current == *,* ]] && kept=\${current%,*}, ;;
    files) mapfile -t words < <(compgen -f -- "\${current#"$kept"}"); compopt -o filenames 2>/dev/null ;;
  esac
  # What bash takes for words before the last one stays as it is
  local breaks=\${COMP_WORDBREAKS//[!:=]/} cut=''
  [[ -n $breaks ]] && cut=\${current%"\${current##*[$breaks]}"}
  for each in "\${words[@]}"; do
    [[ $kept$each == "$current"* ]] && COMPREPLY+=("$kept$each")
  done
  COMPREPLY=("\${COMPREPLY[@]#"$cut"}")
  [[ $REPLY == list ]] && compopt -o nospace 2>/dev/null
  return 0
}

complete -F ${name} ${shellQuote(program)}
`;
}

function forms(options: readonly OptionWords[]): string {
  return options.flatMap((each) => each.forms).map(shellQuote).join(" ");
}

function valueCase(command: string, { forms, value }: OptionWords): string[] {
  if (value === undefined) return [];
  const patterns = forms.map((form) => shellQuote(`${command} ${form}`)).join(" | ");
  return [`    ${patterns}) ${assignment(value)} ;;`];
}

function assignment(completion: Completion): string {
  if (completion.kind !== "words") return `REPLY=${completion.kind}`;
  const words = completion.words.map(shellQuote).join(" ");
  return `REPLY=${completion.list ? "list" : "words"} words=(${words})`;
}

/** The shell code that finds the option that makes keys and ids those of semaphore sets. */
function semaphoresCase(commands: readonly CommandWords[]): string {
  const patterns = semaphorePatterns(commands);
  return patterns === ""
    ? ":"
    : `case "$command $each" in ${patterns}) semaphores=--semaphores ;; esac`;
}
