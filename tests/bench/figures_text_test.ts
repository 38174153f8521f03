/** `bench/figures_text.ts` */

import assert from "node:assert/strict";
import {
  memoryText,
  numberText,
  rateText,
  ratioText,
  shareText,
  sizeText,
  timeText,
} from "../../bench/figures_text.ts";

Deno.test("figures_text: rates scale by thousands, with three digits", () => {
  assert.equal(rateText(25_340_000), "25.3 M msg/s");
  assert.equal(rateText(999), "999 msg/s");
  assert.equal(rateText(999_600), "1.00 M msg/s");
});

Deno.test("figures_text: times have the unit they are read best in", () => {
  assert.equal(timeText(0.25), "0.250 ns");
  assert.equal(timeText(360), "360 ns");
  assert.equal(timeText(1_180), "1.18 us");
  assert.equal(timeText(6_500_000), "6.50 ms");
  assert.equal(timeText(2e9), "2.00 s");
});

Deno.test("figures_text: numbers too small for three digits keep their size, large ones all their digits", () => {
  assert.equal(numberText(0.0056), "5.6e-3");
  assert.equal(numberText(0), "0.00");
  assert.equal(numberText(123_456), "123456");
});

Deno.test("figures_text: what is not known is a dash, in every unit", () => {
  for (
    const text of [
      rateText,
      timeText,
      numberText,
      ratioText,
      shareText,
      memoryText,
    ]
  ) {
    assert.equal(text(NaN), "-");
  }
  assert.equal(ratioText(Infinity), "-");
});

Deno.test("figures_text: ratios, shares, memory and sizes", () => {
  assert.equal(ratioText(0.55), "0.550x");
  assert.equal(shareText(0.0093), "0.930%");
  assert.equal(memoryText(3 * 2 ** 20), "3.00 MiB");
  assert.deepEqual([8, 1024, 65536, 1 << 24].map(sizeText), ["8 B", "1 KiB", "64 KiB", "16 MiB"]);
});
