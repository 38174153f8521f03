/** `cli.ts dump`: segments of other programs, as hexdump and as a C compiler see them. */

import assert from "node:assert/strict";
import { Segment } from "../../../mod.ts";
import { ForeignObject, output } from "../../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { Peer, TestFolder } from "../../support/peer.ts";
import {
  appeared,
  cliInShellOnTerminal,
  cliOnTerminal,
  ON_TERMINAL,
} from "../../support/terminal.ts";
import { assertFailed, printed, random, runHere } from "../command_line.ts";
import { segmentOf } from "../segment_bytes.ts";

guardAgainstLeaks();

const HEXDUMP = { tools: ["deno", "ipcmk", "perl", "hexdump"], files: true };
const PERL = { tools: ["deno", "perl"] };

const dump = (...args: readonly string[]): Promise<string> => printed("dump", ...args);

testWith(HEXDUMP, "dump: as hexdump -C prints the same bytes", async () => {
  using folder = new TestFolder();
  using foreign = ForeignObject.segment(5000);
  // Random bytes, and lines that repeat: runs of 1 to 100 equal bytes
  output(
    "perl",
    "-e",
    `srand(7); my $all = join "", map { chr(int rand 256) x (1 + int rand 100) } 1..200;
    $all = substr($all . join("", map { chr int rand 256 } 1..5000), 0, 5000);
    shmwrite(${foreign.id}, $all, 0, 5000) or die $!;
    open my $file, ">:raw", "${folder.path}/bytes"; print $file $all;`,
  );
  for (
    const options of [[], ["-v"], ["-s", "4999"], ["-s", "17", "-n", "4000"], ["-s", "5000"]]
  ) {
    assert.equal(
      await dump(`id:${foreign.id}`, ...options),
      output("hexdump", "-C", ...options, `${folder.path}/bytes`),
      options.join(" "),
    );
  }
});

Deno.test("dump: a segment of more than 4 GiB, with offsets of nine digits", async () => {
  using segment = Segment.create({ size: 5 * 2 ** 30 + 3, noReserve: true });
  segment.remove();
  segment.write(new TextEncoder().encode("around four GiB"), 2 ** 32 - 5);
  assert.equal(
    await dump(`id:${segment.id}`, "--offset", "0xfffffff0", "--length", "32"),
    [
      "fffffff0  00 00 00 00 00 00 00 00  00 00 00 61 72 6f 75 6e  |...........aroun|",
      "100000000  64 20 66 6f 75 72 20 47  69 42 00 00 00 00 00 00  |d four GiB......|",
      "100000010",
      "",
    ].join("\n"),
  );
  assert.equal(
    await dump(`id:${segment.id}`, "--offset", "5G"),
    `140000000  00 00 00${" ".repeat(42)}|...|\n140000003\n`,
  );
});

Deno.test("dump --json: the facts and the bytes; from an offset; by key", async () => {
  using segment = Segment.create({ key: 0x5eed4d01, size: 20 });
  try {
    segment.write(Uint8Array.of(0, 1, 0x7f, 0x80, 0xff), 3);
    assert.deepEqual(JSON.parse(await dump("0x5eed4d01", "--json", "-s", "2", "-n", "7")), {
      key: 0x5eed4d01,
      keyHex: "0x5eed4d01",
      id: segment.id,
      size: 20,
      offset: 2,
      length: 7,
      bytes: "0000017f80ff00",
    });
  } finally {
    segment.remove();
  }
});

Deno.test("dump --json: the bytes of more than one copy are one string", async () => {
  const bytes = new Uint8Array(2 ** 21 + 5);
  const pick = random(41);
  for (let i = 0; i < bytes.length; i++) bytes[i] = pick(256);
  using segment = segmentOf(bytes);
  const shown = JSON.parse(await dump(`id:${segment.id}`, "--json"));
  assert(shown.bytes === bytes.toHex(), "the bytes differ");
});

const ENTRY = "bool can_read; char msg[2048]";

Deno.test("dump --struct: a table with the offsets of the dump below it", async () => {
  using segment = Segment.create({ size: 2100 });
  segment.remove();
  segment.write(new TextEncoder().encode("\x02hello \x1b[31m\u202e\n\0rest"), 16);
  assert.equal(
    await dump(`id:${segment.id}`, "--struct", ENTRY, "--offset", "16"),
    `OFFSET   SIZE TYPE       NAME     VALUE
00000010    1 bool       can_read true (byte 0x02)
00000011 2048 char[2048] msg      "hello \\x1b[31m\\u{202e}\\n"

00000010  02 68 65 6c 6c 6f 20 1b  5b 33 31 6d e2 80 ae 0a  |.hello .[31m....|
00000020  00 72 65 73 74 00 00 00  00 00 00 00 00 00 00 00  |.rest...........|
00000030  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
*
00000810  00                                                |.|
00000811
`,
  );
});

Deno.test("dump --count: one record after the other, as text and as JSON", async () => {
  using segment = segmentOf(Uint8Array.from({ length: 16 }, (_, i) => i));
  const args = [`id:${segment.id}`, "--struct", "uint8_t a; uint32_t b", "--count", "2"];
  const text = await dump(...args);
  assert.equal(
    text,
    `OFFSET   SIZE TYPE     NAME  VALUE
00000000    1 uint8_t  [0].a 0
00000004    4 uint32_t [0].b 117835012
00000008    1 uint8_t  [1].a 8
0000000c    4 uint32_t [1].b 252579084

00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|
00000010
`,
  );
  const { fields } = JSON.parse(await dump(...args, "--json"));
  const last = { path: "[1].b", offset: 12, size: 4, type: "uint32_t", value: 252579084 };
  assert.deepEqual([fields.length, fields[3]], [4, last]);
});

