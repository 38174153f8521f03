/**
 * The results of `shmget`, `shmat`, `shmdt`, `shmctl` and `ftok`, condition by condition: through the API,
 * and through the call itself (negative errno) where the API calls the kernel differently or not at all.
 *
 * Not tested, because no system here returns them: `EMFILE` (macOS counts attaches), `SIGSYS` (some BSD
 * and Cygwin), `ENOENT` for huge pages of a kernel without hugetlbfs. strace injects errors that this
 * kernel returns only in another build or without free files (`ENOSYS`, `ENFILE`).
 */

import assert from "node:assert/strict";
import { IPC, SHM } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { getauxval, platform } from "../../ffi/libc.ts";
import { shmat, shmctl, shmdt, shmget } from "../../ffi/shm.ts";
import { findSegment, setSegmentPermissions } from "../../src/sysv/mod.ts";
import {
  ftok,
  IPC_PRIVATE,
  listSegments,
  removeSegment,
  Segment,
  type SegmentStat,
  ShmError,
  statSegment,
} from "../../mod.ts";
import { testWithHugePages } from "../support/huge_pages.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { type Needs, testWith } from "../support/needs.ts";
import { asNobody, NOBODY } from "../support/other_user.ts";
import { IN_NAMESPACE, inNamespace } from "../support/own_namespace.ts";
import { freshKey, Peer, PROJECT, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

const { EACCES, EEXIST, EFAULT, EINVAL, ENOENT, ENOMEM, EPERM } = ERRNO;
const ABSENT = 0x7ffffff0; // an id the kernel does not give before it has made 65 000 at one index
const PAGE = Number(getauxval(6)); // AT_PAGESZ
const READ_WRITE = 0o600;

/** The code of the error that `action` throws, or what it returns. */
function code<Result>(action: () => Result): Result | string {
  try {
    return action();
  } catch (error) {
    if (error instanceof ShmError) return error.code;
    if (error instanceof RangeError || error instanceof TypeError) return error.name;
    throw error;
  }
}

/** A segment for `body`, with no attach of its own, removed afterwards. */
async function withSegment(
  { key = IPC_PRIVATE, size = 100, mode = READ_WRITE },
  body: (id: number) => void | Promise<void>,
): Promise<void> {
  const id = shmget(key, size, IPC.CREAT | IPC.EXCL | mode);
  assert(id >= 0, `shmget: ${id}`);
  try {
    await body(id);
  } finally {
    shmctl(id, IPC.RMID, null);
  }
}

function struct(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(platform().structs.shmid_ds.size);
}

/** The raw attach, checked and detached again, or -errno. */
function attaches(id: number, address: bigint | null, flags: number): number {
  const result = shmat(id, address === null ? null : Deno.UnsafePointer.create(address), flags);
  return typeof result === "number" ? result : shmdt(result);
}

const AS_NOBODY: Needs = { tools: ["deno"], root: true };

/** The values of the expressions, evaluated as the user nobody, after `asRoot` ran as root. */
async function nobodyGets(expressions: readonly string[], asRoot = ""): Promise<unknown[]> {
  await using peer = asNobody(
    `
    import { findSegment } from "@sysv/shm/sysv";
    import { ftok, listSegments, removeSegment, Segment } from "@sysv/shm";
    import { setSegmentPermissions } from "@sysv/shm/sysv";
    import { ShmError, statSegment } from "@sysv/shm";
    import { shmctl, shmget } from "file://${PROJECT}ffi/shm.ts";
    ${code}
    const struct = () => new Uint8Array(${struct().length});
    console.log(JSON.stringify([
      ${expressions.map((expression) => `code(() => ${expression})`).join(",\n")}
    ].map((value) => value ?? null)));
  `,
    asRoot,
  );
  const { stdout, stderr } = await peer.ended();
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

// ---- shmget

Deno.test("shmget: key absent, no IPC_CREAT (IPC_EXCL alone changes nothing): ENOENT", () => {
  const key = freshKey();
  assert.equal(code(() => Segment.open(key)), "ENOENT");
  assert.equal(findSegment(key), undefined);
  assert.equal(shmget(key, 0, 0), -ENOENT);
  assert.equal(shmget(key, 0, IPC.EXCL), -ENOENT);
  assert.equal(shmget(key, 100, IPC.EXCL | READ_WRITE), -ENOENT);
});

testWith(
  AS_NOBODY,
  "shmget: key exists, IPC_CREAT|IPC_EXCL: EEXIST for any size, any user",
  async () => {
    const key = freshKey();
    await withSegment({ key }, async () => {
      for (const size of [1, 100, 101, 2 ** 40]) {
        assert.equal(code(() => Segment.create({ key, size })), "EEXIST", `${size}`);
      }
      assert.equal(shmget(key, 0, IPC.CREAT | IPC.EXCL), -EEXIST);
      assert.deepEqual(
        await nobodyGets([
          `Segment.create({ key: ${key}, size: 1 })`,
          `Segment.create({ key: ${key}, size: 2 ** 40 })`,
        ]),
        ["EEXIST", "EEXIST"],
      );
    });
  },
);

testWith(AS_NOBODY, "shmget: key exists, size beyond its: EINVAL, before permission", async () => {
  const key = freshKey();
  await withSegment({ key }, async () => {
    assert.equal(code(() => Segment.open(key, { minSize: 101 })), "EINVAL");
    assert.equal(code(() => Segment.openOrCreate({ key, size: 101 })), "EINVAL");
    assert.equal(shmget(key, 101, READ_WRITE), -EINVAL);
    assert.equal(shmget(key, 101, IPC.CREAT | READ_WRITE), -EINVAL);
    // Without a size the only error for the user nobody is the missing permission
    assert.deepEqual(
      await nobodyGets([
        `shmget(${key}, 101, ${READ_WRITE})`,
        `Segment.open(${key}, { minSize: 101 })`,
      ]),
      [-EINVAL, "EACCES"],
    );
  });
});

Deno.test("shmget: key exists, size within its, IPC_CREAT: the same id, mode and size stay", async () => {
  const key = freshKey();
  await withSegment({ key }, (id) => {
    for (const size of [0, 1, 100]) assert.equal(shmget(key, size, IPC.CREAT | 0o666), id);
    using segment = Segment.openOrCreate({ key, size: 50, mode: 0o666 });
    assert.deepEqual([segment.id, segment.created, segment.size], [id, false, 100]);
    assert.deepEqual([segment.stat().mode, segment.stat().size], [READ_WRITE, 100]);
  });
});

testWith(
  AS_NOBODY,
  "shmget: flags ask for bits that the class lacks: EACCES; flags 0: the id",
  async () => {
    const key = freshKey();
    await withSegment({ key }, async (id) => {
      assert.deepEqual(
        await nobodyGets([
          `shmget(${key}, 0, 0o400)`,
          `shmget(${key}, 0, 0o200)`,
          `shmget(${key}, 0, 0)`,
          `findSegment(${key})`,
          `Segment.open(${key})`,
          `shmctl(${id}, ${IPC.STAT}, struct())`,
        ]),
        [-EACCES, -EACCES, id, id, "EACCES", -EACCES],
      );
    });
  },
);

Deno.test("shmget: IPC_PRIVATE is always a new one, IPC_EXCL or not", async () => {
  await withSegment({ key: IPC_PRIVATE }, (id) => {
    const other = shmget(IPC_PRIVATE, 100, IPC.CREAT | READ_WRITE);
    assert.equal(shmctl(other, IPC.RMID, null), 0);
    assert.notEqual(other, id);
    using segment = Segment.openOrCreate({ key: IPC_PRIVATE, size: 100 });
    segment.remove();
    assert.equal(segment.created, true);
    assert.equal(findSegment(IPC_PRIVATE), undefined);
  });
});

Deno.test("shmget: create with size 0: EINVAL, IPC_PRIVATE too; the library refuses it before the call", () => {
  for (const key of [IPC_PRIVATE, freshKey()]) {
    assert.equal(shmget(key, 0, IPC.CREAT | READ_WRITE), -EINVAL);
    assert.equal(code(() => Segment.create({ key, size: 0 })), "RangeError");
  }
});

testWith(IN_NAMESPACE, "shmget: create beyond shmmax: EINVAL, IPC_PRIVATE too", async () => {
  const printed = await inNamespace(
    { shmmax: 5000 },
    `import { Segment, ShmError } from "@sysv/shm";
    ${code}
    for (const key of [0, 1]) {
      console.log(code(() => Segment.create({ key, size: 5001 }).size));
      console.log(code(() => Segment.create({ key, size: 5000 }).size));
    }`,
  );
  assert.equal(printed, "EINVAL\n5000\nEINVAL\n5000");
});

testWith(IN_NAMESPACE, "shmget: shmall exceeded: ENOSPC; shmmni exceeded: ENOSPC", async () => {
  const program = `import { Segment, ShmError } from "@sysv/shm";
    ${code}
    for (let i = 0; i < 3; i++) console.log(code(() => Segment.create({ size: ${PAGE} }).size));`;
  const printed = `${PAGE}\n${PAGE}\nENOSPC`;
  assert.equal(await inNamespace({ shmall: 2 }, program), printed);
  assert.equal(await inNamespace({ shmmni: 2 }, program), printed);
});

Deno.test("shmget: more than overcommit allows: ENOMEM; with SHM_NORESERVE it succeeds", () => {
  const size = 2 ** 45;
  assert.equal(code(() => Segment.create({ size })), "ENOMEM");
  assert.equal(shmget(IPC_PRIVATE, size, IPC.CREAT | READ_WRITE), -ENOMEM);
  using segment = Segment.create({ size, noReserve: true });
  segment.remove();
  assert.equal(segment.size, size);
  const tooMuchToAttach = 2 ** 60;
  const flags = IPC.CREAT | SHM.NORESERVE | READ_WRITE;
  const id = shmget(IPC_PRIVATE, tooMuchToAttach, flags);
  try {
    assert.equal(statSegment(id).size, tooMuchToAttach);
    assert.equal(code(() => Segment.attach(id)), "ENOMEM");
  } finally {
    removeSegment(id);
  }
});

testWithHugePages({}, "shmget: SHM_HUGETLB, fewer in the pool than needed: ENOMEM", () => {
  assert.equal(code(() => Segment.create({ size: 2 ** 50, hugePages: true })), "ENOMEM");
});

testWith(AS_NOBODY, "shmget: SHM_HUGETLB without CAP_IPC_LOCK or the group: EPERM", async () => {
  assert.deepEqual(await nobodyGets(["Segment.create({ size: 1, hugePages: true })"]), ["EPERM"]);
});

Deno.test("shmget: SHM_HUGETLB, unknown size: EINVAL; the library refuses a size that no system has", () => {
  const unknown = IPC.CREAT | SHM.HUGETLB | (13 << 26) | READ_WRITE;
  assert.equal(shmget(IPC_PRIVATE, 1, unknown), -EINVAL);
  assert.equal(code(() => Segment.create({ size: 1, hugePages: 2 ** 13 })), "RangeError");
  assert.equal(code(() => Segment.create({ size: 1, hugePages: 2 ** 24 })), "EINVAL");
});

Deno.test("shmget: a size with the high bit set: EINVAL; the library refuses it", () => {
  assert.equal(shmget(IPC_PRIVATE, 2 ** 63, IPC.CREAT | READ_WRITE), -EINVAL);
  assert.equal(code(() => Segment.create({ size: 2 ** 63 })), "RangeError");
});

testWith(
  { tools: ["deno", "strace"] },
  "shmget: ENFILE and ENOSYS, shmat: EIDRM for a segment that exists (injected by strace)",
  async () => {
    const answers = async (call: string, errno: string): Promise<string> => {
      await using peer = Peer.start("strace", [
        ...["-f", "-qq", "-o", "/dev/null", "-e", `inject=${call}:error=${errno}`],
        ...[Deno.execPath(), "eval", "--ext=ts"],
        `import { Segment, ShmError } from "file://${PROJECT}mod.ts";
        ${code}
        console.log(code(() => Segment.create({ size: 1 }).id));`,
      ]);
      const { stdout, stderr } = await peer.ended();
      assert.equal(stderr, "");
      return stdout.trim();
    };
    assert.equal(await answers("shmget", "ENFILE"), "ENFILE");
    assert.equal(await answers("shmget", "ENOSYS"), "ENOSYS");
    assert.equal(await answers("shmat", "EIDRM"), "EIDRM");
  },
);

Deno.test("shmget: key -1, key < 0, key 0xffffffff are keys like any other", () => {
  for (const key of [-1, -2, 0x80000001, 0xffffffff]) {
    using segment = Segment.create({ key, size: 1 });
    try {
      assert.equal(findSegment(key | 0), segment.id);
      assert.equal(segment.stat().key, key | 0);
    } finally {
      segment.remove();
    }
  }
});

// ---- new segment state

Deno.test("shmget: a new segment: size not rounded, low 9 bits of the mode, never attached, our pid, zeros", async () => {
  const before = Math.floor(Date.now() / 1000) * 1000;
  await withSegment({ size: 100, mode: 0o765 }, (id) => {
    const { size, mode, nattch, atime, dtime, lpid, cpid, ctime } = statSegment(id);
    assert.deepEqual(
      { size, mode, nattch, atime, dtime, lpid, cpid },
      { size: 100, mode: 0o765, nattch: 0, atime: null, dtime: null, lpid: 0, cpid: Deno.pid },
    );
    assert(ctime !== null && ctime.getTime() >= before);
    using segment = Segment.attach(id);
    assert.deepEqual(segment.read(), new Uint8Array(100));
  });
});

testWith({ tools: ["deno"] }, "shmget: a new segment: the umask is not applied", async () => {
  await using peer = Peer.typescript(
    `import { Segment } from "@sysv/shm";
    Deno.umask(0o077);
    using segment = Segment.create({ size: 1, mode: 0o666 });
    segment.remove();
    console.log(segment.stat().mode.toString(8));`,
  );
  const { stdout, stderr } = await peer.ended();
  assert.deepEqual([stdout, stderr], ["666\n", ""]);
});

Deno.test("shmat: the rest of the last page is mapped and writable; the library's bounds end before it", async () => {
  await withSegment({ size: 100 }, (id) => {
    const address = shmat(id, null, 0);
    assert(typeof address === "object");
    const page = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(address, PAGE));
    page[PAGE - 1] = 1;
    assert.equal(page[PAGE - 1], 1);
    using segment = Segment.attach(id);
    assert.equal(segment.bytes.length, 100);
    assert.throws(() => segment.read(100, 1), RangeError);
    assert.equal(shmdt(address), 0);
  });
});

// ---- shmat

Deno.test("shmat: bad id, negative id, removed and gone: EINVAL", () => {
  const gone = Segment.create({ size: 1 });
  gone.remove();
  gone.detach();
  for (const id of [ABSENT, gone.id]) {
    assert.equal(code(() => Segment.attach(id)), "EINVAL");
    assert.equal(attaches(id, null, 0), -EINVAL);
  }
  assert.equal(attaches(-1, null, 0), -EINVAL);
  assert.equal(code(() => Segment.attach(-1)), "RangeError");
});

Deno.test("shmat: unaligned without SHM_RND, mapped already without SHM_REMAP: EINVAL", async () => {
  const address = 0x3000_0000_0000n;
  await withSegment({}, (id) => {
    assert.equal(attaches(id, address + 1n, 0), -EINVAL);
    assert.equal(code(() => Segment.attach(id, { address: address + 1n })), "RangeError");
    assert.equal(attaches(id, address + 1n, SHM.RND), 0);
    using rounded = Segment.attach(id, { address: address + 1n, round: true });
    assert.equal(rounded.address, address);
    assert.equal(attaches(id, address, 0), -EINVAL);
    assert.equal(code(() => Segment.attach(id, { address })), "EINVAL");
    assert.equal(code(() => Segment.attach(id, { address: address + 1n, round: true })), "EINVAL");
  });
});

Deno.test("shmat: SHM_REMAP with NULL, or rounded to NULL: EINVAL; the library does not offer it", async () => {
  await withSegment({}, (id) => {
    assert.equal(attaches(id, null, SHM.REMAP), -EINVAL);
    assert.equal(attaches(id, 1n, SHM.REMAP | SHM.RND), -EINVAL);
  });
});

testWith(
  AS_NOBODY,
  "shmat: read-write without the write bit, the owner too; read-only without the read bit: EACCES",
  async () => {
    await withSegment({ mode: 0o440 }, async (id) => {
      setSegmentPermissions(id, { uid: NOBODY });
      const tries = [
        `Segment.attach(${id}, { trust: true }).readOnly`,
        `Segment.attach(${id}, { trust: true, readOnly: true }).readOnly`,
      ];
      assert.deepEqual(await nobodyGets(tries), ["EACCES", true]);
      setSegmentPermissions(id, { mode: 0o200 });
      assert.deepEqual(await nobodyGets(tries), ["EACCES", "EACCES"]);
      setSegmentPermissions(id, { uid: 0, mode: 0o604 });
      assert.deepEqual(await nobodyGets(tries), ["EACCES", true]);
      setSegmentPermissions(id, { mode: 0o606 });
      assert.deepEqual(await nobodyGets(tries), [false, true]);
    });
  },
);

testWith(AS_NOBODY, "shmat: SHM_EXEC without the x bit: EACCES; with 0700 it works", async () => {
  const executing = (mode: number): string =>
    `(() => {
      using segment = Segment.create({ size: 1, mode: ${mode} });
      segment.remove();
      using again = Segment.attach(segment.id, { execute: true });
      return again.size;
    })()`;
  assert.deepEqual(await nobodyGets([executing(0o600), executing(0o700)]), ["EACCES", 1]);
});

Deno.test("shmat: each attach has its own address, is counted, and sees the writes of the others", async () => {
  await withSegment({}, (id) => {
    using one = Segment.attach(id);
    using two = Segment.attach(id);
    using three = Segment.attach(id, { readOnly: true });
    assert.equal(new Set([one.address, two.address, three.address]).size, 3);
    const { nattch, lpid, atime } = statSegment(id);
    assert.deepEqual([nattch, lpid, atime instanceof Date], [3, Deno.pid, true]);
    one.bytes[0] = 1;
    two.bytes[1] = 2;
    assert.deepEqual([...three.read(0, 2)], [1, 2]);
  });
});

Deno.test("shmat: by id, to a segment marked for removal and still attached: works", () => {
  using first = Segment.create({ size: 1 });
  first.remove();
  using second = Segment.attach(first.id);
  assert.equal(second.stat().markedForRemoval, true);
});

testWith(
  { tools: ["deno", "sh"] },
  "shmat: writing through an SHM_RDONLY mapping: SIGSEGV; the library hands out nothing to write through",
  async () => {
    await withSegment({}, async (id) => {
      await using peer = Peer.start("sh", [
        "-c",
        'ulimit -c 0; exec "$@"',
        "sh",
        ...[Deno.execPath(), "eval", "--ext=ts"],
        `import { shmat } from "file://${PROJECT}ffi/shm.ts";
        const address = shmat(${id}, null, ${SHM.RDONLY});
        const bytes = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(address, 1));
        console.log(bytes[0]);
        bytes[0] = 1;
        console.log("not reached");`,
      ]);
      const { signal, stdout } = await peer.ended();
      assert.deepEqual([signal, stdout], ["SIGSEGV", "0\n"]);
      using segment = Segment.attach(id, { readOnly: true });
      assert.equal(code(() => segment.write(new Uint8Array(1))), "EREADONLY");
      assert.equal(code(() => segment.bytes.length), "EREADONLY");
    });
  },
);

// ---- shmdt

Deno.test("shmdt: not attached, twice, unaligned, not the first page, NULL: EINVAL", async () => {
  await withSegment({ size: 2 * PAGE }, (id) => {
    const address = shmat(id, null, 0);
    assert(typeof address === "object");
    const at = (offset: number): Deno.PointerObject => Deno.UnsafePointer.offset(address, offset)!;
    assert.equal(shmdt(at(1)), -EINVAL);
    assert.equal(shmdt(at(PAGE)), -EINVAL);
    assert.equal(shmdt(null as unknown as Deno.PointerObject), -EINVAL);
    assert.equal(statSegment(id).nattch, 1);
    assert.equal(shmdt(address), 0);
    assert.equal(shmdt(address), -EINVAL);
    const segment = Segment.attach(id);
    segment.detach();
    segment.detach();
    assert.equal(statSegment(id).nattch, 0);
  });
});

Deno.test("shmdt: sets dtime and lpid, and removes one attach", async () => {
  await withSegment({}, (id) => {
    const [one, two] = [Segment.attach(id), Segment.attach(id)];
    assert.deepEqual([statSegment(id).dtime, statSegment(id).nattch], [null, 2]);
    one.detach();
    const { dtime, lpid, nattch } = statSegment(id);
    assert.deepEqual([dtime instanceof Date, lpid, nattch], [true, Deno.pid, 1]);
    two.detach();
  });
});

testWith(
  { tools: ["gcc", "sh"], files: true },
  "shmat: fork doubles attaches, exit and execve end them, after SIGKILL the segment persists",
  async () => {
    using folder = new TestFolder();
    const source = folder.file(
      "family.c",
      `#include <stdio.h>
       #include <stdlib.h>
       #include <sys/shm.h>
       #include <sys/wait.h>
       #include <unistd.h>
       static void step(const char *name, int number) {
         printf("%s %d\\n", name, number);
         fflush(stdout);
         while (getchar() != '\\n') continue;
       }
       int main(int argc, char **argv) {
         if (argc < 2 || shmat(atoi(argv[1]), NULL, 0) == (void *)-1) return 1;
         step("attached", getpid());
         int go[2];
         if (pipe(go) != 0) return 1;
         pid_t child = fork();
         if (child == 0) {
           char byte;
           close(go[1]);
           _exit(read(go[0], &byte, 1) != 0);
         }
         close(go[0]);
         step("forked", child);
         close(go[1]);
         waitpid(child, NULL, 0);
         step("ended", child);
         execl("/bin/sh", "sh", "-c", "echo executed $$; exec cat", NULL);
       }`,
    );
    const program = folder.compile("gcc", "family", ["-O1", "-Wall", source]);
    await withSegment({}, async (id) => {
      const seen = async (peer: Peer): Promise<readonly [string, number, SegmentStat]> => {
        const [name, number] = (await peer.line()).split(" ");
        return [name!, Number(number), statSegment(id)];
      };
      await using peer = Peer.start(program, [`${id}`]);
      const [attached, pid, first] = await seen(peer);
      assert.deepEqual([attached, pid, first.nattch, first.lpid], ["attached", peer.pid, 1, pid]);
      await peer.write("\n");
      const [forked, child, second] = await seen(peer);
      assert.deepEqual([forked, second.nattch, second.lpid], ["forked", 2, pid]);
      await peer.write("\n");
      const [ended, , third] = await seen(peer);
      assert.deepEqual([ended, third.nattch, third.lpid], ["ended", 1, child]);
      await peer.write("\n");
      const [executed, , fourth] = await seen(peer);
      assert.deepEqual([executed, fourth.nattch, fourth.lpid], ["executed", 0, pid]);

      await using killed = Peer.start(program, [`${id}`]);
      assert.equal((await seen(killed))[2].nattch, 1);
      killed.kill("SIGKILL");
      assert.equal((await killed.ended()).signal, "SIGKILL");
      const { nattch, lpid, markedForRemoval } = statSegment(id);
      assert.deepEqual([nattch, lpid, markedForRemoval], [0, killed.pid, false]);
    });
  },
);

// ---- shmctl

testWith(
  AS_NOBODY,
  "IPC_STAT: no read bit: EACCES, the owner too; the library reads the list then",
  async () => {
    await withSegment({ mode: 0o200, size: 123 }, async (id) => {
      const asks = [`shmctl(${id}, ${IPC.STAT}, struct())`, `statSegment(${id}).size`];
      assert.deepEqual(await nobodyGets(asks), [-EACCES, 123]);
      setSegmentPermissions(id, { uid: NOBODY, mode: 0 });
      assert.deepEqual(await nobodyGets(asks), [-EACCES, 123]);
    });
  },
);

Deno.test("IPC_STAT: no such id: EINVAL; no buffer: EFAULT", async () => {
  assert.equal(code(() => statSegment(ABSENT)), "EINVAL");
  assert.equal(shmctl(-1, IPC.STAT, struct()), -EINVAL);
  assert.equal(code(() => statSegment(-1)), "RangeError");
  await withSegment({}, (id) => assert.equal(shmctl(id, IPC.STAT, null), -EFAULT));
});

testWith(AS_NOBODY, "IPC_SET and IPC_RMID: neither owner, creator nor root: EPERM", async () => {
  await withSegment({ mode: 0o666 }, async (id) => {
    const tries = [
      `setSegmentPermissions(${id}, { mode: 0o600 })`,
      `removeSegment(${id})`,
      `shmctl(${id}, ${SHM.LOCK}, null)`,
      `shmctl(${id}, ${SHM.UNLOCK}, null)`,
    ];
    assert.deepEqual(await nobodyGets(tries), ["EPERM", "EPERM", -EPERM, -EPERM]);
    setSegmentPermissions(id, { mode: 0 });
    assert.deepEqual(await nobodyGets(tries), ["EPERM", "EPERM", -EPERM, -EPERM]);
  });
});

testWith(
  AS_NOBODY,
  "IPC_SET: its owner may, without any permission bit, and its creator",
  async () => {
    await withSegment({ mode: 0, size: 64 }, async (id) => {
      setSegmentPermissions(id, { uid: NOBODY });
      assert.deepEqual(await nobodyGets([`setSegmentPermissions(${id}, { mode: 0o640 })`]), [null]);
      const { mode, uid, gid } = statSegment(id);
      assert.deepEqual([mode, uid, gid], [0o640, NOBODY, 0]);
      const asCreator = `(() => {
      const segment = Segment.create({ size: 1 });
      segment.remove();
      segment.setPermissions({ uid: 0, gid: 0, mode: 0 });
      segment.setPermissions({ mode: 0o604 });
      const { uid, cuid, mode } = segment.stat();
      return [uid, cuid, mode];
    })()`;
      assert.deepEqual(await nobodyGets([asCreator]), [[0, NOBODY, 0o604]]);
    });
  },
);

Deno.test("IPC_SET: mode & 0777 alone, the size stays, ctime advances", async () => {
  await withSegment({}, async (id) => {
    const { size: sizeField, fields } = platform().structs.shmid_ds;
    const bytes = new Uint8Array(sizeField);
    assert.equal(shmctl(id, IPC.STAT, bytes), 0);
    const data = new DataView(bytes.buffer);
    data.setBigUint64(fields.shm_segsz.offset, 5n, true);
    data.setUint32(platform().structs.ipc_perm.fields.mode.offset, 0o3640, true);
    const { ctime } = statSegment(id);
    while (statSegment(id).ctime!.getTime() === ctime!.getTime()) {
      assert.equal(shmctl(id, IPC.SET, bytes), 0);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { size, mode, locked, markedForRemoval } = statSegment(id);
    assert.deepEqual([size, mode, locked, markedForRemoval], [100, 0o640, false, false]);
  });
});

Deno.test("IPC_SET: no buffer: EFAULT, before the id is looked at; no such id: EINVAL", () => {
  assert.equal(shmctl(ABSENT, IPC.SET, null), -EFAULT);
  assert.equal(shmctl(ABSENT, IPC.SET, struct()), -EINVAL);
  assert.equal(code(() => setSegmentPermissions(ABSENT, { mode: 0o600 })), "EINVAL");
  assert.equal(code(() => setSegmentPermissions(-1, { mode: 0o600 })), "RangeError");
});

Deno.test("IPC_RMID: no such id: EINVAL; attached: the key is free at once, twice is fine", () => {
  assert.equal(code(() => removeSegment(ABSENT)), "EINVAL");
  assert.equal(code(() => removeSegment(-1)), "RangeError");
  const key = freshKey();
  const first = Segment.create({ key, size: 1 });
  first.remove();
  assert.deepEqual([first.stat().key, first.stat().markedForRemoval], [0, true]);
  assert.equal(findSegment(key), undefined);
  using second = Segment.create({ key, size: 1 });
  second.remove();
  assert.notEqual(second.id, first.id);
  removeSegment(first.id);
  first.detach();
  assert.equal(code(() => statSegment(first.id)), "EINVAL");
  assert.equal(code(() => removeSegment(first.id)), "EINVAL");
});

Deno.test("SHM_LOCK and SHM_UNLOCK: any number of times; the mode shows it", async () => {
  await withSegment({}, (id) => {
    using segment = Segment.attach(id);
    for (const [change, locked] of [["lockMemory", true], ["unlockMemory", false]] as const) {
      for (let twice = 0; twice < 2; twice++) {
        segment[change]();
        assert.deepEqual([segment.stat().locked, segment.stat().mode], [locked, READ_WRITE]);
      }
    }
  });
  assert.equal(shmctl(ABSENT, SHM.LOCK, null), -EINVAL);
});

testWith(
  { tools: ["deno", "prlimit"], root: true },
  "SHM_LOCK: RLIMIT_MEMLOCK 0: EPERM; beyond it: ENOMEM; each says what to do",
  async () => {
    const locking = (size: number): string =>
      `(() => {
        using segment = Segment.create({ size: ${size} });
        segment.remove();
        try { segment.lockMemory(); } catch (error) { return [error.code, error.message]; }
        return segment.stat().locked;
      })()`;
    const limit = (bytes: number): string => `
      const limited = new Deno.Command("prlimit", {
        args: ["--pid", String(Deno.pid), "--memlock=${bytes}:${bytes}"],
      }).outputSync();
      if (!limited.success) throw new Error(new TextDecoder().decode(limited.stderr));`;
    const [none] = await nobodyGets([locking(1)], limit(0)) as [string, string][];
    assert.equal(none![0], "EPERM");
    assert.match(none![1], /lock the segment: shmctl.*no memory at all.*RLIMIT_MEMLOCK/);
    const [fits, tooMuch] = await nobodyGets(
      [locking(PAGE), locking(1 << 24)],
      limit(1 << 23),
    ) as [boolean, [string, string]];
    assert.equal(fits, true);
    assert.equal(tooMuch[0], "ENOMEM");
    assert.match(tooMuch[1], /RLIMIT_MEMLOCK.*ulimit -l/);
    await withSegment({ mode: 0o666 }, async (id) => {
      const others = `(() => {
        try { Segment.attach(${id}).lockMemory(); } catch (error) { return error.message; }
      })()`;
      const [message] = await nobodyGets([others]) as [string];
      assert.match(message, /EPERM.*only its owner.*owner uid 0, mode 0666, nattch 1/);
    });
  },
);

testWith(
  AS_NOBODY,
  "IPC_INFO and SHM_INFO: any user; the id is ignored, but not a negative one",
  async () => {
    const bytes = `new Uint8Array(256)`;
    for (const command of [IPC.INFO, SHM.INFO]) {
      assert.equal(shmctl(-1, command, new Uint8Array(256)), -EINVAL);
      assert(shmctl(ABSENT, command, new Uint8Array(256)) >= 0);
      assert.deepEqual(
        await nobodyGets([
          `shmctl(-1, ${command}, ${bytes})`,
          `shmctl(0, ${command}, ${bytes}) >= 0`,
        ]),
        [-EINVAL, true],
      );
    }
  },
);

testWith(
  AS_NOBODY,
  "SHM_STAT: no read bit: EACCES; SHM_STAT_ANY: the id; an unused index: EINVAL",
  async () => {
    await withSegment({ size: 77 }, async (id) => {
      const highest = shmctl(0, SHM.INFO, new Uint8Array(256));
      let index = 0;
      while (shmctl(index, SHM.STAT, struct()) !== id) assert(index++ < highest);
      assert.deepEqual(
        await nobodyGets([
          `shmctl(${index}, ${SHM.STAT}, struct())`,
          `shmctl(${index}, ${SHM.STAT_ANY}, struct())`,
          `listSegments().find(({ id }) => id === ${id}).size`,
        ]),
        [-EACCES, id, 77],
      );
      for (const command of [SHM.STAT, SHM.STAT_ANY]) {
        assert.equal(shmctl(highest + 1, command, struct()), -EINVAL);
        assert.equal(shmctl(-1, command, struct()), -EINVAL);
      }
      assert.equal(listSegments().filter((stat) => stat.id === id).length, 1);
    });
  },
);

Deno.test("shmctl: an unknown command, or a negative one: EINVAL", async () => {
  await withSegment({}, (id) => {
    for (const command of [99, -1]) assert.equal(shmctl(id, command, struct()), -EINVAL);
  });
});

testWith(
  IN_NAMESPACE,
  "shm_rmid_forced: a segment without attaches goes with its creator, others at the last detach",
  async () => {
    const printed = await inNamespace(
      { shm_rmid_forced: 1 },
      `import { findSegment, Segment } from "@sysv/shm/sysv";
      const child = new Deno.Command(Deno.execPath(), {
        args: ["eval", "--ext=ts", ${
        JSON.stringify(`import { Segment } from "@sysv/shm";
          const held = [1, 2].map((key) => Segment.create({ key, size: 1 }));
          console.log("created");
          await Deno.stdin.read(new Uint8Array(1));
          // Here they are still in use: dropped earlier, the last detach would end them already
          console.log(held.every(({ attached }) => attached));`)
      }],
        stdin: "piped", stdout: "piped",
      }).spawn();
      await child.stdout.getReader().read(); // both are there
      const held = Segment.open(2);
      await child.stdin.close();
      await child.status;
      console.log(findSegment(1), findSegment(2) === held.id, held.stat().markedForRemoval);
      held.detach();
      console.log(findSegment(2));`,
    );
    assert.equal(printed, "undefined true false\nundefined");
  },
);

// ---- ftok

testWith({ files: true }, "ftok: stat's errno: ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG", () => {
  using folder = new TestFolder();
  const file = folder.file("file", "");
  const loop = `${folder.path}/loop`;
  Deno.symlinkSync(loop, loop);
  const cases: readonly (readonly [string, string])[] = [
    [`${folder.path}/none`, "ENOENT"],
    ["", "ENOENT"],
    [`${file}/below`, "ENOTDIR"],
    [loop, "ELOOP"],
    [`${folder.path}/${"x".repeat(300)}`, "ENAMETOOLONG"],
  ];
  for (const [path, expected] of cases) assert.equal(code(() => ftok(path, 1)), expected, path);
});

testWith(
  { ...AS_NOBODY, files: true },
  "ftok: a folder that this user may not search: EACCES",
  async () => {
    using folder = new TestFolder(); // mode 0700, and root's
    const file = folder.file("file", "");
    assert.equal(typeof code(() => ftok(file, 1)), "number");
    assert.deepEqual(await nobodyGets([`ftok(${JSON.stringify(file)}, 1)`]), ["EACCES"]);
  },
);

testWith(
  { files: true },
  "ftok: links are followed and collide, a file created again has another key",
  () => {
    using folder = new TestFolder();
    const file = folder.file("file", "");
    const key = ftok(file, 1);
    Deno.symlinkSync(file, `${folder.path}/soft`);
    Deno.linkSync(file, `${folder.path}/hard`);
    assert.equal(ftok(`${folder.path}/soft`, 1), key);
    assert.equal(ftok(`${folder.path}/hard`, 1), key);
    Deno.renameSync(folder.file("successor", ""), file);
    assert.notEqual(ftok(file, 1), key);
  },
);

testWith(
  { files: true },
  "ftok: the project's low 8 bits; from 0x80 on the key is negative",
  () => {
    using folder = new TestFolder();
    const file = folder.file("file", "");
    assert(ftok(file, 0x7f) > 0);
    assert(ftok(file, 0x80) < 0);
    assert.equal(ftok(file, 0x141), ftok(file, 0x41));
    assert.equal(code(() => ftok(file, 0)), "RangeError");
  },
);
