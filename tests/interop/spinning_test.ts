/** When C looks on instead of sleeping: as `AdaptiveSpin` of `src/sync/adaptive_spin.ts` does. */

import assert from "node:assert/strict";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();

/** Prints, for each try in vain, how many sleeps there were before it; what comes between is an argument. */
const program = new CProgram(`
  #include "shm_sync.h"
  #include <stdlib.h>

  static int rests_until_tried(struct ShmiSpinning *spinning) {
    int rests = 0;
    for (; !shmi_spins(spinning); rests++) shmi_slept(spinning, SHMI_SHORT_SLEEP_NS - 1);
    shmi_spun(spinning, false);
    return rests;
  }

  int main(int argc, char **argv) {
    struct ShmiSpinning spinning = {0, 0};
    for (int i = 1; i < argc; i++) {
      int times = atoi(argv[i] + 1);
      while (times-- > 0) {
        switch (argv[i][0]) {
          case 'v': printf("%d ", rests_until_tried(&spinning)); break;
          case 'f': shmi_spun(&spinning, true); break;
          case 's': shmi_slept(&spinning, SHMI_SHORT_SLEEP_NS - 1); break;
          default: shmi_slept(&spinning, SHMI_SHORT_SLEEP_NS);
        }
      }
    }
  }
`);

async function rests(...steps: readonly string[]): Promise<number[]> {
  await using peer = program.start(...steps);
  const { code, stdout } = await peer.ended();
  assert.equal(code, 0);
  return stdout.trim().split(" ").map(Number);
}

testWith(C_NEEDS, "ShmiSpinning: each failure makes it half as frequent", async () => {
  assert.deepEqual(await rests("v9"), [0, 1, 2, 4, 8, 16, 32, 64, 64]);
});

testWith(C_NEEDS, "ShmiSpinning: each success makes it twice as frequent", async () => {
  assert.deepEqual((await rests("v8", "s64", "f1", "v2")).slice(-2), [0, 32]);
  assert.deepEqual((await rests("v8", "s64", "f7", "v2")).slice(-2), [0, 1]);
});

testWith(C_NEEDS, "ShmiSpinning: after a long sleep not before a short one", async () => {
  assert.deepEqual(await rests("l3", "v1"), [1]);
});

/** `KEY`: waits in vain, with no time left, by a clock that goes on by 1 us a look: always short sleeps. */
const waiting = new CProgram(`
  #define _GNU_SOURCE
  #include <stdio.h>
  #include <stdlib.h>
  #include <time.h>
  static int look_at_clock(clockid_t clock, struct timespec *now) {
    static long looks = 0;
    (void)clock;
    now->tv_sec = 1000;
    now->tv_nsec = ++looks * 1000;
    return 0;
  }
  #define clock_gettime look_at_clock
  #include "common.h"
  #include "shm_channel.h"

  static void expect(int right, const char *what) {
    if (right) return;
    fprintf(stderr, "%s: not as expected\\n", what);
    exit(1);
  }

  int main(int count, char **arguments) {
    const key_t key = (key_t)atol(arguments[count - 1]);
    const struct ShmMailboxOptions mailbox = {key, 0600, false, false};
    struct ShmChannelOptions options = shm_channel_options(key + 1);
    static struct ShmMailbox box;
    static struct ShmChannel channel;
    static struct ShmChannelProducer producer;
    static struct ShmChannelConsumer consumer;
    char text[SHM_MAILBOX_TEXT_SIZE + 1];
    size_t length;
    options.lanes = 1;
    options.lane_capacity = 64;
    expect(shm_mailbox_join(&box, &mailbox, NULL) == SHM_MAILBOX_OK, "arrive");
    expect(shm_mailbox_acquire_server(&box) == SHM_MAILBOX_OK, "claim_server");
    expect(shm_channel_open_or_create(&channel, &options, NULL) == SHM_OK, "open");
    expect(shm_channel_open_consumer(&consumer, &channel) == SHM_OK, "open_consumer");
    expect(shm_channel_open_producer(&producer, &channel) == SHM_OK, "open_producer");
    for (int i = 0; i < 8; i++) {
      const struct ShmMailboxWait now = {0, NULL, NULL, NULL};
      expect(shm_mailbox_receive(&box, text, &length, NULL, &now) == SHM_MAILBOX_TIMEOUT, "receive");
      printf("%u ", box.spinning.doublings);
    }
    for (int i = 0; i < 8; i++) {
      const struct ShmWait now = shm_within(0);
      expect(shm_channel_wait(&consumer, &now) == SHM_TIMEOUT, "wait");
      printf("%u ", consumer.spinning.doublings);
    }
    while (shm_channel_try_send(&producer, text, 8, 0) == SHM_OK) continue;
    for (int i = 0; i < 8; i++) {
      const struct ShmWait now = shm_within(0);
      expect(shm_channel_wait_room(&producer, 8, &now) == SHM_TIMEOUT, "wait_room");
      printf("%u ", producer.spinning.doublings);
    }
    shm_channel_close_producer(&producer);
    expect(shm_channel_discard(&consumer, 0) == SHM_OK, "discard");
    shm_channel_close_consumer(&consumer);
    expect(shm_channel_leave(&channel) == SHM_WAS_REMOVED, "leave");
    shm_mailbox_leave(&box);
    return 0;
  }
`);

testWith(
  C_NEEDS,
  "shm_sync.h: waits that spinning does not shorten spin less and less often",
  async () => {
    await using peer = waiting.start(freshKey());
    const { code, stdout, stderr } = await peer.ended();
    assert.deepEqual([code, stderr], [0, ""]);
    const each = [1, 2, 2, 3, 3, 3, 3, 4];
    assert.deepEqual(stdout.trim().split(" ").map(Number), [...each, ...each, ...each]);
  },
);
