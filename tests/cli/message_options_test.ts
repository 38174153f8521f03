/** The options of `send` and `recv`: what they ask of a channel, and one clear line for all else. */

import assert from "node:assert/strict";
import { CHANNEL_KEY, CHANNEL_OPTIONS, channelSettings } from "../../src/cli/message_options.ts";
import type { ChannelOptions } from "../../src/channel/channel_options.ts";
import { parse } from "../../src/cli/usage.ts";

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
