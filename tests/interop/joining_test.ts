/**
 * C peers that join and leave: whatever call fails, and at whatever call a peer is killed, another peer
 * goes on, in C and in TypeScript; and what stands at the key and is something else is left as it was.
 */

import assert from "node:assert/strict";
import {
  Channel,
  MailboxServer,
  removeSegment,
  removeSemaphoreSet,
  Segment,
  SemaphoreSet,
} from "../../mod.ts";
import { findSegment, findSemaphoreSet } from "../../src/sysv/mod.ts";
import { segmentSize } from "../../src/channel/shape.ts";
import { CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { NOBODY } from "../support/other_user.ts";
import { freshKey, Peer, TestFolder } from "../support/peer.ts";
import { destroy } from "./observe.ts";
import { listening, NEEDS as PROGRAMS, Programs, waitingAlone } from "./programs.ts";

guardAgainstLeaks();

const SHAPE = { lanes: 1, laneCapacity: 1024, messageSize: 0 } as const;
const KINDS = ["channel", "mailbox"] as const;
type Kind = typeof KINDS[number];

/**
 * `KIND KEY SECONDS [LANES CAPACITY]`: joins, says so, leaves at the next line of its input (or its end),
 * says what became of it, and lives on until its input ends. 0 as a capacity: opens only.
 */
const SOURCE = `
  #include "common.h"
  #include "shm_channel.h"
  #include <stdlib.h>
  static struct ShmMailbox box;
  static struct ShmChannel channel;
  static void await_line(void) { while (getchar() != '\\n' && !feof(stdin)) continue; }
  int main(int count, char **words) {
    char line[800] = "joined";
    const key_t key = (key_t)strtoul(words[2], NULL, 0);
    const int64_t span = (int64_t)(strtod(words[3], NULL) * 1e9);
    int failed;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(words[1], "mailbox") == 0) {
      struct ShmMailboxOptions options = {key, 0666, false, true};
      struct ShmMailboxWait wait = {shm_now() + span, NULL, NULL, NULL};
      failed = shm_mailbox_join(&box, &options, span == 0 ? NULL : &wait);
      if (failed) shm_describe(&box.error, line, sizeof line);
    } else {
      struct ShmChannelOptions options = shm_channel_options(key);
      struct ShmWait wait = shm_within(span);
      options.lanes = count > 4 ? (uint32_t)atoi(words[4]) : ${SHAPE.lanes};
      options.lane_capacity = count > 5 ? (uint32_t)atoi(words[5]) : ${SHAPE.laneCapacity};
      options.mode = 0666;
      options.trust = true;
      failed = options.lane_capacity == 0
                   ? shm_channel_open(&channel, &options, &wait)
                   : shm_channel_open_or_create(&channel, &options, span == 0 ? NULL : &wait);
      if (failed) shm_describe(&channel.error, line, sizeof line);
    }
    puts(line);
    if (!failed) {
      int fate = 0;
      await_line();
      if (strcmp(words[1], "mailbox") == 0) shm_mailbox_leave(&box);
      else fate = shm_channel_leave(&channel);
      printf("left %d\\n", fate);
    }
    while (getchar() != EOF) continue;
    return 0;
  }`;
const peer = new CProgram(SOURCE);
const impatient = new CProgram(SOURCE, "-DSHM_JOIN_MS=50");
/**
 * Says "held" and waits for a line before it enters a set beside which it found no segment, and at its second
 * and third look for a segment.
 */
const held = new CProgram(`
  #define _GNU_SOURCE
  #include <stdio.h>
  #include <sys/sem.h>
  #include <sys/shm.h>
  static void hold(void) {
    puts("held");
    while (getchar() != '\\n') continue;
  }
  static int held_semop(int set, struct sembuf *operations, size_t count) {
    static int calls = 0;
    if (++calls == 1) hold();
    return semop(set, operations, count);
  }
  static int held_shmget(key_t key, size_t size, int flags) {
    static int calls = 0;
    ++calls;
    if (calls == 2 || calls == 3) hold();
    return shmget(key, size, flags);
  }
  #define semop held_semop
  #define shmget held_shmget
  ${SOURCE}`);

const programs = new Programs();

/** A safety net only: longer than any of our waits. */
const PATIENT = 30;

const NEEDS = { tools: ["gcc"], files: true } as const;
const TRACED = { tools: ["gcc", "strace"], files: true, root: true } as const;

/** The calls that joining and leaving make. */
const CALLS = "shmget,shmat,shmctl,shmdt,semget,semctl,semop,semtimedop";

/** Starts the peer under strace with something injected; its input ends where it is to live no longer. */
function traced(log: string, inject: string, kind: Kind, key: number): Peer {
  const injecting = inject === "" ? [] : ["-e", `inject=${inject}`];
  return peer.startUnder(
    ["strace", "-qq", "-o", log, "-e", `trace=${CALLS}`, ...injecting],
    kind,
    key,
    PATIENT,
  );
}

/** Ends its input when disposed: killing strace does not end what it traces. */
function inputEnds(program: Peer): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => program.endInput().catch(() => {}) };
}

