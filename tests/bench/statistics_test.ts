/** `bench/statistics.ts` */

import assert from "node:assert/strict";
import { apart, median, summarise } from "../../bench/statistics.ts";

Deno.test("statistics: the median is the middle one, or the mean of the two in the middle", () => {
  assert.equal(median([5, 1, 9]), 5);
  assert.equal(median([10, 1, 2, 100]), 6);
  assert.equal(median([3]), 3);
  assert.equal(median([]), NaN);
});

Deno.test("statistics: the median leaves the list as it was", () => {
  const list = [3, 1, 2];
  median(list);
  assert.deepEqual(list, [3, 1, 2]);
});

Deno.test("statistics: a summary has the median and both ends", () => {
  assert.deepEqual(summarise([4, 8, 5]), { median: 5, least: 4, most: 8 });
  assert.deepEqual(summarise([]), { median: NaN, least: NaN, most: NaN });
});

Deno.test("statistics: two lists are apart if all of one lies beyond all of the other", () => {
  assert.equal(apart([1, 2, 3], [4, 5]), true);
  assert.equal(apart([4, 5], [1, 2, 3]), true);
  assert.equal(apart([1, 2, 4], [4, 5]), false);
  assert.equal(apart([1, 9], [4, 5]), false);
  assert.equal(apart([], [1]), false);
});
