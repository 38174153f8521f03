/**
 * Many short-lived servers and clients that arrive while others leave, and with that create, find and
 * remove the segment and the semaphores all the time: each gets its one message through, exactly once.
 * And the same without messages and without end, so that arriving meets leaving at every step of it.
 */

import assert from "node:assert/strict";
import { destroy } from "../interop/observe.ts";
import {
  assertEnds,
  assertNothingAt,
  type Language,
  NEEDS,
  Programs,
  received,
} from "../interop/programs.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, PROJECT, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();
const programs = new Programs();

const MESSAGES = 120;
/** Of both roles, how many at a time. */
const AT_ONCE = 3;

/** Every tenth is a TypeScript program: they take long to start, and the races should be many. */
function languageOf(n: number): Language {
  return n % 10 === 0 ? "TypeScript" : "C++";
}

testWith(
  NEEDS,
  `MailboxServer and MailboxClient: ${MESSAGES} of one message each come and go`,
  async () => {
    const key = freshKey();
    const printed: string[] = [];
    await using peers = new AsyncDisposableStack();

    /** Does `work` for all numbers, so many at once. */
    async function all(work: (n: number) => Promise<void>): Promise<void> {
      let next = 0;
      await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        while (next < MESSAGES) await work(next++);
      }));
    }
    const ended = async (peer: Peer): Promise<number> => {
      const { code, signal, stdout, stderr } = await peers.use(peer).ended();
      assert.equal(signal, null, stderr);
      if (code === 0) printed.push(...stdout.split("\n").slice(0, -1));
      else assert.match(stderr, /is its server|has a server already/);
      return code;
    };

    const clients = all(async (n) => {
      assert.equal(await ended(programs.client(languageOf(n), key, `message ${n}`)), 0);
    });
    const servers = all(async (n) => {
      // Another server may have the role: try again until it is ours
      while (await ended(programs.server(languageOf(n + 5), key, "--count", "1")) !== 0);
    });
    await Promise.all([clients, servers]);

    const expected = Array.from({ length: MESSAGES }, (_, n) => `Received message: message ${n}`);
    assert.deepEqual(printed.sort(), expected.sort());
    assertNothingAt(key);
  },
);

const TIMES = 1500;

const TYPESCRIPT = (key: number, times = TIMES): string => `
  import { MailboxClient, MailboxServer } from "@sysv/shm";
  for (let i = 0; i < ${times}; i++) {
    MailboxClient.open({ key: ${key} }).close();
    try {
      MailboxServer.open({ key: ${key} }).close();
    } catch (error) {
      if (error.code !== "EBUSY") throw error;
    }
  }
`;

/** Until SIGTERM: it is a hundred times faster. */
const CPP = (key: number): string => `
  #include "common.h"
  static volatile sig_atomic_t over = 0;
  int main() {
    signal(SIGTERM, [](int) { over = 1; });
    const ShmMailboxOptions options = {${key}, 0600, false, false};
    for (unsigned i = 0; !over; i++) {
      ShmMailbox box;
      ShmMailboxStatus status = shm_mailbox_join(&box, &options, nullptr);
      if (status == SHM_MAILBOX_OK && i % 2 == 0) status = shm_mailbox_acquire_server(&box);
      if (status != SHM_MAILBOX_OK && status != SHM_MAILBOX_BUSY) {
        char line[768];
        shm_describe(&box.error, line, sizeof line);
        fprintf(stderr, "%s\\n", line);
        return 1;
      }
      shm_mailbox_leave(&box);
    }
  }
`;

testWith(
  NEEDS,
  `MailboxClient: two TypeScript programs join and leave ${TIMES} times among C++ ones`,
  async () => {
    const key = freshKey();
    using folder = new TestFolder();
    const loop = compileLoop(folder, key);
    await using peers = new AsyncDisposableStack();
    const fast = [1, 2, 3, 4].map(() => peers.use(Peer.start(loop)));
    const slow = [1, 2].map(() => peers.use(Peer.typescript(TYPESCRIPT(key))));
    await Promise.all(slow.map((peer) => assertEnds(peer, 0)));
    for (const peer of fast) {
      peer.kill("SIGTERM");
      await assertEnds(peer, 0);
    }
    assertNothingAt(key);
  },
);

testWith(
  NEEDS,
  "common.h: a peer killed at any step of joining or leaving stops no other",
  async () => {
    const key = freshKey();
    using folder = new TestFolder();
    const loop = compileLoop(folder, key);
    await using peers = new AsyncDisposableStack();
    const survivors = [1, 2].map(() => peers.use(Peer.typescript(TYPESCRIPT(key))));
    let surviving = true;
    /** Starts one program after the other and kills each at a random moment. */
    const killAll = async (start: () => Peer, withinMs: number): Promise<void> => {
      while (surviving) {
        await using victim = start();
        await new Promise((resolve) => setTimeout(resolve, Math.random() * withinMs));
        await destroy(victim);
      }
    };
    const kills = Promise.all([
      killAll(() => Peer.start(loop), 10),
      killAll(() => Peer.start(loop), 10),
      killAll(() => Peer.typescript(TYPESCRIPT(key, 1e9)), 400),
    ]);
    try {
      await Promise.all(survivors.map((peer) => assertEnds(peer, 0)));
    } finally {
      surviving = false;
      await kills;
    }
    await using server = programs.server("TypeScript", key, "--count", "1");
    await using client = programs.client("C++", key, "fresh");
    await assertEnds(client, 0);
    assert.equal(await assertEnds(server, 0), received(["fresh"]));
    assertNothingAt(key);
  },
);

function compileLoop(folder: TestFolder, key: number): string {
  const source = folder.file("loop.cpp", CPP(key));
  return folder.compile("g++", "loop", ["-O2", `-I${PROJECT}c`, source]);
}
