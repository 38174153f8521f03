/** libc as it is called: errno, failure values, and what happens where it cannot be opened. */

import assert from "node:assert/strict";
import { AT, IPC, SHM } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { geteuid } from "../../ffi/accounts.ts";
import { getauxval, open, platform } from "../../ffi/libc.ts";
import { packSembufs, semctl, semget, semop, semtimedop, semtimedopAsync } from "../../ffi/sem.ts";
import { ftok, shmat, shmctl, shmdt, shmget } from "../../ffi/shm.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, PROJECT, TestFolder } from "../support/peer.ts";
import { ON_TERMINAL } from "../support/terminal.ts";

guardAgainstLeaks();

Deno.test("shmget, shmctl: every failed call returns its own errno, whatever is allocated", () => {
  const absent = freshKey();
  const garbage: unknown[] = [];
  for (let round = 0; round < 20_000; round++) {
    assert.equal(shmget(absent, 0, 0), -ERRNO.ENOENT);
    garbage[round % 100] = new Array(100).fill(round);
    assert.equal(shmget(IPC.PRIVATE, 0, IPC.CREAT | 0o600), -ERRNO.EINVAL);
    assert.equal(shmctl(0x7ffffff0, IPC.RMID, null), -ERRNO.EINVAL);
  }
});

Deno.test("shmat: (void *)-1 is an errno, not a pointer", () => {
  assert.equal(shmat(0x7ffffff0, null, 0), -ERRNO.EINVAL);
});

Deno.test("shmat, shmdt: attach, detach, detach again", () => {
  const id = shmget(IPC.PRIVATE, 100, IPC.CREAT | 0o600);
  const address = shmat(id, null, SHM.RDONLY);
  assert.equal(shmctl(id, IPC.RMID, null), 0);
  assert(typeof address === "object");
  assert.equal(shmdt(address), 0);
  assert.equal(shmdt(address), -ERRNO.EINVAL);
});

Deno.test("semop, semctl: waiting and not waiting", async () => {
  const id = semget(IPC.PRIVATE, 2, IPC.CREAT | 0o600);
  try {
    const take = packSembufs([{ semaphore: 1, add: -1, flags: 0 }]);
    const takeNow = packSembufs([{ semaphore: 1, add: -1, flags: IPC.NOWAIT }]);
    const give = packSembufs([{ semaphore: 1, add: 1, flags: 0 }]);
    assert.equal(semop(id, takeNow), -ERRNO.EAGAIN);
    assert.equal(semtimedop(id, take, 1), -ERRNO.EAGAIN);
    assert.equal(await semtimedopAsync(id, take, 1), false);
    assert.equal(semop(id, give), 0);
    assert.equal(await semtimedopAsync(id, take, 10_000), true);
    assert.equal(semop(id, packSembufs([{ semaphore: 2, add: 1, flags: 0 }])), -ERRNO.EFBIG);
  } finally {
    assert.equal(semctl(id, 0, IPC.RMID), 0);
  }
  assert.equal(semctl(id, 0, IPC.RMID), -ERRNO.EINVAL);
});

Deno.test("ftok: -1 is a failure or a key", () => {
  assert.deepEqual(ftok("/no/such/file", 1), { errno: ERRNO.ENOENT });
  assert("key" in ftok("/etc/passwd", 1));
});

Deno.test("platform: one of the table, glibc or musl", () => {
  const { arch, libc } = platform();
  assert.equal(arch, Deno.build.arch);
  assert(libc === "glibc" || libc === "musl");
  assert(Number.isInteger(geteuid()));
});

Deno.test("getauxval: the sizes of pages and stack; 0 for an unknown type", () => {
  assert(getauxval(AT.PAGESZ) % 4096n === 0n);
  assert(getauxval(AT.RANDOM) > 0n);
  assert.equal(getauxval(9999), 0n);
});

Deno.test("open: an unsupported platform is refused by name", () => {
  assert.throws(() => open("darwin", "aarch64"), (error) => {
    assert(error instanceof ShmError);
    assert.deepEqual([error.code, error.errno, error.call], ["ENOTSUP", 0, undefined]);
    assert.match(error.message, /darwin on aarch64.*Linux on x86_64 or aarch64/);
    return true;
  });
});

