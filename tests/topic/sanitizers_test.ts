/**
 * `shm_topic.h` under ThreadSanitizer and AddressSanitizer, with threads as peers: `stress.c`, and hostile
 * memory: `fuzz.c`. Each is then shown a header in which the protocol is broken, and must find it.
 */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import {
  type Build,
  EXIT,
  type Fault,
  faultTests,
  MOMENT,
  PATIENCE,
  RACE,
  randomSeed,
  runSanitized,
  sanitizerTest,
  STUCK,
} from "../support/sanitizers.ts";

guardAgainstLeaks();

const STRESS = new URL("stress.c", import.meta.url);
const FUZZ = new URL("fuzz.c", import.meta.url);

const FINDS: Readonly<Record<Build, string>> = {
  thread: "ThreadSanitizer finds no race",
  address: "AddressSanitizer and UndefinedBehaviorSanitizer find nothing",
  plain: "no wake is lost, no message is torn, and each is received or missed",
};

for (const [build, finds] of Object.entries(FINDS) as [Build, string][]) {
  sanitizerTest(build, `shm_topic.h: threads as peers: ${finds}`, async () => {
    const end = await runSanitized(build, STRESS, [randomSeed(), 5000, PATIENCE.whole]);
    assert.deepEqual([end.code, end.stderr], [0, ""], end.stdout);
    // Subscribers were in time and were overrun, or nothing was tried
    const figures = [...end.stdout.matchAll(/: \d+ messages, (\d+) received, (\d+) missed/g)];
    assert.equal(figures.length, 4);
    for (const [line, received] of figures) assert(Number(received) > 99, line);
    assert(figures.some(([, , missed]) => Number(missed) > 0), end.stdout);
  });
}

const WRONG = { build: "plain", exit: EXIT.wrong, says: /stress: / } as const;

const FAULTS: readonly Fault[] = [
  {
    ...RACE,
    name: "a lane taken without its last owner's work (SYNC role)",
    changes: [["__atomic_load_n(&words->closed, __ATOMIC_ACQUIRE);", ""]],
  },
  {
    ...STUCK,
    name: "a subscriber that looks before it says that it sleeps (SYNC waiting)",
    changes: [[
      "    const uint32_t value = member->read_only",
      `if (has_news(reader)) return SHM_OK; ${MOMENT}
    const uint32_t value = member->read_only`,
    ], [
      "__atomic_fetch_or(waiting, 1U, __ATOMIC_SEQ_CST) | 1;\n    if (has_news(reader)) return SHM_OK;",
      "__atomic_fetch_or(waiting, 1U, __ATOMIC_SEQ_CST) | 1;",
    ]],
  },
  {
    ...WRONG,
    name: "an overrun that is not noticed",
    changes: [["*behind = by_tail > by_intent ? by_tail : by_intent;", "*behind = 0;"], [
      "status = shmti_grow(subscriber, copy.length);",
      `status = shmti_grow(subscriber, copy.length); ${MOMENT}`,
    ]],
  },
  {
    ...WRONG,
    name: "a subscriber that looks at the tail only, not at the intent (SYNC overwrite)",
    changes: [["*behind = by_tail > by_intent ? by_tail : by_intent;", "*behind = by_tail;"], [
      "status = shmti_grow(subscriber, copy.length);",
      `status = shmti_grow(subscriber, copy.length); ${MOMENT}`,
    ], ["publisher->state ^= 1;", `${MOMENT} publisher->state ^= 1;`]],
  },
  {
    ...WRONG,
    name: "messages that were missed and are not counted",
    changes: [["reader->missed += reader->next - expected;", ""]],
  },
];

faultTests(STRESS, () => [randomSeed(), 20_000, PATIENCE.broken], FAULTS);

sanitizerTest(
  "address",
  "shm_topic.h: 10 000 corruptions are clear errors or messages",
  async () => {
    const end = await runSanitized("address", FUZZ, [randomSeed(), 10_000]);
    assert.deepEqual([end.code, end.stderr], [0, ""], end.stdout);
    const [, messages, errors] = /messages=(\d+) errors=(\d+)/.exec(end.stdout)!;
    assert(Number(messages) > 99 && Number(errors) > 99, end.stdout);
  },
);

faultTests(FUZZ, () => [randomSeed(), 10_000], [{
  name: "the length of a record that is not bounded",
  build: "address",
  changes: [
    [
      "const bool is_length = record.length - subscriber->shortest <= subscriber->span;",
      "const bool is_length = true;",
    ],
    ["if (SHMH_UNLIKELY(size > most - at || !is_number))", "if (SHMH_UNLIKELY(!is_number))"],
    [
      "if (SHMH_UNLIKELY(size > left))",
      "if (false)",
    ],
  ],
  exit: EXIT.wrong,
  says: /AddressSanitizer|runtime error|no message/,
}]);
