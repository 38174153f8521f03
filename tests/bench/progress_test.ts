/** `bench/progress.ts` */

import assert from "node:assert/strict";
import { span } from "../../bench/progress.ts";

Deno.test("progress: a span is told in seconds while those are few, then in minutes", () => {
  assert.equal(span(0), "0 s");
  assert.equal(span(1_499), "1 s");
  assert.equal(span(89_000), "89 s");
  assert.equal(span(90_000), "2 min");
  assert.equal(span(600_000), "10 min");
});
