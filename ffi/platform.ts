/**
 * What differs between platforms: the name of libc, system call numbers, and the layout of the structs
 * that libc fills in. A platform that is not in the table is refused; nothing is guessed.
 *
 * `tests/ffi/platform_test.ts` compares the table with `sizeof` and `offsetof` of the local compiler and
 * of the cross compilers that it finds. Internal: used by `ffi/` and `src/sysv`. It makes no calls.
 */

/** A little-endian field of a C struct, in bytes. It is unsigned, or signed 32-bit if it is so in C. */
export interface Field {
  readonly offset: number;
  readonly size: 2 | 4 | 8;
}

/** A C struct that libc fills in: its size in bytes and the fields that this library reads. */
export interface KernelStruct<Name extends string> {
  readonly size: number;
  readonly fields: Readonly<Record<Name, Field>>;
}

type PermName = "key" | "uid" | "gid" | "cuid" | "cgid" | "mode" | "seq";
type ShmidName =
  | "shm_perm"
  | "shm_segsz"
  | "shm_atime"
  | "shm_dtime"
  | "shm_ctime"
  | "shm_cpid"
  | "shm_lpid"
  | "shm_nattch";
type SemidName = "sem_perm" | "sem_otime" | "sem_ctime" | "sem_nsems";
type ShminfoName = "shmmax" | "shmmin" | "shmmni" | "shmseg" | "shmall";
type ShmInfoName =
  | "used_ids"
  | "shm_tot"
  | "shm_rss"
  | "shm_swp"
  | "swap_attempts"
  | "swap_successes";
type SembufName = "sem_num" | "sem_op" | "sem_flg";
type SeminfoName =
  | "semmni"
  | "semmns"
  | "semmsl"
  | "semopm"
  | "semusz"
  | "semvmx"
  | "semaem";
type PasswdName = "pw_name" | "pw_uid";
type GroupName = "gr_name" | "gr_gid";

/** The position of a nested struct. Its fields are in a separate entry of the table. */
type Nested = Omit<Field, "size"> & { readonly size: number };

/** The structs of one platform. */
export interface KernelStructs {
  readonly ipc_perm: KernelStruct<PermName>;
  readonly shmid_ds: {
    readonly size: number;
    readonly fields:
      & Readonly<Record<Exclude<ShmidName, "shm_perm">, Field>>
      & Readonly<Record<"shm_perm", Nested>>;
  };
  readonly semid_ds: {
    readonly size: number;
    readonly fields:
      & Readonly<Record<Exclude<SemidName, "sem_perm">, Field>>
      & Readonly<Record<"sem_perm", Nested>>;
  };
  readonly shminfo: KernelStruct<ShminfoName>;
  readonly shm_info: KernelStruct<ShmInfoName>;
  readonly sembuf: KernelStruct<SembufName>;
  readonly seminfo: KernelStruct<SeminfoName>;
  readonly passwd: KernelStruct<PasswdName>;
  readonly group: KernelStruct<GroupName>;
}

/** The C libraries in the table. */
export type LibcName = "glibc" | "musl";

/** The processors in the table, by Deno's names. */
export type Arch = "x86_64" | "aarch64";

/** One platform: its structs, and the numbers of system calls without a libc function. */
export interface Platform {
  readonly arch: Arch;
  readonly libc: LibcName;
  readonly structs: KernelStructs;
  readonly syscalls: { readonly futex: bigint };
}

const u16 = (offset: number): Field => ({ offset, size: 2 });
const u32 = (offset: number): Field => ({ offset, size: 4 });
const u64 = (offset: number): Field => ({ offset, size: 8 });

/** glibc declares `seq` with 16 bits. musl declares it with 32 bits, of which the kernel fills 16. */
function ipcPerm(seq: Field): KernelStruct<PermName> {
  return {
    size: 48,
    fields: {
      key: u32(0),
      uid: u32(4),
      gid: u32(8),
      cuid: u32(12),
      cgid: u32(16),
      mode: u32(20),
      seq,
    },
  };
}

