/**
 * The C side under ThreadSanitizer and AddressSanitizer, with threads as peers: `stress.c`. And under
 * nothing but itself with slices that never end, which finds a wake that is lost. Each is then shown a
 * header in which the protocol is broken, and must find it. `deno task sanitize` runs this and its siblings.
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

const MESSAGES: Readonly<Record<Build, number>> = {
  thread: 20_000,
  address: 30_000,
  plain: 60_000,
};

for (
  const [build, finds] of Object.entries({
    thread: "ThreadSanitizer finds no race",
    address: "AddressSanitizer and UndefinedBehaviorSanitizer find nothing",
    plain: "no wake is lost, no message either",
  }) as [Build, string][]
) {
  sanitizerTest(build, `threads as peers: ${finds}`, async () => {
    const args = [randomSeed(), MESSAGES[build], PATIENCE.whole];
    const end = await runSanitized(build, STRESS, args);
    assert.deepEqual([end.code, end.stderr], [0, ""], end.stdout);
    // It was full and it was empty, or nothing was tried
    const waits = [...end.stdout.matchAll(/ (\d+) waits for room, (\d+) for messages/g)];
    assert.equal(waits.length, 4);
    for (const [line, room, messages] of waits) {
      assert(Number(room) > 99 && Number(messages) > 9, line);
    }
  });
}

const PRODUCER_SLEEPS = "__atomic_store_n(&own->asleep, 1U, __ATOMIC_SEQ_CST);";
const PRODUCER_LOOKS = `${PRODUCER_SLEEPS}
    status = shmci_look_for_room(producer, need);`;
const CONSUMER_SLEEPS = "__atomic_store_n(consumer->asleep, 1U, __ATOMIC_SEQ_CST);";
const CONSUMER_LOOKS = `${CONSUMER_SLEEPS}
    status = shmci_look_at_tails(consumer);`;

const FAULTS: readonly Fault[] = [
  {
    ...RACE,
    name: "a tail that does not release (SYNC tail)",
    changes: [[
      "(&own->tail, producer->tail, __ATOMIC_SEQ_CST)",
      "(&own->tail, producer->tail, 0)",
    ]],
  },
  {
    ...RACE,
    name: "a head that does not release (SYNC head)",
    changes: [[
      "(&words->consumer.head, reader->head, __ATOMIC_SEQ_CST)",
      "(&words->consumer.head, reader->head, 0)",
    ]],
  },
  {
    ...RACE,
    name: "a lane taken without its last owner's work (SYNC role)",
    changes: [["__atomic_load_n(&words->producer.closed, __ATOMIC_ACQUIRE);", ""]],
  },
  {
    ...RACE,
    name: "a role taken without the last consumer's work (SYNC role)",
    changes: [["__atomic_load_n(&control->consumer.asleep, __ATOMIC_ACQUIRE);", ""]],
  },
  {
    ...STUCK,
    name: "a producer that looks for room before it says that it sleeps (SYNC asleep)",
    changes: [[
      PRODUCER_LOOKS,
      `status = shmci_look_for_room(producer, need); ${MOMENT} ${PRODUCER_SLEEPS}`,
    ]],
  },
  {
    ...STUCK,
    name: "a consumer that looks for messages before it says that it sleeps (SYNC asleep)",
    changes: [[
      CONSUMER_LOOKS,
      `status = shmci_look_at_tails(consumer); ${MOMENT} ${CONSUMER_SLEEPS}`,
    ]],
  },
  {
    build: "plain",
    name: "a record that wraps instead of padding",
    changes: [["return size <= to_end ? size : to_end + size;", "return (void)to_end, size;"]],
    exit: EXIT.wrong,
    says: /stress: .*(message|the length of a record)/,
  },
  {
    build: "address",
    name: "a consumer with room for one lane only",
    changes: [["readers[SHM_CHANNEL_LANES_MAX];", "readers[1];"]],
    exit: EXIT.wrong,
    says: /index 1 out of bounds|AddressSanitizer/,
  },
];

faultTests(STRESS, () => [randomSeed(), 20_000, PATIENCE.broken], FAULTS);
