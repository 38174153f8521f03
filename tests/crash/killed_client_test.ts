/**
 * Clients killed or stopped while they hold the sender's turn: the kernel takes the turn back, the
 * others go on, and a message that was in the slot is still there.
 */

import assert from "node:assert/strict";
import { destroy, messageThere, semaphore, stop, until, waitersFor } from "../interop/observe.ts";
import {
  assertEnds,
  assertNothingAt,
  LANGUAGES,
  listening,
  NEEDS as NEEDS_PROGRAMS,
  PAIRINGS,
  Programs,
  received,
  waitingAlone,
} from "../interop/programs.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();
const programs = new Programs();
const NEEDS = { ...NEEDS_PROGRAMS, tools: [...NEEDS_PROGRAMS.tools, "ps"] };

for (const [otherIn, deadIn] of PAIRINGS) {
  for (const stoppedFirst of [false, true]) {
    const killed = `${deadIn} client ${stoppedFirst ? "stopped, then " : ""}killed`;

    testWith(
      NEEDS,
      `MailboxClient: ${killed} while its message waits: a ${otherIn} client continues`,
      async () => {
        const key = freshKey();
        await using dead = programs.client(deadIn, key, "last words");
        await waitingAlone(dead);
        await using other = programs.client(otherIn, key, "life goes on");
        await waitingAlone(other);
        assert.equal(semaphore(key, "SENDER"), 2, "the message is its own");
        if (stoppedFirst) await stop(dead);
        await destroy(dead);
        await using server = programs.server(otherIn, key, "--count", "2");
        await assertEnds(other, 0);
        assert.equal(await assertEnds(server, 0), received(["last words", "life goes on"]));
        assertNothingAt(key);
      },
    );

    testWith(
      NEEDS,
      `MailboxClient: ${killed} while it waits for its turn: a ${otherIn} client continues`,
      async () => {
        const key = freshKey();
        await using first = programs.client(otherIn, key, "--no-wait", "first");
        await assertEnds(first, 0);
        await using dead = programs.client(deadIn, key, "never in the slot");
        await waitingAlone(dead);
        await using other = programs.client(otherIn, key, "life goes on");
        await waitingAlone(other);
        assert.equal(semaphore(key, "SENDER"), 1, "it has its turn and waits for the slot");
        if (stoppedFirst) await stop(dead);
        await destroy(dead);
        await using server = programs.server(otherIn, key, "--count", "2");
        await assertEnds(other, 0);
        assert.equal(await assertEnds(server, 0), received(["first", "life goes on"]));
        assertNothingAt(key);
      },
    );
  }
}

for (const language of LANGUAGES) {
  testWith(
    NEEDS,
    `MailboxClient: a dead ${language} client holds nothing when it is reaped`,
    async () => {
      const key = freshKey();
      await using dead = programs.client(language, key, "last words");
      await waitingAlone(dead);
      await destroy(dead);
      const names = ["LOCK", "USERS", "SERVER", "SENDER", "IN_FLIGHT"] as const;
      assert.deepEqual(names.map((name) => semaphore(key, name)), [0, 0, 0, 0, 0]);
      await using server = programs.server(language, key, "--count", "1");
      assert.equal(await assertEnds(server, 0), received(["last words"]));
      assertNothingAt(key);
    },
  );

  testWith(
    NEEDS,
    `MailboxClient: a stopped ${language} client delays the others only while it is stopped`,
    async () => {
      const key = freshKey();
      await using stopped = programs.client(language, key, "from the stopped one");
      await waitingAlone(stopped);
      await stop(stopped);
      await using server = programs.server(language, key, "--count", "2");
      await server.stdout(/from the stopped one\n/);
      await until("it was taken", () => !messageThere(key));

      // Its turn is not over before it has seen that. Some have the patience to wait for it, some not
      await using hasty = programs.client(language, key, "--timeout", "0.05", "never sent");
      await assertEnds(hasty, 1);
      await using patient = programs.client(language, key, "from the patient one");
      await until("it waits for its turn", () => waitersFor(key, "SENDER") === 1);
      assert.equal(semaphore(key, "SENDER"), 2);

      stopped.kill("SIGCONT");
      await assertEnds(stopped, 0);
      await assertEnds(patient, 0);
      const expected = received(["from the stopped one", "from the patient one"]);
      assert.equal(await assertEnds(server, 0), expected);
      assertNothingAt(key);
    },
  );

  testWith(
    NEEDS,
    `MailboxClient: a message withdrawn from a stopped ${language} server is never printed`,
    async () => {
      const key = freshKey();
      await using server = programs.server(language, key, "--count", "1");
      await listening(server);
      await stop(server);
      await using hasty = programs.client(language, key, "--timeout", "0.05", "withdrawn");
      await assertEnds(hasty, 1);
      await using patient = programs.client("C++", key, "meant");
      await until("its message is in the slot", () => messageThere(key));
      server.kill("SIGCONT");
      await assertEnds(patient, 0);
      assert.equal(await assertEnds(server, 0), received(["meant"]));
      assertNothingAt(key);
    },
  );
}
