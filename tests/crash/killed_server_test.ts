/**
 * Servers killed at the worst moments: what they had not printed is there for the next one, which can
 * take the role at once, and clients that waited meanwhile get through.
 */

import assert from "node:assert/strict";
import { destroy, messageThere, semaphore, stop, until } from "../interop/observe.ts";
import {
  assertEnds,
  assertNothingAt,
  LANGUAGES,
  listening,
  NEEDS as NEEDS_PROGRAMS,
  PAIRINGS,
  Programs,
  received,
} from "../interop/programs.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();
const programs = new Programs();
const NEEDS = { ...NEEDS_PROGRAMS, tools: [...NEEDS_PROGRAMS.tools, "ps", "sh", "dd"] };

for (const [deadIn, nextIn] of PAIRINGS) {
  testWith(
    NEEDS,
    `MailboxServer: a ${deadIn} server is killed with a message unread: the next, in ${nextIn}, prints it`,
    async () => {
      const key = freshKey();
      await using dead = programs.server(deadIn, key);
      await listening(dead);
      // Stopped, it reads nothing, and the client's message stays in the slot
      await stop(dead);
      await using client = programs.client(nextIn, key, "unread", "and one more");
      await until("the message is in the slot", () => messageThere(key));
      await destroy(dead);
      await using next = programs.server(nextIn, key, "--count", "2");
      await assertEnds(client, 0);
      assert.equal(await assertEnds(next, 0), received(["unread", "and one more"]));
      assert.equal(dead.printed.stdout, "");
      assertNothingAt(key);
    },
  );

  testWith(
    NEEDS,
    `MailboxServer: a ${deadIn} server is killed with a message in flight: the next, in ${nextIn}, prints it`,
    async () => {
      const key = freshKey();
      // Its output is a full pipe that no process reads, so it can never finish the message in flight
      const fillPipe = 'dd if=/dev/zero bs=65536 count=1 2>/dev/null && exec "$@"';
      const dead = new Deno.Command("sh", {
        args: ["-c", fillPipe, "sh", ...programs.command(deadIn, "server"), "--key", `${key}`],
        stdin: "null",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      using cleanup = new DisposableStack();
      cleanup.defer(() => dead.kill("SIGKILL"));
      await using client = programs.client(nextIn, key, "in hand");
      await until("it has the message in hand", () => semaphore(key, "IN_FLIGHT") === 1);
      cleanup.dispose();
      // Only now may anybody read: with room in the pipe its last act could be to print
      assert.equal((await dead.status).signal, "SIGKILL");
      assert.equal(semaphore(key, "IN_FLIGHT"), 0, "the kernel has taken it out of its hand");
      const printed = new Uint8Array(await new Response(dead.stdout).arrayBuffer());
      assert.deepEqual(printed, new Uint8Array(65536));

      await using next = programs.server(nextIn, key, "--count", "1");
      await assertEnds(client, 0);
      assert.equal(await assertEnds(next, 0), received(["in hand"]));
      assertNothingAt(key);
    },
  );

  testWith(
    NEEDS,
    `MailboxServer: a second server, ${nextIn} beside ${deadIn}, is told the process of the first`,
    async () => {
      const key = freshKey();
      await using first = programs.server(deadIn, key, "--count", "1");
      await listening(first);
      await using second = programs.server(nextIn, key);
      await assertEnds(second, 1);
      assert.match(second.printed.stderr, new RegExp(`\\bprocess ${first.pid}\\b`));
      await using client = programs.client(nextIn, key, "undisturbed");
      await assertEnds(client, 0);
      assert.equal(await assertEnds(first, 0), received(["undisturbed"]));
      assertNothingAt(key);
    },
  );
}

for (const language of LANGUAGES) {
  testWith(
    NEEDS,
    `MailboxServer: the role of a killed ${language} server is free when it is reaped`,
    async () => {
      const key = freshKey();
      await using dead = programs.server(language, key);
      await listening(dead);
      assert.equal(semaphore(key, "SERVER"), 1);
      await destroy(dead);
      assert.deepEqual([semaphore(key, "SERVER"), semaphore(key, "USERS")], [0, 0]);
      // Not refused: there is no time in which the dead still counts as the server
      await using next = programs.server(language, key, "--count", "1");
      await listening(next);
      await using client = programs.client(language, key, "hello");
      await assertEnds(client, 0);
      assert.equal(await assertEnds(next, 0), received(["hello"]));
      assertNothingAt(key);
    },
  );
}
