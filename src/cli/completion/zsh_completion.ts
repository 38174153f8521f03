/** The completion script for zsh. Internal: used by `completions_command.ts`. */

import {
  type CommandWords,
  type Completion,
  functionName,
  GLOBAL_OPTIONS,
  type OptionWords,
  semaphorePatterns,
  shellQuote,
} from "./completion_words.ts";

/** The script that completes `program`, an executable name. */
export function zshCompletion(program: string, commands: readonly CommandWords[]): string {
  const name = functionName(program);
  return `#compdef ${program}
# Completion of ${program} in zsh: put this into a folder of $fpath as _${program}, or source it after
# compinit

# Keys and ids there are now: $1 is "keys", "ids" or "segments", $2 --semaphores or ""
${name}_objects() {
  local key id
  local -a found
  while read -r key id; do
    [[ $key == 0x* ]] || continue
    [[ $1 != ids && $key != 0x00000000 ]] && found+=("$key:id $id")
    [[ $1 == ids ]] && found+=("$id:key $key")
    [[ $1 == segments ]] && found+=("id\\\\:$id:key $key")
  done < <("$words[1]" ls \${2:+"$2"} --columns keyHex,id 2>/dev/null)
  _describe -t objects object found
}

# Completes the value of option $2 of command $1, given $3; 1 if it takes none
${name}_value() {
  case "$1 $2" in
${
    commands.flatMap(({ name: command, options }) =>
      options.flatMap((each) => valueCase(name, command, each))
    ).join("\n")
  }
    (*) return 1 ;;
  esac
  return 0
}

# Completes an argument of command $1, given $3
${name}_argument() {
  case "$1" in
${
    commands.map((each) => `    (${shellQuote(each.name)}) ${action(name, each.argument)} ;;`).join(
      "\n",
    )
  }
    (*) _message 'nothing more' ;;
  esac
}

# Completes the first argument of command $1 where it is one of several verbs; 1 if it is not
${name}_verb() {
  case "$1" in
${
    commands.filter(({ verbs }) => verbs.length > 0).map((each) =>
      `    (${shellQuote(each.name)}) compadd -- ${each.verbs.map(shellQuote).join(" ")} ;;`
    ).join("\n")
  }
    (*) return 1 ;;
  esac
  return 0
}

# Completes an option of command $1
${name}_options() {
  local -a found
  case "$1" in
${
    commands.map((each) => `    (${shellQuote(each.name)}) found=(${described(each.options)}) ;;`)
      .join("\n")
  }
    (*) found=(${described(GLOBAL_OPTIONS)}) ;;
  esac
  _describe -o -t options option found
}

${name}() {
  local command="\${words[2]}" before="\${words[CURRENT-1]}" semaphores= ended= each
  local -a found
  if ((CURRENT == 2)); then
    found=(${
    commands.map(({ name: command, summary }) => shellQuote(`${colons(command)}:${summary}`)).join(
      " ",
    )
  })
    _describe -t commands command found
    [[ $PREFIX == -* ]] && ${name}_options
    return
  fi
  for each in "\${(@)words[3,CURRENT-1]}"; do
    [[ $each == -- ]] && ended=1
    ${semaphoresCase(commands)}
  done
  if [[ -z $ended && $PREFIX == --*=* ]]; then
    local option="\${PREFIX%%=*}"
    compset -P '*='
    ${name}_value "$command" "$option" "$semaphores"
  elif [[ -z $ended && $before == -* ]] && ${name}_value "$command" "$before" "$semaphores"; then
    return 0
  elif [[ -z $ended && $PREFIX == -* ]]; then
    ${name}_options "$command"
  elif ((CURRENT != 3)) || ! ${name}_verb "$command"; then
    ${name}_argument "$command" '' "$semaphores"
  fi
}

# Found in $fpath this file is the function itself; sourced it has to be said what it is for
if [[ "$funcstack[1]" == ${shellQuote(`_${program}`)} ]]; then
  ${name} "$@"
else
  compdef ${name} ${shellQuote(program)}
fi
`;
}

function valueCase(name: string, command: string, { forms, value }: OptionWords): string[] {
  if (value === undefined) return [];
  const patterns = forms.map((form) => shellQuote(`${command} ${form}`)).join(" | ");
  return [`    (${patterns}) ${action(name, value)} ;;`];
}

function action(name: string, completion: Completion): string {
  switch (completion.kind) {
    case "words": {
      const words = completion.words.map(shellQuote).join(" ");
      return completion.list ? `compset -P '*,'; compadd -qS , -- ${words}` : `compadd -- ${words}`;
    }
    case "files":
      return "_files";
    case "nothing":
      return "_message 'no completion'";
    default:
      return `${name}_objects ${completion.kind} "$3"`;
  }
}

/** Options with their help, in the form that `_describe` takes. */
function described(options: readonly OptionWords[]): string {
  return options.flatMap(({ forms, help }) =>
    forms.map((form) => shellQuote(`${colons(form)}:${help}`))
  ).join(" ");
}

/** A word with escaped colons, so that they do not begin its description. */
function colons(word: string): string {
  return word.replaceAll(/[\\:]/g, "\\$&");
}

/** The shell code that finds the option that makes keys and ids those of semaphore sets. */
function semaphoresCase(commands: readonly CommandWords[]): string {
  const patterns = semaphorePatterns(commands);
  return patterns === ""
    ? ":"
    : `case "$command $each" in (${patterns}) semaphores=--semaphores ;; esac`;
}
