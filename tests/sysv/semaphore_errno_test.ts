/**
 * Every way the kernel refuses semaphores, one test a row of the table of errno values: through our
 * calls, and, where those refuse earlier, through libc as well.
 *
 * Not here: `SEM_STAT_ANY` without a buffer, which takes a glibc before 2.33.
 */

import assert from "node:assert/strict";
import { IPC, SEM } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { packSembufs, semctl, semget, semop, semtimedop } from "../../ffi/sem.ts";
import { semaphoreLimits } from "../../src/sysv/mod.ts";
import { SemaphoreSet } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { asNobody } from "../support/other_user.ts";
import { IN_NAMESPACE, inNamespace } from "../support/own_namespace.ts";
import { freshKey, Peer, PROJECT } from "../support/peer.ts";
import { withSet } from "./semaphore_scratch.ts";

guardAgainstLeaks();

/** For programs: prints the result of an action in one line. */
const REPORT = `const report = (action) => {
  try { console.log(action() ?? "done"); } catch (error) {
    console.log(error.code, error.errno, error.call, error.message);
  } };`;

const CREATE = IPC.CREAT | IPC.EXCL | 0o600;
const up = [{ semaphore: 0, add: 1 }];
const down = [{ semaphore: 0, add: -1 }];

function raw(add: number, semaphore = 0, flags = 0): Int16Array<ArrayBuffer> {
  return packSembufs([{ semaphore, add, flags }]);
}

Deno.test("semget: key absent: ENOENT", () => {
  const key = freshKey();
  assert.throws(() => SemaphoreSet.open(key), { code: "ENOENT", errno: 2, call: "semget" });
  // IPC_EXCL alone changes nothing
  assert.equal(semget(key, 1, IPC.EXCL), -ERRNO.ENOENT);
});

Deno.test("semget: key exists, IPC_CREAT|IPC_EXCL: EEXIST", () =>
  withSet({ key: freshKey(), count: 1 }, ({ key }) => {
    assert.throws(() => SemaphoreSet.create({ key, count: 1 }), {
      code: "EEXIST",
      errno: 17,
      call: "semget",
    });
    // Only the limit is looked at before
    assert.equal(semget(key, 2, CREATE), -ERRNO.EEXIST);
    assert.equal(semget(key, semaphoreLimits().semmsl + 1, CREATE), -ERRNO.EINVAL);
  }));

Deno.test("semget: nsems 0, < 0 or > SEMMSL on create: EINVAL", () => {
  const { semmsl } = semaphoreLimits();
  for (const count of [0, -1]) {
    assert.throws(() => SemaphoreSet.create({ count }), RangeError);
    assert.equal(semget(IPC.PRIVATE, count, CREATE), -ERRNO.EINVAL);
    assert.equal(semget(freshKey(), count, CREATE), -ERRNO.EINVAL);
  }
  assert.throws(() => SemaphoreSet.create({ count: semmsl + 1 }), {
    code: "EINVAL",
    errno: 22,
    message: new RegExp(`1 to ${semmsl} semaphores \\(sysctl kernel\\.sem\\)`),
  });
});

Deno.test("semget: nsems > existing: EINVAL; 0 opens any", () =>
  withSet({ key: freshKey(), count: 2 }, ({ key, id }) => {
    assert.equal(semget(key, 3, 0), -ERRNO.EINVAL);
    assert.throws(() => SemaphoreSet.open(key, { minCount: 3 }), { code: "EINVAL", errno: 22 });
    assert.equal(semget(key, 0, 0), id);
    assert.equal(semget(key, 1, 0), id);
    assert.equal(SemaphoreSet.open(key).id, id);
  }));

testWith(IN_NAMESPACE, "semget: SEMMNI: ENOSPC", async () => {
  const printed = await inNamespace(
    { sem: "250 32000 500 2" },
    `import { SemaphoreSet } from "@sysv/shm";
    ${REPORT}
    for (let i = 0; i < 3; i++) report(() => { SemaphoreSet.create({ count: 1 }) });`,
  );
  assert.match(
    printed,
    /^done\ndone\nENOSPC 28 semget .*limit of 2 sets .*\(SEMMNI\).*ipcrm -s.*kernel\.sem$/,
  );
});

