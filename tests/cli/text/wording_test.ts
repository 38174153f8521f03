/** Times as text. */

import assert from "node:assert/strict";
import { shortTime } from "../../../src/cli/text/wording.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { Peer, PROJECT } from "../../support/peer.ts";

guardAgainstLeaks();

testWith({ tools: ["deno"] }, "localTime: in the reader's time zone", async () => {
  const program = `
    import { localTime } from "file://${PROJECT}src/cli/text/wording.ts";
    for (const iso of ["2026-01-02T23:04:05Z", "2026-07-31T23:59:09.999Z", null]) {
      console.log(localTime(iso), localTime(iso, false));
    }`;
  const ended = await Peer.start(Deno.execPath(), ["eval", program], { TZ: "Europe/Zurich" })
    .ended();
  assert.equal(
    ended.stdout,
    "2026-01-03 00:04:05 2026-01-03 00:04\n2026-08-01 01:59:09 2026-08-01 01:59\n- -\n",
  );
});

Deno.test("shortTime: 11 characters, with the clock or, long past, the year", () => {
  const iso = new Date(2026, 10, 23, 17, 23, 26).toISOString();
  const after = (days: number): number => Date.parse(iso) + days * 86400e3;
  assert.equal(shortTime(iso, after(0)), "11-23 17:23");
  assert.equal(shortTime(iso, after(180)), "11-23 17:23");
  assert.equal(shortTime(iso, after(190)), "2026-11-23");
  assert.equal(shortTime(iso, after(-400)), "2026-11-23");
  assert.equal(shortTime(null), "-");
});
