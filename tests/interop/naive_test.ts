/**
 * The classic C++ programs, with their faults, as peers of ours: they take no lock, wake no process,
 * reset the flag when they start, and never end.
 */

import assert from "node:assert/strict";
import { Segment } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";
import {
  assertEnds,
  assertNothingAt,
  LANGUAGES,
  listening,
  NEEDS,
  Programs,
  received,
} from "./programs.ts";

guardAgainstLeaks();
const programs = new Programs();

/** What the classic programs leave, in either order. Ours leave it to processes that are attached. */
function removeLeftovers(key: number): void {
  using segment = Segment.open(key);
  assert.equal(segment.stat().nattch, 1, "only this test is attached by now");
  segment.remove();
}

for (const language of LANGUAGES) {
  testWith(NEEDS, `naive_client.cpp to a ${language} server: one line a message`, async () => {
    const key = freshKey();
    const lines = ["one", "", "grüße 水", "x".repeat(2046)];
    {
      await using server = programs.server(language, key, "--count", `${lines.length}`);
      await listening(server);
      await using naive = programs.naive("client", key);
      // Its newline counts: 2046 bytes and that are all it can send in one piece
      await naive.write(lines.map((line) => line + "\n").join(""));
      assert.equal(await assertEnds(server, 0), received(lines));
    }
    removeLeftovers(key);
    assertNothingAt(key);
  });

  testWith(
    NEEDS,
    `naive_server.cpp of a ${language} client: each message is printed once`,
    async () => {
      const key = freshKey();
      const lines = ["one", "grüße 水"];
      {
        await using naive = programs.naive("server", key);
        await naive.stdout(/Sleep 1s\./);
        await using client = programs.client(language, key, ...lines);
        await assertEnds(client, 0);
        await naive.stdout(/grüße 水\n/);
        assert.equal(naive.printed.stdout.replaceAll(/^Entry can not .*\n/gm, ""), received(lines));
        assert.doesNotMatch(client.printed.stderr, /no server/, "it is attached, so it is seen");
      }
      removeLeftovers(key);
      assertNothingAt(key);
    },
  );
}

testWith(NEEDS, "naive_client.cpp to naive_server.cpp: they have the classic faults", async () => {
  const key = freshKey();
  {
    await using server = programs.naive("server", key);
    await server.stdout(/Sleep 1s\./);
    await using client = programs.naive("client", key);
    await client.stdout(/Input message>>> /);
    await client.write("hello\n");
    await server.stdout(/^Received message: hello\n\n/m);
  }
  removeLeftovers(key);
});
