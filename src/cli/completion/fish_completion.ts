/** The completion script for fish. Internal: used by `completions_command.ts`. */

import {
  type CommandWords,
  type Completion,
  functionName,
  GLOBAL_OPTIONS,
  type OptionWords,
} from "./completion_words.ts";

/** The script that completes `program`, an executable name. */
export function fishCompletion(program: string, commands: readonly CommandWords[]): string {
  const name = `_${functionName(program)}`;
  const complete = `complete -c ${quote(program)}`;
  return `# Completion of ${program} in fish: put this into
# ~/.config/fish/completions/${program}.fish, or source it

# Whether command $argv[1] is being written; without it, whether none has been
function ${name}_uses
    set -l words (commandline -opc)
    if test (count $argv) -eq 0
        test (count $words) -eq 1
    else
        test (count $words) -gt 1; and test "$words[2]" = "$argv[1]"
    end
end

# Whether command $argv[1] waits for its first argument
function ${name}_begins
    ${name}_uses $argv[1]; and test (count (commandline -opc)) -eq 2
end

# Keys and ids there are now: $argv[1] is "keys", "ids" or "segments"; with --semaphores, or its short
# form $argv[2], on the line those of semaphore sets
function ${name}_objects
    set -l words (commandline -opc)
    set -l of
    contains -- --semaphores $words; and set of --semaphores
    test -n "$argv[2]"; and contains -- "$argv[2]" $words; and set of --semaphores
    $words[1] ls $of --columns keyHex,id 2>/dev/null | while read -l key id
        string match -q '0x*' -- $key; or continue
        set id (string trim -- $id)
        test $argv[1] != ids -a $key != 0x00000000; and printf '%s\\tid %s\\n' $key $id
        test $argv[1] = ids; and printf '%s\\tkey %s\\n' $id $key
        test $argv[1] = segments; and printf 'id:%s\\tkey %s\\n' $id $key
    end
end

# What a list of words separated by commas can go on with
function ${name}_list
    set -l token (commandline -ct)
    set -l value (string replace -r '^--[^=]*=' '' -- "$token")
    set -l before (string replace -r '[^,]*$' '' -- "$value")
    printf '%s\\n' "$before"$argv
end

${complete} -f
${
    commands.map((each) => {
      const only = `${complete} -n ${quote(`${name}_uses`)}`;
      return `${only} -a ${words([each.name])} -d ${quote(each.summary)}`;
    }).join("\n")
  }
${
    GLOBAL_OPTIONS.map((each) => `${complete} -n ${quote(`${name}_uses`)}${option(name, each)}`)
      .join("\n")
  }
${commands.flatMap((each) => ofCommand(name, complete, each)).join("\n")}
`;
}

function ofCommand(name: string, complete: string, command: CommandWords): string[] {
  const only = `${complete} -n ${quote(`${name}_uses ${quote(command.name)}`)}`;
  const short = command.options.find(({ forms }) => forms[0] === "--semaphores")?.forms[1];
  const argument = source(name, command.argument, short);
  const begins = `${name}_begins ${quote(command.name)}`;
  const later = command.verbs.length === 0 ? only : `${only} -n ${quote(`not ${begins}`)}`;
  return [
    ...(command.verbs.length === 0
      ? []
      : [`${complete} -n ${quote(begins)} -a ${words(command.verbs)}`]),
    ...(argument === undefined ? [] : [`${later}${argument}`]),
    ...command.options.map((each) => `${only}${option(name, each, short)}`),
  ];
}

function option(name: string, { forms, help, value }: OptionWords, semaphores?: string): string {
  const [long, short] = forms;
  const takes = value === undefined
    ? ""
    : ` ${value.kind === "files" ? "-r" : "-x"}${source(name, value, semaphores) ?? ""}`;
  return ` -l ${quote(long!.slice("--".length))}` +
    (short === undefined ? "" : ` -s ${quote(short.slice("-".length))}`) +
    `${takes} -d ${quote(help)}`;
}

/** The part of a `complete` command that names the candidates; `undefined` if there are none. */
function source(name: string, completion: Completion, semaphores = ""): string | undefined {
  switch (completion.kind) {
    case "words":
      return completion.list
        ? ` -a ${quote(`(${name}_list ${completion.words.map(quote).join(" ")})`)}`
        : ` -a ${words(completion.words)}`;
    case "files":
      return " -F";
    case "nothing":
      return undefined;
    default:
      return ` -a ${quote(`(${name}_objects ${completion.kind} ${quote(semaphores)})`)}`;
  }
}

/** Words for `-a`, which parses its text as a command line again. */
function words(texts: readonly string[]): string {
  return quote(texts.map(quote).join(" "));
}

/** A text quoted as one word of fish. */
function quote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}
