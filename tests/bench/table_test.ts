/** `bench/table.ts` */

import assert from "node:assert/strict";
import { table } from "../../bench/table.ts";

Deno.test("table: the first column is text, the others are figures, and no cell breaks its row", () => {
  assert.equal(
    table(["a", "b"], [["x|y", "1"], ["z", "2\n  3"]]),
    "| a | b |\n| --- | --: |\n| x\\|y | 1 |\n| z | 2 3 |",
  );
});
