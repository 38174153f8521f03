/** The table of struct layouts against `sizeof` and `offsetof` of the compilers there are. */

import assert from "node:assert/strict";
import {
  type Arch,
  type Field,
  type LibcName,
  OLDEST_DENO,
  PLATFORMS,
  supportedArch,
  supportedDeno,
} from "../../ffi/platform.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";

const HEADERS = [
  "stddef.h",
  "sys/ipc.h",
  "sys/shm.h",
  "sys/sem.h",
  "sys/syscall.h",
  "pwd.h",
  "grp.h",
];

/** Fields that C spells with underscores. */
const C_NAMES: Readonly<Record<string, string>> = { key: "__key", seq: "__seq" };

/** Assertions that hold if the headers lay everything out as the table says. */
function assertions(arch: Arch, libc: LibcName): string[] {
  const { structs, syscalls } = PLATFORMS[arch][libc];
  const lines = [`_Static_assert(SYS_futex == ${syscalls.futex}, "SYS_futex");`];
  for (const [struct, { size, fields }] of Object.entries(structs)) {
    lines.push(`_Static_assert(sizeof(struct ${struct}) == ${size}, "${struct}");`);
    for (const [name, field] of Object.entries(fields as Record<string, Field>)) {
      const inC = C_NAMES[name] ?? name;
      lines.push(
        `_Static_assert(offsetof(struct ${struct}, ${inC}) == ${field.offset}, "${name}");`,
        `_Static_assert(sizeof(((struct ${struct} *)0)->${inC}) == ${field.size}, "${name}");`,
      );
    }
  }
  return lines;
}

const COMPILERS: readonly (readonly [string, Arch, LibcName])[] = [
  ["gcc", Deno.build.arch, "glibc"],
  ["musl-gcc", Deno.build.arch, "musl"],
  ["aarch64-linux-gnu-gcc", "aarch64", "glibc"],
];

for (const [compiler, arch, libc] of COMPILERS) {
  testWith(
    { tools: [compiler], files: true },
    `PLATFORMS: the layouts of ${arch} ${libc} by ${compiler}`,
    () => {
      using folder = new TestFolder();
      folder.compileOnly(
        compiler,
        [
          "#define _GNU_SOURCE",
          ...HEADERS.map((name) => `#include <${name}>`),
          ...assertions(arch, libc),
        ].join("\n"),
      );
    },
  );
}

Deno.test("PLATFORMS: musl differs from glibc only in two fields", () => {
  for (const { glibc, musl } of Object.values(PLATFORMS)) {
    const { ipc_perm, semid_ds, ...rest } = glibc.structs;
    const { ipc_perm: muslPerm, semid_ds: muslSemid, ...muslRest } = musl.structs;
    assert.deepEqual(rest, muslRest);
    assert.equal(ipc_perm.fields.seq.size, 2);
    assert.equal(muslPerm.fields.seq.size, 4);
    assert.equal(semid_ds.fields.sem_nsems.size, 8);
    assert.equal(muslSemid.fields.sem_nsems.size, 2);
    assert.equal(semid_ds.fields.sem_nsems.offset, muslSemid.fields.sem_nsems.offset);
  }
});

Deno.test("supportedArch: only Linux on the two processors of the table", () => {
  assert.equal(supportedArch("linux", "x86_64"), "x86_64");
  assert.equal(supportedArch("linux", "aarch64"), "aarch64");
  assert.equal(supportedArch("darwin", "aarch64"), undefined);
  assert.equal(supportedArch("windows", "x86_64"), undefined);
  assert.equal(supportedArch("linux", "riscv64"), undefined);
});

Deno.test("supportedDeno: from the oldest on", () => {
  for (const version of [OLDEST_DENO, "2.9.6", "2.10.0", "3.0.0", "3.0.0-rc.1", "2.9.0+abc123"]) {
    assert.equal(supportedDeno(version), true, version);
  }
  for (const version of ["1.46.3", "2.0.0", "2.4.4", "2.7.14"]) {
    assert.equal(supportedDeno(version), false, version);
  }
  assert.equal(supportedDeno(Deno.version.deno), true);
});