testWith(IN_NAMESPACE, "semget: SEMMNS: ENOSPC", async () => {
  const printed = await inNamespace(
    { sem: "250 10 500 100" },
    `import { SemaphoreSet } from "@sysv/shm";
    ${REPORT}
    for (let i = 0; i < 2; i++) report(() => { SemaphoreSet.create({ count: 7 }) });`,
  );
  assert.match(printed, /^done\nENOSPC 28 semget .*7 of the 10 semaphores .*\(SEMMNS\).* 7 more/);
});

Deno.test("semget: values start at 0", () =>
  withSet({ count: 100 }, (set) => assert.deepEqual(new Set(set.values()), new Set([0]))));

testWith(
  { tools: ["deno"], root: true },
  "semget: r/w bits the class lacks: EACCES",
  () =>
    withSet({ key: freshKey(), count: 1 }, async ({ key, id }) => {
      await using peer = asNobody(`
      import { SemaphoreSet } from "@sysv/shm";
      import { semget } from "file://${PROJECT}ffi/sem.ts";
      ${REPORT}
      report(() => SemaphoreSet.openOrCreate({ key: ${key}, count: 1 }));
      report(() => semget(${key}, 0, 0));
    `);
      const { stdout } = await peer.ended();
      // With flags 0 it is found without any permission
      assert.match(stdout, new RegExp(`^EACCES 13 semget .*\n${id}\n$`));
    }),
);

Deno.test("semop: nsops 0: EINVAL", () =>
  withSet({ count: 1 }, (set) => {
    assert.throws(() => set.tryOp([]), RangeError);
    assert.equal(semop(set.id, new Int16Array()), -ERRNO.EINVAL);
  }));

Deno.test("semop: nsops > SEMOPM: E2BIG", () =>
  withSet({ count: 1 }, (set) => {
    const { semopm } = semaphoreLimits();
    const tooMany = Array.from({ length: semopm + 1 }, () => up[0]!);
    assert.throws(() => set.tryOp(tooMany), {
      code: "E2BIG",
      errno: 7,
      call: "semop",
      message: new RegExp(`at most ${semopm} operations .*kernel\\.sem`),
    });
    assert.equal(set.tryOp(tooMany.slice(1)), true);
    assert.equal(set.value(0), semopm);
  }));

Deno.test("semop: bad sem_num: EFBIG", () =>
  withSet({ count: 2 }, (set) => {
    assert.throws(() => set.tryOp([{ semaphore: 2, add: 1 }]), RangeError);
    for (const semaphore of [2, 65535]) {
      assert.equal(semop(set.id, raw(1, semaphore)), -ERRNO.EFBIG);
    }
  }));

Deno.test("semop: IPC_NOWAIT would block: EAGAIN", () =>
  withSet({ count: 1 }, async (set) => {
    assert.equal(set.tryOp(down), false);
    const impatient = [{ semaphore: 0, add: -1, noWait: true }];
    assert.throws(() => set.opSync(impatient), { code: "EAGAIN", errno: 11 });
    await assert.rejects(set.op(impatient), { code: "EAGAIN", errno: 11 });
    assert.equal(semop(set.id, raw(-1, 0, IPC.NOWAIT)), -ERRNO.EAGAIN);
  }));

Deno.test("semop: timeout: EAGAIN, which the library reports as ETIMEDOUT", () =>
  withSet({ count: 1 }, async (set) => {
    assert.equal(semtimedop(set.id, raw(-1), 1), -ERRNO.EAGAIN);
    assert.throws(() => set.opSync(down, { timeout: 1 }), { code: "ETIMEDOUT", errno: 110 });
    await assert.rejects(set.op(down, { timeout: 1 }), { code: "ETIMEDOUT" });
  }));

Deno.test("semop: result > 32767: ERANGE", () =>
  withSet({ count: 1, values: [32767] }, (set) => {
    for (const attempt of [() => set.tryOp(up), () => set.opSync(up)]) {
      assert.throws(attempt, { code: "ERANGE", errno: 34, call: "semop", message: /32767/ });
    }
    assert.throws(() => set.tryOp([{ semaphore: 0, add: -1 }, ...up, ...up]), { code: "ERANGE" });
    assert.equal(set.value(0), 32767);
  }));

Deno.test("semop: bad id: EINVAL", () =>
  withSet({ count: 1 }, (set) => {
    set.remove();
    assert.throws(() => set.tryOp(up), { code: "EINVAL", errno: 22, call: "semop" });
    assert.throws(() => SemaphoreSet.attach(-1), RangeError);
    assert.equal(semop(-1, raw(1)), -ERRNO.EINVAL);
    assert.throws(() => SemaphoreSet.attach(0x7ffffff0), { code: "EINVAL", call: "semctl" });
  }));

