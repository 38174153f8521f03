/**
 * A process that stores to `can_read` wakes the one that sleeps, across languages. The other side of a program is played
 * here with waits of ten minutes in place of slices, so that only a wake ends them.
 *
 * A wait that begins after the change is over at once and proves nothing; 300 in a row that all did
 * are what a program that wakes no other would need to get through.
 */

import assert from "node:assert/strict";
import { MailboxClient, MailboxServer, type Segment } from "../../mod.ts";
import { AtomicInt32, changedFrom } from "../../src/sync/atomic_int32.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";
import { assertEnds, assertNothingAt, LANGUAGES, NEEDS, Programs, received } from "./programs.ts";

guardAgainstLeaks();
const programs = new Programs();

const MESSAGES = Array.from({ length: 300 }, (_, i) => `message ${i}`);
const FOREVER_MS = 600_000;
const SAFETY_MS = 30_000;

/** Waits until `look` finds something, and sleeps in between until another process wakes us. */
async function wokenFor<Found>(segment: Segment, look: () => Found | undefined): Promise<Found> {
  const word = new AtomicInt32(segment, 0);
  let abandoned = false;
  const net = setTimeout(() => {
    abandoned = true;
    word.notify();
  }, SAFETY_MS);
  try {
    for (;;) {
      const seen = word.load();
      const found = look();
      if (found !== undefined) return found;
      await changedFrom(word, seen, FOREVER_MS).sleep();
      assert(!abandoned, "no process woke us");
    }
  } finally {
    clearTimeout(net);
  }
}

for (const language of LANGUAGES) {
  testWith(NEEDS, `client: in ${language} it wakes the server that sleeps`, async () => {
    const key = freshKey();
    {
      using server = MailboxServer.open({ key });
      await using client = programs.client(language, key, ...MESSAGES);
      for (const expected of MESSAGES) {
        const message = await wokenFor(server.segment, () => server.tryReceive());
        assert.equal(message.text, expected);
        server.ack();
      }
      await assertEnds(client, 0);
    }
    assertNothingAt(key);
  });

  testWith(NEEDS, `server: in ${language} it wakes the client that sleeps`, async () => {
    const key = freshKey();
    {
      using client = MailboxClient.open({ key });
      await using server = programs.server(language, key, "--count", `${MESSAGES.length}`);
      for (const message of MESSAGES) {
        await wokenFor(client.segment, () => client.trySend(message) || undefined);
      }
      assert.equal(await assertEnds(server, 0), received(MESSAGES));
    }
    assertNothingAt(key);
  });
}
