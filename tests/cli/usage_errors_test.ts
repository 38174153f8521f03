/** Mistakes on the command line: each is one line, a hint and 2, and nothing is created. */

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
  ["--key=", 'option --key: "" is not a key'],
  ["--key=abc", 'option --key: "abc" is not a key'],
  ["--key=0", "option --key: key 0 is IPC_PRIVATE"],
  ["--key=4294967296", "option --key: key 4294967296 does not fit"],
  ["--key=/:0", "option --key: project id 0"],
];
const MODE: readonly Row[] = [
  ["--mode", "option --mode needs a value: MODE"],
  ["--mode=rw", 'option --mode: "rw" is not an octal mode'],
  ["--mode=1777", "option --mode: "],
];
const TIMEOUT: readonly Row[] = [
  ["--timeout", "option --timeout needs a value: DURATION"],
  ["-t", "option -t needs a value: DURATION"],
  ["--timeout=soon", 'option --timeout: "soon" is not a duration'],
  ["--timeout -1", 'option --timeout: "-1" is not a duration'],
];
const COUNT: readonly Row[] = [
  ["--count", "option --count needs a value: N"],
  ["--count=0", 'option --count: "0" is not a whole number of at least 1'],
  ["-n -3", 'option --count: "-3" is not a whole number'],
  ["-n1.5", 'option --count: "1.5" is not a whole number'],
];
const EVERY: readonly Row[] = [
  ["--bogus", "unknown option --bogus"],
  ["-x", "unknown option -x"],
  [["--two\nlines\x1b[1m"], String.raw`unknown option --two\nlines\x1b[1m`],
  ["--help=me", "option --help takes no value"],
];
/** What `server`, `client`, `send`, `recv` and `sub` have in common. */
const PEER: readonly Row[] = [
  ...[...EVERY, ...KEY, ...MODE, ...TIMEOUT],
  ["--trust=yes", "option --trust takes no value"],
  ["--quiet=1", "option --quiet takes no value"],
];

/** A mistake beside `--size`, without which nothing is created. */
function onSize([line, message]: Row): Row {
  return [[line].flat().flatMap((words) => ["--size=1", ...words.split(" ")]), message];
}

