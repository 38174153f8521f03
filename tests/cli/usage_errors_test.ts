/**
 * Mistakes on the command line of every command: each is one clear line, a hint and exit code 2, and
 * nothing is created or attached.
 */

import assert from "node:assert/strict";
import { ownObjects } from "../support/own_objects.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { HERE, runHere } from "./command_line.ts";

guardAgainstLeaks();

/** The words of a command line, as text where no word has a space, and the beginning of the error. */
type Row = readonly [line: string | readonly string[], message: string | RegExp];

/** Mistakes in options that several commands have. */
const KEY: readonly Row[] = [
  ["--key", "option --key needs a value: KEY"],
  ["-k", "option -k needs a value: KEY"],
  ["--key --quiet", "option --key needs a value: KEY"],
  ["--key=", 'option --key: "" is no key'],
  ["--key=abc", 'option --key: "abc" is no key'],
  ["--key=0", "option --key: key 0 is IPC_PRIVATE"],
  ["--key=4294967296", "option --key: key 4294967296 does not fit"],
  ["--key=/:0", "option --key: project id 0"],
];
const MODE: readonly Row[] = [
  ["--mode", "option --mode needs a value: MODE"],
  ["--mode=rw", 'option --mode: "rw" is no octal mode'],
  ["--mode=1777", "option --mode: "],
];
const TIMEOUT: readonly Row[] = [
  ["--timeout", "option --timeout needs a value: DURATION"],
  ["-t", "option -t needs a value: DURATION"],
  ["--timeout=soon", 'option --timeout: "soon" is no duration'],
  ["--timeout -1", 'option --timeout: "-1" is no duration'],
];
const COUNT: readonly Row[] = [
  ["--count", "option --count needs a value: N"],
  ["--count=0", 'option --count: "0" is no whole number of at least 1'],
  ["-n -3", 'option --count: "-3" is no whole number'],
  ["-n1.5", 'option --count: "1.5" is no whole number'],
];
const EVERY: readonly Row[] = [
  ["--bogus", "unknown option --bogus"],
  ["-x", "unknown option -x"],
  [["--two\nlines\x1b[1m"], String.raw`unknown option --two\nlines\x1b[1m`],
  ["--help=me", "option --help takes no value"],
];
/** What `server`, `client`, `send` and `recv` have in common. */
const PEER: readonly Row[] = [
  ...[...EVERY, ...KEY, ...MODE, ...TIMEOUT],
  ["--trust=yes", "option --trust takes no value"],
  ["--quiet=1", "option --quiet takes no value"],
];