Deno.test("open: a Deno that is too old is refused by its version, with what to do", () => {
  assert.throws(() => open("linux", "x86_64", "2.4.4"), (error) => {
    assert(error instanceof ShmError);
    assert.deepEqual([error.code, error.errno, error.call], ["ENOTSUP", 0, undefined]);
    assert.match(
      error.message,
      /this is Deno 2\.4\.4, and 2\.\d+\.0 or later is needed: deno upgrade$/,
    );
    return true;
  });
});

testWith({ tools: ["deno"], files: true }, "libc: importing the library opens nothing", () => {
  const { success, stderr } = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", `${PROJECT}mod.ts`],
    stdin: "null",
  }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
});

testWith({ tools: ["deno"] }, "libc: without --allow-ffi the error says what to add", () => {
  const { code, stderr } = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", `${PROJECT}cli.ts`, "server"],
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).outputSync();
  assert.equal(code, 1);
  assert.match(new TextDecoder().decode(stderr), /^error: .*ENOTCAPABLE.*--allow-ffi.*\n$/);
});

/** Runs our command on a terminal, in a folder with libraries by all names that libc has anywhere. */
async function besidePlanted(folder: TestFolder, ...flags: string[]): Promise<string> {
  const source = folder.file(
    "planted.c",
    `#include <stdlib.h>
    #include <unistd.h>
    __attribute__((constructor)) static void loaded(void) { write(2, "PLANTED", 7); _exit(3); }`,
  );
  const names = ["libc.so.6", "libc.so", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];
  for (const name of names) folder.compile("gcc", name, ["-shared", "-fPIC", source]);
  const pty = folder.compile("gcc", "pty", [`${PROJECT}tests/support/pty.c`, "-lutil"]);
  const run = `cd '${folder.path}' && exec '${Deno.execPath()}' run "$@" '${PROJECT}cli.ts' limits`;
  await using peer = Peer.start(pty, ["sh", "-c", run, "sh", ...flags]);
  await peer.write("y\ny\ny\n");
  return (await peer.ended()).stdout;
}

testWith(
  ON_TERMINAL,
  "libc: a file of its name in the current folder is never opened",
  async () => {
    using folder = new TestFolder();
    assert.match(await besidePlanted(folder, "--allow-ffi"), /shmmax/i);
    for (const flags of [[], [`--allow-ffi=${folder.path}`], ["--allow-ffi=libc.so.6"]]) {
      const output = await besidePlanted(folder, ...flags);
      assert.match(output, /ENOTCAPABLE.*run again with --allow-ffi/s, flags.join(" "));
      assert.doesNotMatch(output, /PLANTED|requests ffi/, flags.join(" "));
    }
  },
);

testWith(
  { tools: ["deno"] },
  "libc: after its permission is revoked nothing is created or attached",
  async () => {
    await using peer = Peer.typescript(
      `
    import { Channel, listSegments, Segment, SemaphoreSet } from "@sysv/shm";
    const set = SemaphoreSet.create({ count: 1 });
    const segment = Segment.create({ size: 64 });
    const { bytes } = segment;
    const other = Segment.attach(segment.id);
    segment.remove();
    const before = listSegments().length;
    Deno.permissions.revokeSync({ name: "ffi" });
    const { id } = segment;
    for (const use of [
      () => Segment.create({ size: 1 }),
      () => Segment.openOrCreate({ key: 0x5eed0e10, size: 1 }),
      () => Segment.attach(id),
      () => Channel.openOrCreate({ key: 0x5eed0e11 }),
    ]) {
      try { use(); } catch (error) { console.log(error.code); }
    }
    console.log(listSegments().length - before, segment.stat().nattch);
    segment.detach();
    other.detach();
    console.log(set.tryOp([{ semaphore: 0, add: 1 }]), set.value(0));
    set.remove();
    console.log(bytes.length, listSegments().length - before);`,
      "--no-prompt",
    );
    const { stdout, stderr } = await peer.ended();
    assert.deepEqual([stdout, stderr], [`${"ENOTCAPABLE\n".repeat(4)}0 2\ntrue 1\n0 -1\n`, ""]);
  },
);
