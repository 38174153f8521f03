/** What the commands make of a mailbox, channel or topic that cannot be joined, or not removed. */

import assert from "node:assert/strict";
import { Channel, MailboxServer, SemaphoreSet } from "../../mod.ts";
import { SEMAPHORE } from "../../src/mailbox/descriptor.ts";
import { Topic } from "../../src/topic/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";

guardAgainstLeaks();

const COMMANDS = {
  mailbox: [["client", "x"], ["server"]],
  channel: [["send", "x"], ["recv"]],
  topic: [["sub"]],
};

for (const [what, commands] of Object.entries(COMMANDS)) {
  const names = commands.map(([name]) => name).join(", ");
  testWith(
    { tools: ["deno"] },
    `${names} --timeout: waits so long for the entry lock`,
    async () => {
      const key = freshKey();
      const lanes = 1;
      using _member = what === "mailbox"
        ? MailboxServer.open({ key })
        : (what === "channel" ? Channel : Topic).openOrCreate({ key, lanes, laneCapacity: 4096 });
      const set = SemaphoreSet.open(key);
      // Of objects with a header it is the third last
      const lock = what === "mailbox" ? SEMAPHORE.LOCK : set.count - 3;
      set.setValue(lock, 1);
      try {
        await Promise.all(commands.map(async ([name, ...words]) => {
          const ended: string[] = [];
          await using usual = Peer.cli(name!, "--key", String(key), ...words);
          await using hasty = Peer.cli(name!, "--key", String(key), "--timeout", "1ms", ...words);
          await Promise.all(
            Object.entries({ usual, hasty }).map(async ([which, peer]) => {
              const { code, stderr } = await peer.ended();
              assert.match(stderr, /ETIMEDOUT.*has been joining or leaving for too long/);
              assert.equal(code, 1);
              ended.push(which);
            }),
          );
          assert.deepEqual(ended, ["hasty", "usual"]);
        }));
      } finally {
        set.setValue(lock, 0);
      }
    },
  );
}