/** The mistakes by command; the empty name is no command. */
const MISTAKES: Readonly<Record<string, readonly Row[]>> = {
  "": [
    [[], "Missing command"],
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
    ["--lanes=0", 'option --lanes: "0" is'],
    ["--lanes=257", 'option --lanes: "257" is not a whole number from 1 to 256'],
    ["--lanes=1.5", 'option --lanes: "1.5" is'],
    ["--capacity=32", "option --capacity: 32 is not a power of two from 64 to 1G"],
    ["--capacity=100K", "option --capacity: 100K is not a power of two"],
    ["--capacity=1MB", "option --capacity: 1MB is not a power of two"],
    ["--capacity=2G", "option --capacity: 2G is not a power of two"],
    ["--capacity=0", "option --capacity: 0 is not a power of two"],
    ["--capacity=x", 'option --capacity: "x" is'],
    ["--binary x", "--binary sends stdin: give no MESSAGE"],
    ["--block=5", "--block goes with --binary"],
    ["--binary --block=0", "option --block: 0 is less than 1"],
    ["--tag=4294967296 x", 'option --tag: "4294967296" is not a whole number from 0 to'],
    ["--tag=-1 x", 'option --tag: "-1" is not a whole number'],
    ["--no-consumer=maybe x", 'option --no-consumer: "maybe" is none of wait, error'],
  ],
  recv: [
    ...[...PEER, ...COUNT],
    ["x", "unexpected argument x"],
    ["--json --binary", "--json or --binary: not both"],
    ["--follow --until-closed", "--follow or --until-closed: not both"],
    ["--ack=never", 'option --ack: "never" is none of after, before'],
  ],
  bridge: [
    ["out --bogus", "unknown option --bogus"],
    ["--topic out", 'no "--topic" of a bridge: out, in, record or replay comes first'],
    [[], "Missing verb: out, in, record or replay comes first"],
    ["over --stream=S", 'no "over" of a bridge: out, in, record or replay comes first'],
    ["out --subject=s", "bridge out needs --stream"],
    ["out --stream=S", "bridge out needs --subject"],
    ["in --stream=S", "bridge in needs --durable"],
    ["out --stream=S --subject=s --durable=d", "unknown option --durable"],
    ["in --stream=S --durable=d --create", "unknown option --create"],
    ["out --stream=a.b --subject=s", 'option --stream: "a.b" is not a name without blanks'],
    ["out --stream=S --subject=s.*", 'option --subject: "s.*" is not a subject without wildcards'],
    ["in --stream=S --durable=d --subject=s..t", 'option --subject: "s..t" is not a subject'],
    ["in --stream=S --durable=d --in-flight=0", 'option --in-flight: "0" is not a whole number'],
    [
      "in --stream=S --durable=d --server=nats://me:secret@here",
      "option --server: a password there can be read by others: use --connect",
    ],
    ["in --stream=S --durable=d --server=a,", 'option --server: "" is no URL of a server'],
    ["in --stream=S --durable=d --server=[", 'option --server: "[" is no URL of a server'],
    ["in --stream=S --durable=d --connect=/dev/null", "option --connect: /dev/null is no JSON"],
    ["in --stream=S --durable=d x", "unexpected argument x"],
    ["record", "bridge record needs a FILE"],
    ["record a b", "unexpected argument b"],
    ["record --count=0 a", 'option --count: "0" is not a whole number of at least 1'],
    ["record --fast a", "unknown option --fast"],
    [
      ["record", "--struct=char a[1000000];", "a"],
      "option --capacity: a struct of 1000000 bytes needs larger lanes",
    ],
    ["record --struct-name=x a", "option --struct-name needs --struct or --struct-file"],
    ["replay --fast", "bridge replay needs a FILE"],
    ["replay --count=1 a", "unknown option --count"],
    ["replay --key=0 a", "option --key: key 0 is IPC_PRIVATE"],
  ],
  channel: [
    [[], "Missing verb: ls, stat, discard or rm comes first"],
    ["list", 'no "list" of a channel: ls, stat, discard or rm comes first'],
    ["--json ls", 'no "--json" of a channel: ls, stat, discard or rm comes first'],
    ["ls 5", "unexpected argument 5: channel stat shows a single one"],
    ["ls --force", "unknown option --force"],
    ["ls --columns=colour", 'no column "colour": choose from key, '],
    ["stat", "Missing segment: KEY or id:ID"],
    ["stat 5 6", "one segment at a time"],
    ["stat abc", '"abc" is not a key'],
    ["rm", "Missing channel: KEY or id:ID, or choose"],
    ["rm 5 --orphans", "KEY or ID, or --mine, --orphans and --older-than: not both"],
    ["discard 5", "Missing --lane N"],
    ["discard --lane=x 5", 'option --lane: "x" is not a whole number'],
    ["discard --lane=0", "Missing segment: KEY or id:ID"],
  ],
  pub: [
    ...[...EVERY, ...KEY, ...MODE],
    ["--trust=yes", "option --trust takes no value"],
    ["--quiet=1", "option --quiet takes no value"],
    ["--lanes=0 x", 'option --lanes: "0" is not a whole number from 1 to 256'],
    ["--capacity=128 x", "option --capacity: 128 is not a power of two from 256 to 1G"],
    ["--tag=-1 x", 'option --tag: "-1" is not a whole number'],
    ["--json x", "unknown option --json"],
    ["--struct=int x", "option --struct: line 1, "],
    ["--struct-name=a x", "option --struct-name needs --struct or --struct-file"],
    [["--struct=char a[300000];"], "option --capacity: a struct of 300000 bytes needs larger"],
    ["--struct=a --struct-file=b", "give --struct or --struct-file, not both"],
  ],
  sub: [
    ...[...PEER, ...COUNT],
    ["x", "unexpected argument x"],
    ["--history=some", 'option --history: "some" is not a whole number of at least 0'],
    ["--history=-1", 'option --history: "-1" is not a whole number'],
    ["--read-only=1", "option --read-only takes no value"],
    ["--tag=1", "unknown option --tag"],
    [["--struct=char a[300000];"], "option --capacity: a struct of 300000 bytes needs larger"],
    [["--struct", "int n; char rest[];"], "option --struct: not a union, and without a flexible"],
  ],
  topic: [
    [[], "Missing verb: ls, stat or rm comes first"],
    ["discard", 'no "discard" of a topic: ls, stat or rm comes first'],
    ["ls 5", "unexpected argument 5: topic stat shows a single one"],
    ["stat", "Missing segment: KEY or id:ID"],
    ["rm", "Missing topic: KEY or id:ID, or choose"],
  ],
  latest: [
    [[], "Missing verb: get, set, watch, ls, stat or rm comes first"],
    ["read", 'no "read" of a latest value: get, set, watch, ls, stat or rm comes first'],
    ["get", "Missing segment: KEY or id:ID"],
    ["get 5 6", "one segment at a time"],
    ["get --hex --raw 5", "--hex, --raw, or --json and --struct: one of them"],
    ["get --hex --json 5", "--hex, --raw, or --json and --struct: one of them"],
    [["get", "--raw", "--struct", "int a;", "5"], "--hex, --raw, or --json and --struct: one of"],
    [["get", "--struct", "int", "5"], "option --struct: line 1, "],
    [["get", "--struct", "int n; char rest[];", "5"], "option --struct: not a union, and without"],
    [["get", "--struct", "union { int a; float b; };", "5"], "option --struct: not a union"],
    [["get", "--struct-name", "a", "5"], "option --struct-name needs --struct or --struct-file"],
    ["set", "Missing latest value: KEY or id:ID"],
    ["set 5 a b", "unexpected argument b: VALUE is one word"],
    ["set abc x", '"abc" is not a key'],
    ["set 0 x", "key 0 is IPC_PRIVATE"],
    ["set --size=0 5 x", "option --size: 0 is less than 1"],
    ["set --cells=1 5 x", 'option --cells: "1" is not a whole number from 2 to 4096'],
    ["set --cells=3 5 x", "option --cells: 3 is not a power of two"],
    [["set", "--struct", "int a;", "--size=4", "5"], "--struct says how long a value is"],
    ["set --mode=rw 5 x", 'option --mode: "rw" is not an octal mode'],
    ["watch 5 --count=0", "option --count: "],
    ["watch 5 --timeout=soon", 'option --timeout: "soon" is not a duration'],
    ["watch 5 --hex", "unknown option --hex"],
    ["ls 5", "unexpected argument 5: latest stat shows a single one"],
    ["rm", "Missing latest value: KEY or id:ID, or choose"],
  ],
  watch: [
    ...EVERY,
    ["", "Missing segment: KEY or id:ID"],
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
    ["--interval=x", 'option --interval: "x" is not a duration'],
    ["--sort=colour", 'no column "colour": choose from key, id, owner'],
    ["--older-than=x", 'option --older-than: "x" is not a duration'],
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
  create: [
    ...EVERY,
    ...KEY.map(onSize),
    ...MODE.map(onSize),
    [[], "Missing --size, for example --size 64K"],
    ["--size", "option --size needs a value: SIZE"],
    ["--size=0", "option --size: 0 is less than 1"],
    ["--size=-1", 'option --size: "-1" is not a size'],
    ["--size=64Q", 'option --size: "64Q" is not a size'],
    ["--size=1 0x5", "unexpected argument 0x5"],
    ["--size=1 --key=5 --private", "--key or --private, not both"],
    ["--size=1 --mode=u+r", 'option --mode: "u+r" is not an octal mode'],
    ["--size=1 --huge-size=3M", /^option --huge-size: no huge page has 3M bytes but 64K, .*16G$/],
    ["--size=1 --huge-size=x", 'option --huge-size: "x" is not a size'],
    ["--size=1 --huge --no-reserve", "--no-reserve does not go with huge pages"],
    ["--size=1 --huge-size=2M --no-reserve", "--no-reserve does not go with huge pages"],
  ],
  chmod: [
    ...EVERY,
    [[], "Missing mode, for example 640 or g+w"],
    ["640", "Missing segment: KEY or id:ID"],
    ["888 0x5eed0fff", '"888" is not an octal mode'],
    ["u+s 0x5eed0fff", '"u+s" is not a mode such as 640'],
    ["-w 0x5eed0fff", "unknown option -w"],
    ["640 0x5eed0fff x", '"x" is not a key'],
    ["640 --id=-1", '"-1" is not an id'],
  ],
  chown: [
    [[], "Missing owner: USER, USER:GROUP or :GROUP"],
    ["0", "Missing segment: KEY or id:ID"],
    [["", "0x5eed0fff"], '"" is not an owner: write USER, USER:GROUP or :GROUP'],
    [": 0x5eed0fff", '":" is not an owner'],
    ["0: 0x5eed0fff", '"0:" is not an owner'],
    ["4294967295 0x5eed0fff", "user id 4294967295 is above 4294967294"],
    [":+4294967295 0x5eed0fff", "group id +4294967295 is above"],
    ["0 0x5eed0fff x", '"x" is not a key'],
    ["-1 0x5eed0fff", "unknown option -1: write a negative number after --"],
  ],
  ls: [
    ...EVERY,
    ["5", "unexpected argument 5: stat shows a single segment"],
    ["--columns=size,nope", /^no column "nope": choose from key, .*, swapped$/],
    [["--columns", "id,\x1b[1m"], String.raw`no column "\u001b[1m": choose`],
    ["--sort=nope", 'no column "nope"'],
    ["--columns=", 'no column ""'],
    ["--columns=key,", 'no column ""'],
    ["--columns=key;id", 'no column "key;id"'],
    ["--columns=constructor", 'no column "constructor"'],
    ["--sort=count", 'no column "count"'],
    ["--older-than=soon", 'option --older-than: "soon" is not a duration'],
    ["--key=0", "option --key: key 0 is IPC_PRIVATE"],
    ["-s --orphans", "option --orphans: the kernel does not record who created a semaphore set"],
    ["-s --bytes", "option --bytes: semaphores have no size"],
    ["-s --sort=size", /^no column "size": choose from key, .*, values$/],
    ["-s --columns=pids", 'no column "pids"'],
  ],
  rm: [
    ...EVERY,
    ["-s --orphans", "option --orphans: the kernel does not record who created a semaphore set"],
  ],
  stat: [
    ...EVERY,
    [[], "Missing segment: KEY or id:ID"],
    ["1 2", "one segment at a time"],
    ["id:x", '"x" is not an id'],
    ["abc", /^"abc" is not a key: .*; an id is id:5$/],
    ["0", "key 0 is IPC_PRIVATE"],
  ],
  dump: [
    ...EVERY,
    ["id:0 --count=2", "option --count needs --struct"],
    ["id:0 --full", "option --full needs --struct"],
    [
      ["id:0", "--struct=int x", "--length=4"],
      "--struct says how long it is: use --count, not --length",
    ],
    [
      ["id:0", "--struct=int x", "--count=0"],
      'option --count: "0" is not a whole number of at least 1',
    ],
    [["id:0", "--struct=int x y"], 'option --struct: line 1, column 7, at "y": '],
    [["id:0", "--struct", "int\x1b[2J\nx; union {"], /^option --struct: [ -~]+$/],
    ["id:0 --struct=", "option --struct: "],
    [["id:0", "--struct=char x[16777217]"], /more than 65536, or make up more than 16 MiB/],
    [["id:0", "--struct=char x[8]", "--count=2097153"], /more than 65536, or make up more than/],
    [["id:0", "--struct=char x[8]", "--count=65537"], /more than 65536, or make up more than/],
    [["id:0", "--struct=struct { char c; } x[65537]", "--full"], /more than 65536, or/],
    [["id:0", "--struct=struct { char c; } x[65537]", "--json"], /more than 65536, or/],
    [["id:0", `--struct=char x[${2 ** 53 - 1}]`, `--count=${2 ** 53 - 1}`], /more than 65536, or/],
    ["id:0 --offset=-1", 'option --offset: "-1" is not a size'],
    ["id:0 --length=many", 'option --length: "many" is not a size'],
    ["id:0 --define=A", "option --define needs --struct or --struct-file"],
    ["id:0 --struct-name=A", "option --struct-name needs --struct or --struct-file"],
    [["id:0", "--struct=int a", "--struct-file=a"], "give --struct or --struct-file, not both"],
    [["id:0", "--struct=int a", "--define=1=2"], 'option --define: "1" is not a C name'],
    ["id:0 5", "one segment at a time"],
  ],
  limits: [...EVERY, ["5", "unexpected argument 5"], ["--sort=x", "unknown option --sort"]],
  struct: [
    ...EVERY,
    [[], "Missing FILE: a C header, or - for stdin"],
    ["- a.h", "unexpected argument a.h"],
    ["-", "standard input: line 1, column 1, at the end: this declares no field"],
    ["- --name", "option --name needs a value: NAME"],
    ["- --name=A", "standard input: line 1, column 1, at the end: there is no struct of this name"],
    ["- --define=1=2", 'option --define: "1" is not a C name'],
    ["- --undefine=a-b", 'option --undefine: "a-b" is not a C name'],
    ["- --c=1", "option --c takes no value"],
    ["- --struct=int", "unknown option --struct"],
  ],
  completions: [
    ...EVERY,
    [[], "Missing shell: bash, zsh or fish"],
    ["sh", "no shell sh: bash, zsh or fish"],
    ["bash zsh", "unexpected argument zsh"],
    ["bash --name=", 'option --name: "" is not a name of letters, digits and _ . + -'],
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
