/**
 * A probe for crashes of Deno's fast calls, which are calls of C from optimized code: `deno task probe
 * [PROCESSES]` runs each C function of `ffi/libc.ts` in hot loops, in many short processes, and prints a
 * verdict.
 *
 * On aarch64 hardware a loop such as the first one here has crashed Deno now and then
 * (https://github.com/denoland/deno/issues/29101), which an emulator does not show. The report starts the
 * program again and again, so many processes find more than a long loop. Exit code 0: no process failed;
 * 1: one crashed, or a call returned something else than before.
 */

import { FUTEX, IPC, OPEN, SEM, SYSCALL } from "../../ffi/constants.ts";
import {
  accountIds,
  accountNames,
  files,
  libc,
  memory,
  others,
  platform,
  processes,
  ring,
  semaphores,
  timespec,
} from "../../ffi/libc.ts";

/** A call that returns the same each time. */
type Call = () => unknown;

/** A call for each function of a part of libc. */
type CallsOf<P extends () => { readonly symbols: object }> = {
  readonly [Name in keyof ReturnType<P>["symbols"]]: Call;
};

const FLAGS = 0x7fff_ffff;

/** Every function that the library binds, with arguments that change nothing; most of the calls fail. */
function calls(): Readonly<Record<string, Call>> {
  const bytes = new Uint8Array(128);
  const word = new Int32Array(1);
  const pointer = Deno.UnsafePointer.of(word);
  const path = new TextEncoder().encode("/\0");
  const noPath = new TextEncoder().encode("/no such file\0");
  const noName = new TextEncoder().encode("no such name\0");
  const noTime = timespec(0);
  const futexNumber = platform().syscalls.futex;
  const { value } = Deno.UnsafePointer;

  const always = libc().symbols;
  const sem = semaphores().symbols;
  const mem = memory().symbols;
  const uring = ring().symbols;
  const file = files().symbols;
  const names = accountNames().symbols;
  const ids = accountIds().symbols;
  const process = processes().symbols;
  const other = others().symbols;

  // A type for each part: a function that is bound and has no call here is an error of the compiler
  const ofAlways: CallsOf<typeof libc> = {
    __errno_location: () => value(always.__errno_location()),
    gnu_get_libc_version: () => value(always.gnu_get_libc_version?.() ?? null),
    geteuid: () => always.geteuid(),
    shmget: () => always.shmget(IPC.PRIVATE, 0n, 0),
    shmctl: () => always.shmctl(-1, IPC.STAT, bytes),
  };
  const ofSemaphores: CallsOf<typeof semaphores> = {
    semget: () => sem.semget(IPC.PRIVATE, -1, 0),
    semop: () => sem.semop(-1, bytes, 1n),
    semtimedop: () => sem.semtimedop(-1, bytes, 1n, noTime),
    semtimedopAsync: () => sem.semtimedopAsync(-1, bytes, 1n, noTime),
    semctl: () => sem.semctl(-1, 0, SEM.GETVAL, 0),
    semctlBuffer: () => sem.semctlBuffer(-1, 0, IPC.STAT, bytes),
  };
  const ofMemory: CallsOf<typeof memory> = {
    shmat: () => value(mem.shmat(-1, null, 0)),
    shmdt: () => mem.shmdt(null),
    mmapFixed: () => mem.mmapFixed(null, 0n, 0, 0, -1, 0n),
    futex: () => mem.futex(futexNumber, pointer, FUTEX.WAKE, 1, noTime),
    futexAsync: () => mem.futexAsync(futexNumber, pointer, FUTEX.WAKE, 1, noTime),
    getauxval: () => mem.getauxval(6n),
  };
  const ofRing: CallsOf<typeof ring> = {
    mmap: () => value(uring.mmap(null, 0n, 0, 0, -1, 0n)),
    munmap: () => uring.munmap(null, 0n),
    ioUringSetup: () => uring.ioUringSetup(SYSCALL.IO_URING_SETUP, 0, bytes),
    ioUringEnter: () => uring.ioUringEnter(SYSCALL.IO_URING_ENTER, -1, 0, 0, 0, null, 0n),
    ioUringRegister: () => uring.ioUringRegister(SYSCALL.IO_URING_REGISTER, -1, 0, bytes, 0),
    eventfd: () => uring.eventfd(0, FLAGS),
    pipe2: () => uring.pipe2(bytes, FLAGS),
    close: () => uring.close(-1),
  };
  const ofFiles: CallsOf<typeof files> = {
    open: () => file.open(noPath, OPEN.RDONLY),
    read: () => file.read(-1, bytes, 1n),
    close: () => file.close(-1),
  };
  const ofAccountNames: CallsOf<typeof accountNames> = {
    getpwuid_r: () => names.getpwuid_r(0, bytes, bytes, 0n, bytes),
    getgrgid_r: () => names.getgrgid_r(0, bytes, bytes, 0n, bytes),
  };
  const ofAccountIds: CallsOf<typeof accountIds> = {
    getpwnam_r: () => ids.getpwnam_r(noName, bytes, bytes, 0n, bytes),
    getgrnam_r: () => ids.getgrnam_r(noName, bytes, bytes, 0n, bytes),
  };
  const ofProcesses: CallsOf<typeof processes> = {
    kill: () => process.kill(Deno.pid, 0),
    pidfdOpen: () => process.pidfdOpen(SYSCALL.PIDFD_OPEN, -1, 0),
    poll: () => process.poll(bytes, 0n, 0),
    close: () => process.close(-1),
  };
  const ofOthers: CallsOf<typeof others> = {
    ftok: () => other.ftok(path, 1),
    sigaction: () => other.sigaction(-1, null, bytes),
    getrlimit: () => other.getrlimit(-1, bytes),
  };
  const { symbols } = Deno.dlopen("libc.so.6", {
    free: { parameters: ["pointer"], result: "void" },
  });
  return {
    "free, as in the report": () => symbols.free(null),
    ...ofAlways,
    ...ofSemaphores,
    ...ofMemory,
    ...ofRing,
    ...ofFiles,
    ...ofAccountNames,
    ...ofAccountIds,
    ...ofProcesses,
    ...ofOthers,
  };
}

