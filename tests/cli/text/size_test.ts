/** Sizes as people write and read them. */

import assert from "node:assert/strict";
import { formatSize, parseSize } from "../../../src/cli/text/size.ts";

const TAKEN: Readonly<Record<string, number>> = {
  ...{ "0": 0, "4096": 4096, "007": 7, "0x1000": 4096, "0XfF": 255, "5B": 5, "5b": 5 },
  ...{ "64K": 65536, "64k": 65536, "64KiB": 65536, "64kib": 65536, "64KB": 64000, "64kb": 64000 },
  ...{ "2M": 2 ** 21, "2MB": 2e6, "3G": 3 * 2 ** 30, "3GB": 3e9, "1T": 2 ** 40, "1TB": 1e12 },
  ...{ "1P": 2 ** 50, "1PB": 1e15, "1.5K": 1536, "0.5KiB": 512, "1.5KB": 1500, "0.001KB": 1 },
  ...{ "1.000000000M": 2 ** 20, "0x1B": 27, "9007199254740991": Number.MAX_SAFE_INTEGER },
};

const REFUSED = [
  ...["", " ", "K", "-1", "+1", "1 K", " 1", "1\n", "1.5", "1.", ".5K", "1,5K", "1e3", "1_000"],
  ...["0x", "0x10K", "0xg", "1KK", "1Ki", "1KiBB", "1E", "1Z", "５", "NaN", "Infinity", "64 bytes"],
  ...["1.0000000000K"],
];

const TOO_PRECISE = [
  "0.1K",
  "1.0001K",
  "0.0001KB",
  "9007199254740992",
  "8193T",
  "9P",
  "9".repeat(9999),
];

Deno.test("parseSize: what is taken", () => {
  for (const [text, bytes] of Object.entries(TAKEN)) assert.equal(parseSize(text), bytes, text);
});

Deno.test("parseSize: what is refused says what it was and what is meant", () => {
  for (const text of REFUSED) {
    assert.throws(() => parseSize(text), {
      name: "TypeError",
      message: `"${text}" is not a size such as 4096, 0x1000, 64K, 64KiB, 64KB or 1.5M`,
    });
  }
  for (const text of TOO_PRECISE) assert.throws(() => parseSize(text), RangeError, text);
});

const SHOWN: readonly (readonly [number | bigint, string])[] = [
  ...([[0, "0"], [1, "1"], [1023, "1023"], [1024, "1K"], [1536, "1.5K"], [2049, "2K"]] as const),
  ...([[10 * 1024, "10K"], [10_189, "10K"], [1023 * 1024, "1023K"], [2 ** 20, "1M"]] as const),
  ...([[2 ** 53, "8P"], [18446744073692774399n, ">999P"], [999n << 50n, "999P"]] as const),
];

Deno.test("formatSize: what people read is never wider than five characters", () => {
  for (const [bytes, text] of SHOWN) assert.equal(formatSize(bytes), text);
  for (let bytes = 1n; bytes < 1n << 70n; bytes = bytes * 5n / 4n + 1n) {
    assert(formatSize(bytes).length <= 5, `${bytes} is ${formatSize(bytes)}`);
  }
});

Deno.test("formatSize: what it shows is off by a twentieth at most", () => {
  for (let bytes = 1; bytes < 2 ** 49; bytes = Math.ceil(bytes * 1.07)) {
    const shown = parseFloat(formatSize(bytes)) *
      1024 ** " KMGTP".indexOf(formatSize(bytes).match(/[KMGTP]$/)?.[0] ?? " ");
    assert(Math.abs(shown - bytes) <= bytes / 20, `${bytes} is ${formatSize(bytes)}`);
  }
});
