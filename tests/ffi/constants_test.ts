/** The constants against the macros of the machine's own headers. */

import { AT, CLONE, FUTEX, HUGE_PAGE, IPC, MMAP, POLL, SEM, SHM } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";

const HEADERS = [
  "sys/ipc.h",
  "sys/shm.h",
  "sys/sem.h",
  "sys/mman.h",
  "sys/auxv.h",
  "poll.h",
  "sched.h",
  "linux/futex.h",
  "errno.h",
];

/** Our names to C's. */
const MACROS: readonly (readonly [string, number])[] = [
  ...named("IPC_", IPC),
  ...named("SHM_", SHM),
  ...named("SEM_", SEM, ["GETPID", "GETVAL", "GETALL", "GETNCNT", "GETZCNT", "SETVAL", "SETALL"]),
  ...named("FUTEX_", FUTEX),
  ...named("MAP_", MMAP, ["PROT_READ", "PROT_WRITE"]),
  ...named("AT_", AT),
  ...named("POLL", POLL),
  ...named("CLONE_", CLONE),
  ...named("", ERRNO),
];

function named(
  prefix: string,
  constants: Readonly<Record<string, number>>,
  bare: readonly string[] = [],
): (readonly [string, number])[] {
  return Object.entries(constants).map(([name, value]) =>
    [bare.includes(name) ? name : prefix + name, value] as const
  );
}

for (const compiler of ["gcc", "musl-gcc", "aarch64-linux-gnu-gcc"] as const) {
  testWith(
    { tools: [compiler], files: true },
    `IPC and others: the constants of ${compiler}'s headers`,
    () => {
      using folder = new TestFolder();
      // musl's headers lack the kernel's own
      const headers = HEADERS.filter((name) =>
        compiler !== "musl-gcc" || !name.startsWith("linux/")
      );
      const macros = MACROS.filter(([name]) =>
        compiler !== "musl-gcc" || !name.startsWith("FUTEX_")
      );
      folder.compileOnly(
        compiler,
        [
          "#define _GNU_SOURCE",
          ...headers.map((name) => `#include <${name}>`),
          ...macros.map(([name, value]) => `_Static_assert(${name} == ${value}, "${name}");`),
        ].join("\n"),
      );
    },
  );
}

for (const [compiler, header] of [["gcc", "linux/shm.h"], ["musl-gcc", "sys/shm.h"]] as const) {
  testWith(
    { tools: [compiler], files: true },
    `SHM.HUGE_2MB and others: the huge page sizes of ${compiler}'s headers`,
    () => {
      using folder = new TestFolder();
      const flags = HUGE_PAGE.LOGARITHMS.map((logarithm) => {
        const kilobytes = 2 ** (logarithm - 10);
        const name = kilobytes < 1024
          ? `${kilobytes}KB`
          : kilobytes < 2 ** 20
          ? `${kilobytes / 1024}MB`
          : `${kilobytes / 2 ** 20}GB`;
        // As the signed flag word that shmget takes: the last one is negative
        const flag = logarithm << HUGE_PAGE.SHIFT;
        return `_Static_assert((int)(SHM_HUGE_${name}) == (int)${flag >>> 0}u, "${name}");`;
      });
      folder.compileOnly(
        compiler,
        [
          "#define _GNU_SOURCE",
          `#include <${header}>`,
          `_Static_assert(SHM_HUGE_SHIFT == ${HUGE_PAGE.SHIFT}, "SHM_HUGE_SHIFT");`,
          ...flags,
        ].join("\n"),
      );
    },
  );
}
