/** The options of `send` and `recv`: what they ask of a channel, and one clear line for all else. */

import assert from "node:assert/strict";
import { CHANNEL_KEY, CHANNEL_OPTIONS, channelSettings } from "../../src/cli/message_options.ts";
import type { ChannelOptions } from "../../src/channel/channel_options.ts";
import { choiceOption, parse, wholeOption } from "../../src/cli/usage.ts";
import { random } from "./command_line.ts";
import { UsageError } from "../../src/cli/errors.ts";

function opening(...args: readonly string[]): ChannelOptions {
  return channelSettings(parse(args, CHANNEL_OPTIONS).options).open;
}

const USUAL = { key: CHANNEL_KEY, persistent: false, trust: false };

Deno.test("channelSettings: an option that is not given is left out", () => {
  assert.deepEqual(opening(), USUAL);
  assert.deepEqual(
    opening("-k0xcafe", "--lanes=256", "--capacity=64", "--mode=660", "--keep", "--trust"),
    { key: 0xcafe, lanes: 256, laneCapacity: 64, mode: 0o660, persistent: true, trust: true },
  );
  assert.deepEqual(opening("--capacity", "1GiB"), { ...USUAL, laneCapacity: 2 ** 30 });
  assert.deepEqual(opening("--capacity=0x10000"), { ...USUAL, laneCapacity: 65536 });
});

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ["--lanes=0", /^option --lanes: "0" is not a whole number of at least 1$/],
  ["--lanes=257", /^option --lanes: at most 256$/],
  ["--lanes=1.5", /^option --lanes: "1.5" is not a whole number/],
  ["--capacity=32", /^option --capacity: 32 is not a power of two from 64 to 1G$/],
  ["--capacity=100K", /^option --capacity: 100K is not a power of two/],
  ["--capacity=1MB", /^option --capacity: 1MB is not a power of two/],
  ["--capacity=2G", /^option --capacity: 2G is not a power of two/],
  ["--capacity=0", /^option --capacity: 0 is not a power of two/],
  ["--capacity=x", /^option --capacity: "x" is not a size such as/],
  ["--key=0", /^option --key: key 0 is IPC_PRIVATE/],
];

Deno.test("channelSettings: invalid values are usage errors", () => {
  for (const [arg, message] of REFUSED) {
    assert.throws(() => opening(arg), (error) => {
      assert(error instanceof UsageError);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("channelSettings: 10 000 random texts are values or usage errors", () => {
  const pick = random(31);
  const letters = "0123456789xXKMGiB.-+e \0\n\x1b\u202e€";
  const readers: readonly ((text: string) => unknown)[] = [
    (text) => opening(`--lanes=${text}`).lanes,
    (text) => opening(`--capacity=${text}`).laneCapacity,
    (text) => wholeOption("tag", text, 0, 0xffffffff),
    (text) => choiceOption("ack", text, ["after", "before"]),
  ];
  let values = 0;
  for (let round = 0; round < 10_000; round++) {
    const text = Array.from({ length: pick(6) }, () => letters[pick(letters.length)]).join("");
    for (const [i, read] of readers.entries()) {
      try {
        const value = read(text);
        values++;
        if (i === 0) assert(Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 256);
        if (i === 1) assert(Number.isInteger(Math.log2(Number(value))), text);
        if (i === 2) assert(Number.isInteger(value) && Number(value) >= 0);
        assert.notEqual(i, 3, text);
      } catch (error) {
        assert(error instanceof UsageError, `${JSON.stringify(text)} gave ${error}`);
      }
    }
  }
  assert(values > 100);
  assert.equal(choiceOption("ack", "before", ["after", "before"]), "before");
  assert.throws(() => choiceOption("ack", "never", ["after", "before"]), {
    message: 'option --ack: "never" is none of after, before',
  });
});