Deno.test("dump --full: long arrays and strings are whole, as in JSON", async () => {
  using segment = segmentOf("a".repeat(100) + "\x01".repeat(20));
  const args = [`id:${segment.id}`, "--struct", "char s[100]; uint8_t n[20]"];
  assert.match(await dump(...args), /"a{64}"\.\.\. \(100 bytes, no NUL\)$/m);
  assert.match(await dump(...args), / {1, 1, 1, 1, 1, 1, 1, 1, \.\.\. 12 more}$/m);
  assert.match(await dump(...args, "--full"), /"a{100}" \(no NUL\)$/m);
  assert.match(await dump(...args, "--full"), / {(1, ){19}1}$/m);
  const { fields } = JSON.parse(await dump(...args, "--json"));
  assert.deepEqual([fields[0].value, fields[1].value], ["a".repeat(100), Array(20).fill(1)]);
});

Deno.test("dump --struct: what is not all there is one line of error", async () => {
  using segment = segmentOf(new Uint8Array(100));
  for (
    const [options, message] of [
      [["--struct", ENTRY], "the struct has 2049 bytes, and from offset 0 segment \\d+ has 100"],
      [
        ["--struct", "int x", "-s", "97", "--json"],
        "the struct has 4 bytes, and from offset 97 segment \\d+ has 3",
      ],
      [
        ["--struct", "int x", "--count", "26"],
        "the struct has 4 bytes, 26 of them 104, and from offset 0 segment \\d+ has 100",
      ],
    ] as const
  ) {
    const { code, stdout, stderr } = await runHere("dump", `id:${segment.id}`, ...options);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, new RegExp(`^error: .*${message}\n$`));
  }
});

Deno.test("dump --struct: a part of an array of structs has few fields", async () => {
  const declaration = "struct { char c; } x[65537]";
  assertFailed(
    await runHere("dump", "id:2147483647", "--struct", declaration),
    /no segment has id/,
  );
});

testWith(
  ON_TERMINAL,
  "dump on a terminal: fields in colours, in the table and the bytes",
  async () => {
    using folder = new TestFolder();
    using segment = segmentOf("ABBBB...CC\x1b[5m..");
    const declaration = "char a; char b[4]; uint16_t c __attribute__((aligned(8)))";
    const args = ["dump", `id:${segment.id}`, "--struct", declaration];
    const plain = (await runHere(...args)).stdout;
    await using coloured = cliInShellOnTerminal(folder, 'unset NO_COLOR; exec "$@"', ...args);
    const ended = await coloured.ended();
    assert.equal(ended.code, 0);
    const text = appeared(ended).join("\n");
    // Nothing but colours, and without them the same
    // deno-lint-ignore no-control-regex
    assert.equal(text.replaceAll(/\x1b\[[0-9]+m/g, ""), plain);
    const [cyan, yellow, green, end] = ["\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[39m"];
    assert(text.includes(`\n${cyan}00000000    1 char     a    'A'${end}\n`), text);
    assert(text.includes(`\n${yellow}00000001    4 char[4]  b    "BBBB" (no NUL)${end}\n`), text);
    assert(text.includes(`\n${green}00000008    2 uint16_t c    17219${end}\n`), text);
    const bytes =
      `${cyan}41${end} ${yellow}42 42 42 42${end} 2e 2e 2e  ${green}43 43${end} 1b 5b 35`;
    assert(text.includes(bytes), text);
    assert(text.includes(`|${cyan}A${end}${yellow}BBBB${end}...${green}CC${end}`), text);
  },
);

testWith(ON_TERMINAL, "dump on a terminal: nothing in a segment controls it", async () => {
  using folder = new TestFolder();
  const hostile = new Uint8Array(256).map((_, i) => i);
  using segment = segmentOf(
    new Uint8Array([...hostile, ...new TextEncoder().encode("\x9b2J\u202e")]),
  );
  const declaration = "char c; bool b; char text[2][60]; char rest[100]; char end[24]";
  const fields = ["--struct", declaration];
  for (const options of [[], [...fields, "--full"], [...fields, "--json"]]) {
    await using peer = cliOnTerminal(folder, "dump", `id:${segment.id}`, ...options);
    const ended = await peer.ended();
    assert.equal(ended.code, 0);
    for (const line of appeared(ended)) assert.match(line, /^[^\p{Cc}\p{Cf}]*$/u);
  }
});

testWith(PERL, "dump: a segment that another process writes to is shown", async () => {
  using segment = segmentOf(new Uint8Array(2 ** 16));
  await using writer = Peer.start("perl", [
    "-e",
    `$| = 1; print "writing\\n";
    for (my $i = 0; ; $i++) { shmwrite(${segment.id}, chr($i % 256) x 65536, 0, 65536) or exit }`,
  ]);
  assert.equal(await writer.line(), "writing");
  const shown = await dump(`id:${segment.id}`, "-v");
  assert.match(
    shown,
    /^([0-9a-f]{8}( {1,2}[0-9a-f]{2}){16} {2}\|[ -~]{16}\|\n){4096}00010000\n$/,
  );
});