/** Rounds after which V8 has compiled the loop, with the call in it. */
const ROUNDS = 20_000;
/** The rounds in a row that call, where the loop goes on without calling; as in the report. */
const IN_A_ROW = 1000;
/** Calls that open files or return promises take too long for as many. */
const SLOW = /^get(pw|gr)|Async$/;

/**
 * A loop of its own for one call: V8 compiles a loop for what it has seen in it, and calls C directly only
 * where that was always one function. The text contains the name so that two loops are not one to V8.
 */
function loopFor(name: string, body: string): (call: Call, rounds: readonly boolean[]) => unknown {
  return new Function("call", "rounds", `/* ${name} */ let last; ${body} return last;`) as (
    call: Call,
    rounds: readonly boolean[],
  ) => unknown;
}

const BODIES = {
  always: "for (const _ of rounds) last = call();",
  first: "for (const calls of rounds) if (calls) last = call();",
} as const;

/** One process: all loops, each announced on standard error, where a crash leaves the last line. */
async function runLoops(): Promise<void> {
  for (const [name, call] of Object.entries(calls())) {
    const expected = await call();
    const count = SLOW.test(name) ? ROUNDS / 100 : ROUNDS;
    const rounds = Array.from({ length: count }, (_, i) => i < IN_A_ROW || i >= count - IN_A_ROW);
    for (const [shape, body] of Object.entries(BODIES)) {
      console.error(`${name} (${shape})`);
      const last = await loopFor(`${name} ${shape}`, body)(call, rounds);
      if (last !== expected) throw new Error(`${name} returned ${last} instead of ${expected}`);
    }
  }
}

/** How one process ended: `undefined` if well, otherwise where it was, and what it said. */
async function failure(flags: readonly string[]): Promise<string | undefined> {
  const { success, code, signal, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-ffi", ...flags, import.meta.url, "loops"],
    env: { NO_COLOR: "1" },
  }).output();
  if (success) return undefined;
  const lines = new TextDecoder().decode(stderr).trim().split("\n");
  const at = lines.findLast((line) => / \((always|first)\)$/.test(line)) ?? "the start";
  const said = lines.find((line) => /^# |error|instead of/i.test(line)) ?? "";
  return `${at}: ${signal ?? `exit code ${code}`} ${said}`.trimEnd();
}

/** Runs many processes one after the other, prints each that fails, and returns how many did. */
async function failures(processes: number, flags: readonly string[] = []): Promise<number> {
  let failed = 0;
  for (let i = 0; i < processes; i++) {
    const found = await failure(flags);
    if (found === undefined) continue;
    failed++;
    console.log(`process ${i + 1}: ${found}`);
  }
  return failed;
}

/** Without TurboFan there is no fast call: FFI takes about 20 times as long. */
const WITHOUT = "--v8-flags=--no-turbofan";

async function main(processesText = "100"): Promise<number> {
  const processes = Number(processesText);
  if (!Number.isSafeInteger(processes) || processes < 1) {
    console.error(`PROCESSES is a number from 1 on, not ${processesText}`);
    return 2;
  }
  const { deno, v8 } = Deno.version;
  const { os, arch } = Deno.build;
  console.log(`${processes} processes, Deno ${deno}, V8 ${v8}, ${os} on ${arch}`);
  const failed = await failures(processes);
  if (failed === 0) {
    console.log(`fast calls: no crash and no wrong result in ${processes} processes`);
    return 0;
  }
  console.log(`fast calls: ${failed} of ${processes} processes failed; the same without TurboFan:`);
  const without = await failures(processes, [WITHOUT]);
  console.log(
    without === 0
      ? `none of ${processes} failed: run Deno with ${WITHOUT} on this machine`
      : `${without} of ${processes} failed: the cause is another one`,
  );
  return 1;
}

if (import.meta.main) {
  if (Deno.args[0] === "loops") await runLoops();
  else Deno.exit(await main(...Deno.args));
}