testWith(
  { tools: ["deno"] },
  "semop: removed while waiting: EIDRM",
  () =>
    withSet({ count: 1 }, async (set) => {
      await using peer = Peer.typescript(`
      import { packSembufs, semop } from "file://${PROJECT}ffi/sem.ts";
      console.log(semop(${set.id}, packSembufs([{ semaphore: 0, add: -1, flags: 0 }])));
    `);
      const told = assert.rejects(set.op(down), { code: "EIDRM", errno: 43 });
      while (set.waitingForIncrease(0) < 2) await new Promise((resolve) => setTimeout(resolve, 1));
      set.remove();
      assert.equal(await peer.line(), `${-ERRNO.EIDRM}`);
      await told;
    }),
);

testWith(
  { tools: ["deno"] },
  "semop: signal: EINTR, never restarted, except by the library",
  () =>
    withSet({ count: 1 }, async (set) => {
      await using peer = Peer.typescript(`
      import { SemaphoreSet } from "@sysv/shm";
      import { packSembufs, semop } from "file://${PROJECT}ffi/sem.ts";
      Deno.addSignalListener("SIGUSR1", () => {});
      console.log(semop(${set.id}, packSembufs([{ semaphore: 0, add: -1, flags: 0 }])));
      SemaphoreSet.attach(${set.id}).opSync([{ semaphore: 0, add: -1 }]);
      console.log("done");
      Deno.exit();
    `);
      const interrupt = async () => {
        while (set.waitingForIncrease(0) === 0) {
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        peer.kill("SIGUSR1");
      };
      // A signal may find another of its threads
      let first: string | undefined;
      const line = peer.line().then((text) => first = text);
      while (first === undefined) {
        await interrupt();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assert.equal(await line, `${-ERRNO.EINTR}`);
      for (let i = 0; i < 10; i++) await interrupt();
      set.tryOp(up);
      assert.equal(await peer.line(), "done");
    }),
);

Deno.test("semop: bad timespec (nsec >= 1e9): EINVAL, which no timeout of the library becomes", () =>
  withSet({ count: 1 }, (set) => {
    const library = Deno.dlopen("libc.so.6", {
      semtimedop: { parameters: ["i32", "buffer", "usize", "buffer"], result: "i32" },
      __errno_location: { parameters: [], result: "pointer" },
    });
    const { symbols } = library;
    const errno = new Int32Array(
      Deno.UnsafePointerView.getArrayBuffer(symbols.__errno_location()!, 4),
    );
    const nsec = BigInt64Array.of(0n, 1_000_000_000n);
    assert.equal(symbols.semtimedop(set.id, raw(-1), 1n, nsec), -1);
    assert.equal(errno[0], ERRNO.EINVAL);
    library.close();
    for (const timeout of [0.9999999, 0.0000001, 999.9999999]) {
      assert.equal(semtimedop(set.id, raw(-1), timeout), -ERRNO.EAGAIN, `${timeout} ms`);
    }
  }));

testWith(
  { tools: ["deno"], root: true },
  "semop and semctl: no permission: EACCES",
  () =>
    withSet({ count: 1, mode: 0o604 }, async (set) => {
      await using peer = asNobody(`
      import { SemaphoreSet } from "@sysv/shm";
      ${REPORT}
      const set = SemaphoreSet.attach(${set.id});
      report(() => set.value(0));
      report(() => set.tryOp([{ semaphore: 0, add: 0 }]));
      report(() => set.tryOp([{ semaphore: 0, add: 1 }]));
      report(() => set.opSync([{ semaphore: 0, add: -1 }]));
      report(() => set.setValue(0, 1));
      report(() => set.setValues([1]));
    `);
      const { stdout, stderr } = await peer.ended();
      assert.equal(stderr, "");
      const lines = stdout.trim().split("\n");
      assert.deepEqual(lines.slice(0, 2), ["0", "true"]);
      for (const [i, call] of ["semop", "semop", "semctl", "semctl"].entries()) {
        assert.match(lines[2 + i]!, new RegExp(`^EACCES 13 ${call} .*mode 0604.*owner can widen`));
      }
      assert.equal(set.value(0), 0);
    }),
);

testWith(
  { tools: ["deno"], files: true },
  "SEM_UNDO reverts at the exit of a process and of a Worker, clipping at 0",
  () =>
    withSet({ count: 2 }, async (set) => {
      await using peer = Peer.typescript(`
      import { SemaphoreSet } from "@sysv/shm";
      SemaphoreSet.attach(${set.id}).tryOp([
        { semaphore: 0, add: 2, undo: true }, { semaphore: 1, add: 5, undo: true }]);
      const code = 'import { SemaphoreSet } from "@sysv/shm";' +
        'SemaphoreSet.attach(${set.id}).tryOp([{ semaphore: 1, add: 3, undo: true }]);' +
        'postMessage("done"); self.close();';
      const path = Deno.makeTempFileSync({ suffix: ".ts" });
      Deno.writeTextFileSync(path, code);
      await new Promise((done) => {
        new Worker("file://" + path, { type: "module" }).onmessage = done;
      });
      Deno.removeSync(path);
      const threads = () => Array.from(Deno.readDirSync("/proc/self/task"), ({ name }) => {
        try { return Deno.readTextFileSync("/proc/self/task/" + name + "/comm"); } catch { return ""; }
      });
      while (threads().some((name) => name.startsWith("worker-"))) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      console.log("the worker ended");
      for await (const _ of Deno.stdin.readable) break;
    `);
      assert.equal(await peer.line(), "the worker ended");
      // 8 where a Worker's thread may not leave the process's list
      assert([5, 8].includes(set.value(1)), `${set.value(1)}`);
      assert.equal(set.value(0), 2);
      assert(set.tryOp(down));
      await peer.endInput();
      assert.equal((await peer.ended()).stderr, "");
      assert.deepEqual(set.values(), [0, 0]);
    }),
);

Deno.test("semctl: SETVAL < 0 or > 32767: ERANGE", () =>
  withSet({ count: 1 }, (set) => {
    for (const value of [-1, 32768]) {
      assert.throws(() => set.setValue(0, value), RangeError);
      assert.equal(semctl(set.id, 0, SEM.SETVAL, value), -ERRNO.ERANGE);
    }
    set.setValue(0, 32767);
    assert.equal(set.value(0), 32767);
  }));

Deno.test("semctl: semnum out of range: EINVAL", () =>
  withSet({ count: 2 }, (set) => {
    const commands = [SEM.GETVAL, SEM.SETVAL, SEM.GETPID, SEM.GETNCNT, SEM.GETZCNT];
    for (const semaphore of [-1, 2]) {
      assert.throws(() => set.value(semaphore), RangeError);
      for (const command of commands) {
        assert.equal(semctl(set.id, semaphore, command), -ERRNO.EINVAL, `${command}`);
      }
    }
  }));

testWith(
  { tools: ["deno"], root: true },
  "semctl: IPC_SET, RMID by a non-owner: EPERM",
  () =>
    withSet({ count: 1, mode: 0o666 }, async (set) => {
      await using peer = asNobody(`
      import { removeSemaphoreSet, SemaphoreSet } from "@sysv/shm";
      import { setSemaphoreSetPermissions } from "@sysv/shm/sysv";
      ${REPORT}
      const set = SemaphoreSet.attach(${set.id});
      report(() => set.setPermissions({ mode: 0o600 }));
      report(() => setSemaphoreSetPermissions(set.id, { uid: 65534 }));
      report(() => set.remove());
      report(() => removeSemaphoreSet(set.id));
    `);
      const { stdout, stderr } = await peer.ended();
      assert.equal(stderr, "");
      const lines = stdout.trim().split("\n");
      assert.equal(lines.length, 4);
      for (const line of lines) {
        assert.match(line, /^EPERM 1 semctl cannot (change|remove) the.*set \d+ has 1 .*mode 0666/);
      }
      assert.equal(set.stat().mode, 0o666);
    }),
);

Deno.test("semctl: after RMID: EINVAL", () =>
  withSet({ count: 1 }, (set) => {
    set.remove();
    assert.throws(() => set.value(0), { code: "EINVAL", errno: 22, call: "semctl" });
    assert.throws(() => set.values(), { code: "EINVAL", call: "semctl" });
    assert.equal(semctl(set.id, 0, IPC.RMID), -ERRNO.EINVAL);
  }));

Deno.test("semctl: sem_otime is 0 until the first semop", () =>
  withSet({ count: 1 }, (set) => {
    set.setValue(0, 1);
    assert.equal(set.stat().otime, null);
    set.tryOp(down);
    assert.notEqual(set.stat().otime, null);
  }));