/** The mistakes by command; the empty name is no command. */
const MISTAKES: Readonly<Record<string, readonly Row[]>> = {
  "": [
    [[], "which command"],
    ["servr", "unknown command servr"],
    [[""], "unknown command"],
    ["Server", "unknown command Server"],
    ["--bogus", "unknown option --bogus"],
    ["-x server", "unknown option -x"],
    ["-- server", "unknown option --"],
    [["x".repeat(5000)], /^unknown command x{300,} \[\.\.\.\] x{300,}$/],
    [["two\nlines"], String.raw`unknown command two\nlines`],
    [["\x1b[31mred"], String.raw`unknown command \x1b[31mred`],
  ],
  server: [
    ...[...PEER, ...COUNT],
    ["--json=1", "option --json takes no value"],
    ["--keep=1", "option --keep takes no value"],
    ["--recreate=1", "option --recreate takes no value"],
    ["--verbose=1", "option --verbose takes no value"],
    ["--no-wait", "unknown option --no-wait"],
    ["5", "unexpected argument 5"],
    ["-- --help", "unexpected argument --help"],
  ],
  client: [
    ...PEER,
    ["--no-wait=1 x", "option --no-wait takes no value"],
    ["--count=1 x", "unknown option --count"],
    ["x --json", "unknown option --json"],
  ],
  send: [
    ...PEER,
    ["--binary x", "--binary sends stdin: give no MESSAGE"],
    ["--block=5", "--block goes with --binary"],
    ["--binary --block=0", "option --block: 0 is less than 1"],
    ["--tag=4294967296 x", 'option --tag: "4294967296" is no whole number from 0 to'],
    ["--tag=-1 x", 'option --tag: "-1" is no whole number'],
    ["--no-consumer=maybe x", 'option --no-consumer: "maybe" is none of wait, error'],
  ],
  recv: [
    ...[...PEER, ...COUNT],
    ["x", "unexpected argument x"],
    ["--json --binary", "--json or --binary: not both"],
    ["--follow --until-closed", "--follow or --until-closed: not both"],
    ["--ack=never", 'option --ack: "never" is none of after, before'],
  ],
  channel: [
    [[], "channel what? ls, stat, discard or rm comes first"],
    ["list", 'no "list" of a channel: ls, stat, discard or rm comes first'],
    ["--json ls", 'no "--json" of a channel: ls, stat, discard or rm comes first'],
    ["ls 5", "unexpected argument 5: channel stat shows a single one"],
    ["ls --force", "unknown option --force"],
    ["ls --columns=colour", 'no column "colour": choose from key, '],
    ["stat", "which segment?"],
    ["stat 5 6", "one segment at a time"],
    ["stat abc", '"abc" is no key'],
    ["rm", "which channel? give its key or id:ID, or choose"],
    ["rm 5 --orphans", "KEY or ID, or --mine, --orphans and --older-than: not both"],
    ["discard 5", "which lane? give --lane N"],
    ["discard --lane=x 5", 'option --lane: "x" is no whole number'],
    ["discard --lane=0", "which segment?"],
  ],
  watch: [
    ...EVERY,
    ["", "which segment?"],
    ["id:5 id:7", "one segment at a time"],
    ["id:5 --interval 9ms", "option --interval: at least 10ms"],
    ["id:5 --count 0", "option --count: "],
    ["id:5 --struct int", "option --struct: line 1, "],
    [["id:5", "--struct", "int a;", "--length", "4"], "--struct says how long it is"],
  ],
  top: [
    ...EVERY,
    ["5", "unexpected argument 5"],
    ["--interval=0", "option --interval: at least 100ms"],
    ["--interval=99ms", "option --interval: at least 100ms"],
    ["--interval=25d", "option --interval: at most 1d"],
    ["--interval=x", 'option --interval: "x" is no duration'],
    ["--sort=colour", 'no column "colour": choose from key, id, owner'],
    ["--older-than=x", 'option --older-than: "x" is no duration'],
    ["--json", "unknown option --json"],
  ],
  doctor: [
    ...EVERY,
    ["5", "unexpected argument 5"],
    ["--skip=orphan", 'no check "orphan": choose from limits, rmid-forced, '],
    ["--skip=", 'no check ""'],
    [["--skip=orphans,\x1b"], String.raw`no check "\u001b"`],
    ["--skip=constructor", 'no check "constructor"'],
  ],
  completions: [
    ...EVERY,
    [[], "Missing shell: bash, zsh or fish"],
    ["sh", "no shell sh: bash, zsh or fish"],
    ["bash zsh", "unexpected argument zsh"],
    ["bash --name=", 'option --name: "" is no name of letters, digits and _ . + -'],
    [["bash", "--name", "a b"], 'option --name: "a b"'],
    ["bash --name x;y", 'option --name: "x;y"'],
    ["bash --name ../x", "option --name"],
    ["bash --name $(x)", "option --name"],
  ],
};

for (const [command, rows] of Object.entries(MISTAKES)) {
  const name = command === "" ? [] : [command];
  Deno.test(`${command || "cli.ts"}: each of ${rows.length} mistakes is one line, a hint, and 2`, async () => {
    const before = ownObjects();
    for (const [line, message] of rows) {
      const words = typeof line === "string" ? line.split(" ").filter((word) => word !== "") : line;
      const { code, stdout, stderr } = await runHere(...name, ...words);
      const said = JSON.stringify(words);
      const [error = "", ...hint] = stderr.split("\n");
      assert.match(error, /^error: \P{Cc}+$/u, said);
      const reason = error.slice("error: ".length);
      if (typeof message === "string") assert(reason.startsWith(message), `${said}: ${reason}`);
      else assert.match(reason, message, said);
      assert.deepEqual(hint, [`try: ${[HERE, ...name, "--help"].join(" ")}`, ""], said);
      assert.deepEqual([code, stdout], [2, ""], said);
    }
    assert.deepEqual(ownObjects(), before);
  });
}