/** Joins and leaves in C, while peers that failed may be there. */
async function goOnInC(kind: Kind, key: number): Promise<void> {
  await using other = peer.start(kind, key, PATIENT);
  await other.endInput();
  const { code, stdout } = await other.ended();
  assert.match(stdout, /^joined\nleft \d\n$/);
  assert.equal(code, 0);
}

/** Joins and leaves in TypeScript; as a server, whose right it is to remove what is there. */
function goOnHere(kind: Kind, key: number): string {
  return kind === "mailbox"
    ? MailboxServer.open({ key }).close()
    : Channel.openOrCreate({ key, ...SHAPE }).close();
}

function objectsAt(key: number): (number | undefined)[] {
  return [findSegment(key), findSemaphoreSet(key)];
}

function removeAll(key: number): void {
  const [segment, set] = objectsAt(key);
  if (segment !== undefined) removeSegment(segment);
  if (set !== undefined) removeSemaphoreSet(set);
}

/** Every call of one membership, by name and number: of the creator, and of a later peer. */
async function callsOf(kind: Kind, key: number): Promise<string[]> {
  using folder = new TestFolder();
  const log = `${folder.path}/calls`;
  {
    await using one = traced(log, "", kind, key);
    await one.endInput();
    assert.match((await one.ended()).stdout, /^joined\nleft \d\n$/);
  }
  const counts = new Map<string, number>();
  return [...Deno.readTextFileSync(log).matchAll(/^(\w+)\(/gm)].map(([, name]) => {
    const n = (counts.get(name!) ?? 0) + 1;
    counts.set(name!, n);
    return `${name}:when=${n}`;
  });
}

for (const kind of KINDS) {
  for (const errno of ["EPERM", "EACCES", "ENOMEM", "ENOSPC", "EIDRM"]) {
    testWith(
      TRACED,
      `shm_membership.h (${kind}): ${errno} at any call of joining and leaving stops no other peer`,
      async () => {
        const key = freshKey();
        for (const call of await callsOf(kind, key)) {
          const [name, when] = call.split(":");
          await using failing = traced("/dev/null", `${name}:error=${errno}:${when}`, kind, key);
          await using _end = inputEnds(failing);
          await failing.write("\n");
          // It joined and left, or it could not join; in each case it lives on
          if (await failing.line() === "joined") await failing.line();
          else {assert.deepEqual(
              objectsAt(key),
              [undefined, undefined],
              `made for nothing: ${call}`,
            );}
          await goOnInC(kind, key);
          await failing.endInput();
          assert.equal((await failing.ended()).code, 0, call);
          goOnHere(kind, key);
          assert.deepEqual(objectsAt(key), [undefined, undefined], `${errno} at ${call}`);
        }
      },
    );
  }

  testWith(
    TRACED,
    `shm_membership.h (${kind}): SIGKILL at any call of joining and leaving stops no other peer`,
    async () => {
      const key = freshKey();
      const kept: string[] = [];
      for (const call of await callsOf(kind, key)) {
        for (const next of ["C", "TypeScript"]) {
          {
            const [name, when] = call.split(":");
            await using dying = traced("/dev/null", `${name}:signal=SIGKILL:${when}`, kind, key);
            await dying.endInput();
            assert.equal((await dying.ended()).signal, "SIGKILL", call);
          }
          if (next === "C") await goOnInC(kind, key);
          if (goOnHere(kind, key) === "kept") kept.push(call);
          if (kept.length > 0) removeAll(key);
          assert.deepEqual(objectsAt(key), [undefined, undefined], `killed at ${call}`);
        }
      }
      // Between DISPOSABLE 0 and the segment's removal: it is kept, as if that had been asked for
      assert.deepEqual(kept.length, kind === "channel" ? 2 : 0, `${kept}`);
      assert(new Set(kept).size <= 1, `${kept}`);
    },
  );

  testWith(
    TRACED,
    `shm_membership.h (${kind}): a failure or kill beside another peer takes nothing from it`,
    async () => {
      const key = freshKey();
      const other = kind === "mailbox"
        ? MailboxServer.open({ key })
        : Channel.openOrCreate({ key, ...SHAPE });
      const calls = await callsOf(kind, key);
      const before = objectsAt(key);
      for (const inject of ["error=EPERM", "error=ENOMEM", "signal=SIGKILL"]) {
        for (const call of calls) {
          const [name, when] = call.split(":");
          await using failing = traced("/dev/null", `${name}:${inject}:${when}`, kind, key);
          await using _end = inputEnds(failing);
          await failing.endInput();
          await failing.ended();
          await goOnInC(kind, key);
          assert.deepEqual(objectsAt(key), before, `${inject} at ${call}`);
        }
      }
      assert.equal(other.close(), "removed");
      assert.deepEqual(objectsAt(key), [undefined, undefined]);
    },
  );

  testWith(
    NEEDS,
    `shm_membership.h (${kind}): a stopped holder of the entry lock is waited for as long as asked`,
    async () => {
      const key = freshKey();
      const keeper = kind === "mailbox"
        ? MailboxServer.open({ key })
        : Channel.openOrCreate({ key, ...SHAPE });
      const set = SemaphoreSet.open(key);
      const lock = kind === "mailbox" ? 0 : SHAPE.lanes + 1;
      await using leaving = peer.start(kind, key, PATIENT);
      assert.equal(await leaving.line(), "joined");
      assert(set.tryOp([{ semaphore: lock, add: 1, undo: true }]));
      for (const late of [peer.start(kind, key, 0.2), impatient.start(kind, key, 0)]) {
        await using _ = late;
        await late.endInput();
        const { stdout } = await late.ended();
        assert.match(
          stdout,
          new RegExp(`process ${Deno.pid} has been joining or leaving for too long`),
        );
      }
      // A peer that was there already leaves, but removes nothing
      await leaving.endInput();
      assert.equal((await leaving.ended()).code, 0);
      assert.equal(set.value(kind === "mailbox" ? 1 : lock + 1), 1);
      set.tryOp([{ semaphore: lock, add: -1, undo: true }]);
      assert.equal(keeper.close(), "removed");
    },
  );

  testWith(
    NEEDS,
    `shm_membership.h (${kind}): the entry lock is released even if the count was reset by hand`,
    async () => {
      const key = freshKey();
      await using leaving = peer.start(kind, key, PATIENT);
      assert.equal(await leaving.line(), "joined");
      const set = SemaphoreSet.open(key);
      set.setValue(kind === "mailbox" ? 1 : SHAPE.lanes + 2, 0);
      await leaving.write("\n");
      await leaving.line();
      assert.equal(set.value(kind === "mailbox" ? 0 : SHAPE.lanes + 1), 0);
      removeAll(key);
    },
  );

  testWith(
    NEEDS,
    `shm_membership.h (${kind}): peers that joined in the meantime and were killed are noticed`,
    async () => {
      const key = freshKey();
      await using joining = held.start(kind, key, PATIENT);
      assert.equal(await joining.line(), "held");
      const set = SemaphoreSet.open(key);
      set.setValue(set.count - 1, 1);
      Segment.create({ key, size: kind === "mailbox" ? 2049 : segmentSize(SHAPE) }).detach();
      for (let looks = 0; looks < 2; looks++) {
        await joining.write("\n");
        assert.equal(await joining.line(), "held");
      }
      await joining.write("\n");
      assert.equal(await joining.line(), "joined");
      await joining.endInput();
      await joining.ended();
      assert.deepEqual([findSegment(key), findSemaphoreSet(key)], [undefined, undefined]);
    },
  );

  testWith(
    NEEDS,
    `shm_membership.h (${kind}): a segment that was created and removed in the meantime is noticed`,
    async () => {
      const key = freshKey();
      await using joining = held.start(kind, key, PATIENT);
      assert.equal(await joining.line(), "held");
      const set = SemaphoreSet.open(key);
      const [lock, disposable] = [kind === "mailbox" ? 0 : SHAPE.lanes + 1, set.count - 1];
      set.setValue(disposable, 1);
      await joining.write("\n");
      assert.equal(await joining.line(), "held");
      // A peer has joined since it looked at the values, which are the same again
      set.tryOp([{ semaphore: lock, add: 1 }, { semaphore: lock, add: -1 }]);
      await joining.write("\n");
      assert.equal(await joining.line(), "held");
      set.setValue(disposable, 0);
      await joining.write("\n");
      assert.equal(await joining.line(), "joined");
      await joining.endInput();
      await joining.ended();
      assert.deepEqual([findSegment(key), findSemaphoreSet(key)], [undefined, undefined]);
    },
  );

  testWith(
    NEEDS,
    `shm_membership.h (${kind}): what was noticed when the time is over is no reason to remove the set`,
    async () => {
      const key = freshKey();
      await using joining = held.start(kind, key, 1e-6);
      assert.equal(await joining.line(), "held");
      const set = SemaphoreSet.open(key);
      const disposable = set.count - 1;
      set.setValue(disposable, 1);
      await joining.write("\n");
      assert.equal(await joining.line(), "held");
      // A peer that has joined since it looked at the values removes what a killed one left
      set.setValue(disposable, 0);
      await joining.write("\n");
      await joining.endInput();
      const { stdout } = await joining.ended();
      assert.match(stdout, /other programs keep removing it/);
      assert.doesNotMatch(stdout, /ipcrm/);
      set.remove();
    },
  );

  testWith(
    NEEDS,
    `shm_membership.h (${kind}): the holder of the entry lock of a set without a segment is named`,
    async () => {
      const key = freshKey();
      const values = kind === "mailbox" ? [1, 1, 0, 0, 0, 0] : [0, 0, 1, 1, 0];
      const set = SemaphoreSet.create({ key, count: values.length, values });
      await using refused = peer.start(kind, key, 0.05);
      await refused.endInput();
      const { stdout } = await refused.ended();
      assert.match(
        stdout,
        /process \d+ has been joining or leaving for too long, .*: is it stopped\?/,
      );
      set.remove();
    },
  );

  testWith(
    NEEDS,
    `shm_membership.h (${kind}): sets without a segment keep their values`,
    async () => {
      const key = freshKey();
      const mine = kind === "mailbox" ? 6 : 5;
      const users = kind === "mailbox" ? 1 : SHAPE.lanes + 2;
      for (
        const [count, says] of [
          [
            mine,
            /semaphore set \d+ has this key and is in use, and there is no segment; the set was not/,
          ],
          [8, /the semaphore set there has 8 semaphores/],
          [300, /the semaphore set there has 300 semaphores/],
        ] as const
      ) {
        using stack = new DisposableStack();
        const set = heldSet(stack, key, count);
        for (const value of [1, 3]) {
          for (let semaphore = 0; semaphore < Math.min(count, 8); semaphore++) {
            const values = Array.from(set.values(), (_, n) => n === semaphore ? value : 0);
            set.setValues(values);
            await using refused = peer.start(kind, key, 0.05);
            await refused.endInput();
            const { stdout } = await refused.ended();
            assert.match(stdout, says);
            // With users, it is in use: then nothing says how to remove it
            const advice = count === mine && semaphore === users && value > 0
              ? "end the programs that use it"
              : `ipcrm -s ${set.id}`;
            assert.match(stdout, new RegExp(`key ${key} .*${advice}`));
            assert.deepEqual([...set.values()], values);
          }
        }
      }
    },
  );

  testWith(
    NEEDS,
    `shm_membership.h (${kind}): a segment of another size keeps the set with the same key`,
    async () => {
      const key = freshKey();
      using stack = new DisposableStack();
      const set = heldSet(stack, key, kind === "mailbox" ? 6 : 5);
      // A peer that enters would wait
      const values = set.values().fill(1);
      set.setValues(values);
      using segment = Segment.create({ key, size: 4096 });
      try {
        await using refused = peer.start(kind, key, 0.05);
        await refused.endInput();
        assert.match((await refused.ended()).stdout, /the segment there has 4096 bytes, which no /);
        assert.deepEqual([objectsAt(key), set.values()], [[segment.id, set.id], values]);
      } finally {
        segment.remove();
      }
    },
  );

  testWith(
    NEEDS,
    `shm_membership.h (${kind}): a set of zeros without a segment is used, and the last peer removes it`,
    async () => {
      const key = freshKey();
      SemaphoreSet.create({ key, count: kind === "mailbox" ? 6 : 5 });
      await goOnInC(kind, key);
      assert.deepEqual(objectsAt(key), [undefined, undefined]);
    },
  );

  testWith(
    { ...NEEDS, root: true, tools: ["gcc", "setpriv"] },
    `shm_membership.h (${kind}): the last peer without permission to remove releases the entry lock`,
    async () => {
      const key = freshKey();
      const owner = kind === "mailbox"
        ? MailboxServer.open({ key, mode: 0o666 })
        : Channel.openOrCreate({ key, ...SHAPE, mode: 0o666 });
      const priv = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
      await using stranger = peer.startUnder(priv, kind, key, PATIENT);
      assert.equal(await stranger.line(), "joined");
      assert.equal(owner.close(), "in use");
      await stranger.write("\n");
      assert.match(await stranger.line(), kind === "mailbox" ? /^left 0$/ : /^left 3$/);
      // It stays, and a peer with the permission removes it
      await goOnInC(kind, key);
      assert.deepEqual(objectsAt(key), [undefined, undefined]);
    },
  );
}

testWith(
  NEEDS,
  "shm_channel.h: what a killed creator left unfinished is completed, or created again",
  async () => {
    for (
      const [lanes, capacity] of [[SHAPE.lanes, SHAPE.laneCapacity], [1, 256], [3, 1024]] as const
    ) {
      const key = freshKey();
      await using creator = Peer.typescript(
        `
      import { Segment, SemaphoreSet } from "@sysv/shm";
      SemaphoreSet.create({ key: ${key}, count: ${SHAPE.lanes + 4} });
      const segment = Segment.create({ key: ${key}, size: ${segmentSize(SHAPE)} });
      segment.write(Uint8Array.of(1, 2, 3), 8);
      console.log("half-made");
      setInterval(() => segment.attached, 1000); // a segment that is not used may be detached
    `,
        "--allow-ffi",
      );
      await creator.line();
      {
        // It is attached, and may be at it
        await using early = peer.start("channel", key, 0.05, lanes, capacity);
        await early.endInput();
        assert.match((await early.ended()).stdout, /it was not initialised in time/);
      }
      await destroy(creator);
      {
        await using opening = peer.start("channel", key, PATIENT, 1, 0);
        await opening.endInput();
        assert.match((await opening.ended()).stdout, /was gone before it had made it a channel/);
      }
      await using next = peer.start("channel", key, PATIENT, lanes, capacity);
      assert.equal(await next.line(), "joined");
      const channel = Channel.open(key);
      assert.deepEqual([channel.lanes, channel.laneCapacity], [lanes, capacity]);
      assert.equal(channel.close(), "in use");
      await next.endInput();
      assert.match((await next.ended()).stdout, /^joined\nleft 4\n$/);
      assert.deepEqual(objectsAt(key), [undefined, undefined]);
    }
  },
);

testWith(
  NEEDS,
  "shm_channel.h: of a channel removed with messages in it, the last peer removes the set",
  async () => {
    const key = freshKey();
    await using last = peer.start("channel", key, PATIENT);
    assert.equal(await last.line(), "joined");
    const channel = Channel.open(key);
    assert(channel.producer().trySend(Uint8Array.of(1)));
    channel.close();
    removeSegment(channel.id);
    await last.endInput();
    assert.equal((await last.ended()).code, 0);
    // No peer could find the message, and a set that stays would refuse every peer
    assert.deepEqual(objectsAt(key), [undefined, undefined]);
  },
);

testWith(
  PROGRAMS,
  "server and client (C++): refused at a channel, they take nothing from it",
  async () => {
    using channel = Channel.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 1024 });
    const objects = objectsAt(channel.key);
    const set = SemaphoreSet.open(channel.key);
    {
      using producer = channel.producer();
      assert(producer.trySend(Uint8Array.of(42)));
    }
    const values = set.values();
    for (const role of ["server", "client"] as const) {
      await using refused = programs[role]("C++", channel.key);
      const { code, stderr } = await refused.ended();
      assert.equal(code, 1);
      assert.match(
        stderr,
        /the segment there has 2816 bytes, which no mailbox with 6 semaphores has/,
      );
    }
    assert.deepEqual([objectsAt(channel.key), set.values()], [objects, values]);
    using consumer = channel.consumer();
    assert.deepEqual(consumer.tryReceive()?.bytes, Uint8Array.of(42));
    consumer.ack();
  },
);

