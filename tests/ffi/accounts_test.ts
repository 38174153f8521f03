/** Names and ids of users and groups: libc's answers beside getent's. */

import assert from "node:assert/strict";
import { accountId, type AccountKind, accountName } from "../../ffi/accounts.ts";
import { testWith } from "../support/needs.ts";

const DATABASE: Readonly<Record<AccountKind, string>> = { user: "passwd", group: "group" };

for (const kind of ["user", "group"] as const) {
  testWith(
    { tools: ["getent"] },
    `accountName, accountId: every ${kind} has the name and number of getent`,
    () => {
      const { stdout } = new Deno.Command("getent", { args: [DATABASE[kind]] }).outputSync();
      const lines = new TextDecoder().decode(stdout).trim().split("\n");
      assert(lines.length > 3);
      const seen = new Set<number>();
      for (const line of lines) {
        const [name, , number] = line.split(":");
        assert.equal(accountId(kind, name!), Number(number));
        // Two names may share a number; the first is the one it is called by
        if (!seen.has(Number(number))) assert.equal(accountName(kind, Number(number)), name);
        seen.add(Number(number));
      }
    },
  );

  Deno.test(`accountName, accountId: an unknown ${kind} has no name and no number`, () => {
    assert.equal(accountName(kind, 0xfffffff0), undefined);
    for (const name of ["", "no such account", "ro\0ot", "x".repeat(100_000)]) {
      assert.equal(accountId(kind, name), undefined);
    }
  });
}
