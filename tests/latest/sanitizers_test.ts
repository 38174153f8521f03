/**
 * `shm_latest.h` under ThreadSanitizer and AddressSanitizer, with threads as peers: `stress.c`, and hostile
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
  plain: "no wake is lost, no value is torn",
};

for (const [build, finds] of Object.entries(FINDS) as [Build, string][]) {
  sanitizerTest(build, `shm_latest.h: threads as peers: ${finds}`, async () => {
    const end = await runSanitized(build, STRESS, [randomSeed(), 5000, PATIENCE.whole]);
    assert.deepEqual([end.code, end.stderr], [0, ""], end.stdout);
    // Readers were faster and slower than the writers, or nothing was tried
    const figures = [...end.stdout.matchAll(/: 5000 values, (\d+) read, (\d+) waited for/g)];
    assert.equal(figures.length, 4);
    for (const [line, read, waited] of figures) {
      assert(Number(read) > 99 && Number(waited) > 99, line);
    }
  });
}

const MAKES_ODD = `__atomic_fetch_or(waiting, 1U, __ATOMIC_SEQ_CST) | 1;
    if (has_news(reader)) return SHM_OK;`;
const WHOLE = "now - published <= most && low == published && same";
const TORN = { build: "plain", exit: EXIT.wrong, says: /is torn at word/ } as const;

const FAULTS: readonly Fault[] = [
  {
    ...RACE,
    name: "a role taken without the last writer's work (SYNC role)",
    changes: [["__atomic_load_n(&words->opened, __ATOMIC_ACQUIRE)", "shmh_peek(&words->opened)"]],
  },
  {
    ...STUCK,
    name: "a reader that looks before it says that it sleeps (SYNC waiting)",
    changes: [[
      "    const uint32_t value = member->read_only",
      `if (has_news(reader)) return SHM_OK; ${MOMENT}
    const uint32_t value = member->read_only`,
    ], [MAKES_ODD, "__atomic_fetch_or(waiting, 1U, __ATOMIC_SEQ_CST) | 1;"]],
  },
  {
    ...STUCK,
    name: "a word that goes from 1 to 0 and back, with several sleepers",
    changes: [[
      MAKES_ODD,
      `1; if (!member->read_only) __atomic_store_n(waiting, 1U, __ATOMIC_SEQ_CST);
       if (has_news(reader)) return SHM_OK; ${MOMENT}`,
    ], [
      "__atomic_fetch_add(waiting, 1U, __ATOMIC_SEQ_CST);\n    shmi_futex_wake(waiting);",
      "__atomic_store_n(waiting, 0U, __ATOMIC_SEQ_CST);\n    shmi_futex_wake(waiting);",
    ]],
  },
  { ...TORN, name: "a copy that is not checked (SYNC reuse)", changes: [[WHOLE, "true"]] },
  {
    ...TORN,
    name: "a copy that may be of the cell which is written (cells - 1)",
    changes: [
      ["const uint32_t most = reader->mask - 1;", "const uint32_t most = reader->mask;"],
      ["*length = shmh_peek(&cell->length);", `*length = shmh_peek(&cell->length); ${MOMENT}`],
      [
        "bytes, length);\n  return shm_latest_commit(writer, length);",
        `bytes, length); ${MOMENT}\n  return shm_latest_commit(writer, length);`,
      ],
    ],
  },
  {
    ...TORN,
    name: "a version that is published before its value",
    changes: [[
      "shmh_copy_in((unsigned char *)place, bytes, length);\n  return shm_latest_commit(writer, length);",
      "const enum ShmStatus result = shm_latest_commit(writer, length);\n" +
      "  shmh_copy_in((unsigned char *)place, bytes, length);\n  return result;",
    ]],
  },
];

faultTests(STRESS, () => [randomSeed(), 20_000, PATIENCE.broken], FAULTS);

sanitizerTest(
  "address",
  "shm_latest.h: 10 000 corruptions are clear errors or values",
  async () => {
    const end = await runSanitized("address", FUZZ, [randomSeed(), 10_000]);
    assert.deepEqual([end.code, end.stderr], [0, ""], end.stdout);
    const [, values, errors] = /values=(\d+) errors=(\d+)/.exec(end.stdout)!;
    assert(Number(values) > 99 && Number(errors) > 99, end.stdout);
  },
);

faultTests(FUZZ, () => [randomSeed(), 10_000], [{
  name: "a length that is not bounded",
  build: "address",
  changes: [[
    "const bool possible = *length - reader->shortest <= reader->longest - reader->shortest;\n" +
    "  if (SHMH_LIKELY(possible && *length <= size))",
    "const bool possible = true;\n  if (SHMH_LIKELY(possible))",
  ]],
  exit: EXIT.wrong,
  says: /AddressSanitizer|runtime error/,
}]);