const common = {
  shmid_ds: {
    size: 112,
    fields: {
      shm_perm: { offset: 0, size: 48 },
      shm_segsz: u64(48),
      shm_atime: u64(56),
      shm_dtime: u64(64),
      shm_ctime: u64(72),
      shm_cpid: u32(80),
      shm_lpid: u32(84),
      shm_nattch: u64(88),
    },
  },
  shminfo: {
    size: 72,
    fields: { shmmax: u64(0), shmmin: u64(8), shmmni: u64(16), shmseg: u64(24), shmall: u64(32) },
  },
  shm_info: {
    size: 48,
    fields: {
      used_ids: u32(0),
      shm_tot: u64(8),
      shm_rss: u64(16),
      shm_swp: u64(24),
      swap_attempts: u64(32),
      swap_successes: u64(40),
    },
  },
  sembuf: { size: 6, fields: { sem_num: u16(0), sem_op: u16(2), sem_flg: u16(4) } },
  seminfo: {
    size: 40,
    fields: {
      semmni: u32(4),
      semmns: u32(8),
      semmsl: u32(16),
      semopm: u32(20),
      semusz: u32(28),
      semvmx: u32(32),
      semaem: u32(36),
    },
  },
  passwd: { size: 48, fields: { pw_name: u64(0), pw_uid: u32(16) } },
  group: { size: 32, fields: { gr_name: u64(0), gr_gid: u32(16) } },
} as const;

/** x86-64 has a reserved word after each time; aarch64 does not. */
const semidX86 = (nsems: Field) => ({
  size: 104,
  fields: {
    sem_perm: { offset: 0, size: 48 },
    sem_otime: u64(48),
    sem_ctime: u64(64),
    sem_nsems: nsems,
  },
});
const semidAarch64 = (nsems: Field) => ({
  size: 88,
  fields: {
    sem_perm: { offset: 0, size: 48 },
    sem_otime: u64(48),
    sem_ctime: u64(56),
    sem_nsems: nsems,
  },
});

const glibcPerm = ipcPerm(u16(24));
const muslPerm = ipcPerm(u32(24));

/** Every supported platform, by processor and C library. */
export const PLATFORMS: Readonly<Record<Arch, Readonly<Record<LibcName, Platform>>>> = {
  x86_64: {
    glibc: {
      arch: "x86_64",
      libc: "glibc",
      structs: { ...common, ipc_perm: glibcPerm, semid_ds: semidX86(u64(80)) },
      syscalls: { futex: 202n },
    },
    musl: {
      arch: "x86_64",
      libc: "musl",
      structs: { ...common, ipc_perm: muslPerm, semid_ds: semidX86(u16(80)) },
      syscalls: { futex: 202n },
    },
  },
  aarch64: {
    glibc: {
      arch: "aarch64",
      libc: "glibc",
      structs: { ...common, ipc_perm: glibcPerm, semid_ds: semidAarch64(u64(64)) },
      syscalls: { futex: 98n },
    },
    musl: {
      arch: "aarch64",
      libc: "musl",
      structs: { ...common, ipc_perm: muslPerm, semid_ds: semidAarch64(u16(64)) },
      syscalls: { futex: 98n },
    },
  },
};

/**
 * The name that opens libc. No file is searched, because libc is already in the process: glibc finds the
 * loaded library by this name, and musl uses itself for every name that begins with `libc.`.
 */
export const LIBC_SONAME = "libc.so.6";

/**
 * The oldest supported Deno. Before 2.8 the handle of a socket does not read an eventfd, so that every
 * promise that waits takes a thread, and `deno test` takes libc for a leak. Before 2.5 a `Uint8Array` has no
 * `toHex`.
 */
export const OLDEST_DENO = "2.8.0";

/** Whether this version of Deno is supported. */
export function supportedDeno(version: string): boolean {
  const numbers = (text: string): number[] => text.split(/[.+-]/).slice(0, 3).map(Number);
  const [major = 0, minor = 0] = numbers(version);
  const [oldestMajor = 0, oldestMinor = 0] = numbers(OLDEST_DENO);
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

/** Returns the processor if this system is in the table, otherwise `undefined`. */
export function supportedArch(os: string, arch: string): Arch | undefined {
  return os === "linux" && (arch === "x86_64" || arch === "aarch64") ? arch : undefined;
}