testWith(
  NEEDS,
  "shm_channel.h: an unfinished segment with something in it is no channel and stays",
  async () => {
    const key = freshKey();
    using stack = new DisposableStack();
    heldSet(stack, key, SHAPE.lanes + 4);
    using segment = Segment.create({ key, size: segmentSize(SHAPE) });
    segment.write(Uint8Array.of(1), segment.size - 1);
    const { id } = segment;
    segment.detach();
    try {
      await using next = peer.start("channel", key, 0.05);
      await next.endInput();
      assert.match((await next.ended()).stdout, /it was not initialised in time/);
      assert.equal(findSegment(key), id);
    } finally {
      removeSegment(id);
    }
  },
);

for (const object of ["segment", "semaphore set"] as const) {
  testWith(
    PROGRAMS,
    `server and client (C++): they end when the ${object} is removed`,
    async () => {
      const [key, other] = [freshKey(), freshKey()];
      await using server = programs.server("C++", key);
      await listening(server);
      await using client = programs.client("C++", other, "hello");
      await waitingAlone(client);
      for (const each of [key, other]) {
        const [segment, set] = objectsAt(each);
        if (object === "segment") removeSegment(segment!);
        else removeSemaphoreSet(set!);
      }
      for (const program of [server, client]) {
        const { code, stderr } = await program.ended();
        assert.equal(code, 1);
        assert.match(stderr, /cannot use the mailbox: it was removed while in use, key /);
      }
      for (const each of [key, other]) removeAll(each);
    },
  );
}

/** A set that another program has, until the stack is disposed. */
function heldSet(stack: DisposableStack, key: number, count: number): SemaphoreSet {
  const set = SemaphoreSet.create({ key, count });
  stack.defer(() => set.remove());
  return set;
}
