/**
 * Arriving at a channel whose creator died between making the segment and making it a channel: while
 * others wait for it, and without a process that notices its death. And arriving while others leave.
 */

import assert from "node:assert/strict";
import { Channel, SemaphoreSet, statSegment } from "../../mod.ts";
import { findSegment } from "../../src/sysv/mod.ts";
import { segmentSize } from "../../src/channel/shape.ts";
import { cPeer } from "../channel/peer_messages.ts";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, PROJECT } from "../support/peer.ts";
import { GEOMETRY } from "../../src/channel/lanes.ts";

guardAgainstLeaks();

const SHAPE = { lanes: 2, laneCapacity: 256, messageSize: 0 } as const;
const NEEDS = { ...C_NEEDS, tools: ["gcc", "deno"] };
const cReceiver = cPeer();

/** Makes set and segment of a channel and no more; with "zombie" its child does, who is not reaped. */
const creator = new CProgram(`
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/sem.h>
  #include <sys/shm.h>
  #include <sys/wait.h>
  #include <unistd.h>

  int main(int count, char **words) {
    const key_t key = (key_t)atol(words[1]);
    const int zombie = count > 4 && strcmp(words[4], "zombie") == 0;
    const pid_t child = zombie ? fork() : 0;
    siginfo_t how;
    if (child == 0) {
      const int segment = shmget(key, (size_t)atol(words[3]), IPC_CREAT | 0600);
      if (semget(key, atoi(words[2]), IPC_CREAT | 0600) == -1) return 1;
      if (segment == -1 || shmat(segment, NULL, 0) == (void *)-1) return 1;
      if (zombie) _exit(0);
    } else {
      waitid(P_PID, (id_t)child, &how, WEXITED | WNOWAIT);
    }
    puts("created");
    fflush(stdout);
    for (;;) pause();
  }
`);

/** Creates what is no channel yet. */
async function create(key: number, ...flags: readonly string[]): Promise<Peer> {
  const peer = creator.start(
    key,
    GEOMETRY.semaphoreCount(SHAPE.lanes),
    segmentSize(SHAPE),
    ...flags,
  );
  assert.equal(await peer.line(), "created");
  return peer;
}

/** A consumer that makes the channel itself if need be, says "ready" and stays. */
const RECEIVERS: Readonly<Record<string, (key: number) => Peer>> = {
  C: (key) => cReceiver.start("recv", key, 0, "--lanes", 2, "--capacity", 256),
  TypeScript: (key) =>
    Peer.typescript(
      `import { Channel } from "@sysv/shm";
      Channel.openOrCreate({ key: ${key}, lanes: 2, laneCapacity: 256 }).consumer();
      console.log("ready");
      setInterval(() => {}, 1000);`,
      "--allow-ffi",
    ),
};

/** The channel is one now; leaves it and, as the last one, removes it. */
async function checkChannel(key: number, receiver: Peer): Promise<void> {
  assert.match(await receiver.line(), /^ready/);
  receiver.kill("SIGKILL");
  await receiver.ended();
  const channel = Channel.open(key);
  assert.deepEqual([channel.lanes, channel.laneCapacity], [2, 256]);
  assert.equal(channel.close(), "removed");
}

for (const [language, start] of Object.entries(RECEIVERS)) {
  testWith(
    NEEDS,
    `Channel.openOrCreate (${language}): a creator that dies while a peer waits for it is replaced`,
    async () => {
      const key = freshKey();
      await using dying = await create(key);
      await using receiver = start(key);
      // It has attached; a moment later it has seen that the creator lives, and waits
      while (statSegment(findSegment(key)!).nattch < 2) await moment();
      await moment(50);
      dying.kill("SIGKILL");
      await dying.ended();
      await checkChannel(key, receiver);
    },
  );

  testWith(
    NEEDS,
    `Channel.openOrCreate (${language}): a dead creator that was not reaped is replaced`,
    async () => {
      const key = freshKey();
      await using _parent = await create(key, "zombie");
      await using receiver = start(key);
      await checkChannel(key, receiver);
    },
  );
}

/** Arrives and leaves so many times, or until SIGTERM, at times resting at a system call. */
const comingAndGoing = new CProgram(
  `
  #include "linger.h"
  #include <stdlib.h>

  static volatile sig_atomic_t stopped = 0;
  static void stop(int number) { (void)number; stopped = 1; }

  int main(int count, char **words) {
    (void)count;
    struct ShmChannelOptions options = shm_channel_options((key_t)atol(words[1]));
    const long most = atol(words[2]);
    options.lanes = 1;
    options.lane_capacity = 64;
    signal(SIGTERM, stop);
    lingering.random.state = (uint64_t)getpid();
    lingering.one_in = 4;
    for (long i = 0; (most == 0 || i < most) && !stopped; i++) {
      struct ShmChannel channel;
      if (shm_channel_open_or_create(&channel, &options, NULL) != SHM_OK) {
        char line[800];
        shm_describe(&channel.error, line, sizeof line);
        fprintf(stderr, "%s\\n", line);
        return 1;
      }
      shm_channel_leave(&channel);
    }
    return 0;
  }
`,
  `-I${PROJECT}tests/crash`,
);

testWith(
  C_NEEDS,
  "shm_channel.h: peers that come and go never take a channel for another object",
  async () => {
    const key = freshKey();
    await using peers = new AsyncDisposableStack();
    const counting = peers.use(comingAndGoing.start(key, 1000));
    const others = [0, 0].map((endless) => peers.use(comingAndGoing.start(key, endless)));
    const ended = [await counting.ended()];
    for (const other of others) {
      other.kill("SIGTERM");
      ended.push(await other.ended());
    }
    for (const { code, stderr } of ended) assert.deepEqual([stderr, code], ["", 0]);
    assert.throws(() => SemaphoreSet.open(key), { code: "ENOENT" });
    assert.equal(findSegment(key), undefined);
  },
);

function moment(ms = 1): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
