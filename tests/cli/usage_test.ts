/** Reading a command line: which words are taken, which refused, and that nothing else can happen. */

import assert from "node:assert/strict";
import { ftok } from "../../mod.ts";
import {
  countOption,
  durationOption,
  keyOption,
  modeOption,
  optionsHelp,
  parse,
} from "../../src/cli/usage.ts";
import { UsageError } from "../../src/cli/errors.ts";

const TABLE = {
  key: { short: "k", value: "KEY", help: "which one" },
  count: { value: "N", help: "how many" },
  quiet: { short: "q", help: "say nothing" },
  verbose: { short: "v", help: "say more" },
} as const;

const READ: readonly (readonly [string[], Record<string, string | true>, string[]])[] = [
  [[], {}, []],
  [["--key", "5"], { key: "5" }, []],
  [["--key=5"], { key: "5" }, []],
  [["-k", "5"], { key: "5" }, []],
  [["-k5"], { key: "5" }, []],
  [["--key", "-5"], { key: "-5" }, []],
  [["--key=-5"], { key: "-5" }, []],
  [["-k", "-5"], { key: "-5" }, []],
  [["--key=--quiet"], { key: "--quiet" }, []],
  [["--key="], { key: "" }, []],
  [["--key=a=b"], { key: "a=b" }, []],
  [["--key", "1", "-k", "2"], { key: "2" }, []],
  [["-q", "--verbose"], { quiet: true, verbose: true }, []],
  [["-qv"], { quiet: true, verbose: true }, []],
  [["-qk", "5"], { quiet: true, key: "5" }, []],
  [["-qk5"], { quiet: true, key: "5" }, []],
  [["a", "-q", "b"], { quiet: true }, ["a", "b"]],
  [["-q", "--", "-v", "--", "--no"], { quiet: true }, ["-v", "--", "--no"]],
  [["-", ""], {}, ["-", ""]],
];

Deno.test("parse: every way of writing an option", () => {
  for (const [args, options, positionals] of READ) {
    const parsed = parse(args, TABLE);
    assert.deepEqual({ ...parsed.options }, options, args.join(" "));
    assert.deepEqual(parsed.positionals, positionals, args.join(" "));
  }
});

const REFUSED: readonly (readonly [string[], RegExp])[] = [
  [["--kye", "5"], /^unknown option --kye$/],
  [["-x"], /^unknown option -x$/],
  [["-1"], /^unknown option -1: write a negative number after --$/],
  [["-qx"], /^unknown option -x$/],
  [["--no-quiet"], /^unknown option --no-quiet$/],
  [["--Key=5"], /^unknown option --Key$/],
  [["--constructor"], /^unknown option --constructor$/],
  [["--__proto__=1"], /^unknown option --__proto__$/],
  [["--key"], /^option --key needs a value: KEY$/],
  [["-k"], /^option -k needs a value: KEY$/],
  [["-qk"], /^option -k needs a value: KEY$/],
  [["--key", "--quiet"], /^option --key needs a value: KEY$/],
  [["--key", "-q"], /^option --key needs a value: KEY$/],
  [["--key", "--", "5"], /^option --key needs a value: KEY$/],
  [["--quiet=yes"], /^option --quiet takes no value$/],
  [["--quiet="], /^option --quiet takes no value$/],
  [["-q-", "-v"], /^unknown option --$/],
  [["-q=1"], /^unknown option -=$/],
];

Deno.test("parse: a mistake is named as it was written", () => {
  for (const [args, message] of REFUSED) {
    assert.throws(() => parse(args, TABLE), { message }, args.join(" "));
    assert.throws(() => parse(args, TABLE), UsageError);
  }
});

/** One kind of value: how it is read, what is taken for what, what is refused. */
interface Kind {
  readonly read: (text: string) => number | undefined;
  readonly option: string;
  readonly taken: Readonly<Record<string, number>>;
  readonly refused: readonly string[];
}

const KINDS: Readonly<Record<string, Kind>> = {
  key: {
    read: keyOption,
    option: "--key",
    taken: {
      "1111": 1111,
      "0x457": 1111,
      "0X457": 1111,
      "02127": 1111,
      "+5": 5,
      "-5": -5,
      "-0x5": -5,
      "0xffffffff": -1,
      "4294967295": -1,
      "-2147483648": -(2 ** 31),
      "/:65": ftok("/", 65),
      "/:A": ftok("/", 65),
      "/:0x41": ftok("/", 65),
    },
    refused: [
      ...["", " 5", "5 ", "abc", "-", "1e3", "1.5", "0x", "08", "1_000", "５", "NaN", "Infinity"],
      ...["0", "-0", "+0", "00", "0x0", "4294967296", "-2147483649", "0x100000000"],
      ...["/:", ":5", "/:0", "/:256", "/:257", "/:-1", "/:AB", "/:é", "/\0:5", "/:4294967296"],
    ],
  },
  mode: {
    read: modeOption,
    option: "--mode",
    taken: { "600": 0o600, "0600": 0o600, "0o600": 0o600, "0660": 0o660, "777": 0o777, "0": 0 },
    refused: ["", "800", "rw", "u+w", "-600", "0x180", "6.6", "1777", "0o", "0o0o7", " 600"],
  },
  count: {
    read: (text) => countOption("count", text),
    option: "--count",
    taken: { "1": 1, "007": 7, "9007199254740991": Number.MAX_SAFE_INTEGER },
    refused: ["", "0", "-1", "+1", "1.5", "1e3", "0x10", "x", "9007199254740992", " 1"],
  },
  duration: {
    read: (text) => durationOption("timeout", text),
    option: "--timeout",
    taken: {
      ...{ "0": 0, "5": 5_000, "5s": 5_000, "1.5s": 1_500, "0.25": 250, "500ms": 500 },
      ...{ "2m": 120_000, "1h": 3_600_000, "1.5h": 5_400_000, "7d": 604_800_000, "007s": 7_000 },
      ...{ "0ms": 0 },
      // What a person is told again must not read 1000.9999999999999 ms
      ...{ "1.001s": 1_001, "4.35s": 4_350, "0.07s": 70 },
    },
    refused: [
      ...["", "s", "-1", "-1s", "+1s", "1.", ".5", "1,5s", "1 s", "5S", "5sec", "1w", "1e3s"],
      ...["0x10", "NaN", "Infinity", "never", "9".repeat(400)],
    ],
  },
};

for (const [name, { read, option, taken, refused }] of Object.entries(KINDS)) {
  Deno.test(`parse, ${name}: what is taken`, () => {
    for (const [text, value] of Object.entries(taken)) assert.equal(read(text), value, text);
  });

  Deno.test(`parse, ${name}: what is refused names the option`, () => {
    for (const text of refused) {
      assert.throws(() => read(text), (error) => {
        assert(error instanceof UsageError, `"${text}" gave ${error}`);
        assert(error.message.startsWith(`option ${option}: `), error.message);
        return true;
      }, `"${text}" was taken`);
    }
  });
}

Deno.test("optionsHelp: one line an option, in columns", () => {
  assert.equal(
    optionsHelp(TABLE),
    [
      "  -k, --key KEY  which one",
      "      --count N  how many",
      "  -q, --quiet    say nothing",
      "  -v, --verbose  say more",
    ].join("\n"),
  );
});
