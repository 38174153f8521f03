/**
 * Facts that only /proc has: which processes have a segment attached, and how much of it is in memory.
 * Deno opens /proc only under `--allow-all`; without it these facts are missing, without a prompt.
 */

/** A process that has a segment attached. */
export interface Attacher {
  readonly pid: number;
  /** Its name in the kernel, at most 15 bytes. */
  readonly command: string;
  /** How often the segment is attached there. */
  readonly times: number;
}

/** How much of a segment is in memory and how much is swapped out, in bytes. */
export interface Residence {
  readonly resident: number;
  readonly swapped: number;
}

/** How much of each segment is in memory, by its id, from the lines of /proc/sysvipc/shm. */
export function residencesIn(table: string): ReadonlyMap<number, Residence> {
  const [head = [], ...rows] = table.trim().split("\n").map((line) => line.trim().split(/\s+/));
  return new Map(rows.map((cells) => {
    const cell = (name: string): number => Number(cells[head.indexOf(name)]);
    return [cell("shmid"), { resident: cell("rss"), swapped: cell("swap") }];
  }));
}

/** Every kind of permission: the paths under /proc need all of them, without limits. */
const ALL = ["env", "ffi", "import", "net", "read", "run", "sys", "write"] as const;

/** Whether /proc may be read, checked without a prompt. */
export function mayReadProc(): boolean {
  return ALL.every((name) => {
    const { state, partial } = Deno.permissions.querySync({ name });
    return state === "granted" && !partial;
  });
}

/** The note to print if {@linkcode mayReadProc} returns `false`. */
export const PROC_NOTE =
  "attached pids and resident sizes come from /proc: run with -A to see them";

/** The result of `look` under /proc, or `undefined` if the entry is gone or forbidden to this user. */
function ifThere<Found>(look: () => Found): Found | undefined {
  try {
    return look();
  } catch (error) {
    if (isExpected(error)) return undefined;
    throw error;
  }
}

/** A file under /proc, or `undefined` if it is gone or forbidden to this user. Needs -A. */
export function readProc(path: string): string | undefined {
  return ifThere(() => Deno.readTextFileSync(`/proc/${path}`));
}

/** Whether an error is normal: processes end during the read, and other users' entries are forbidden. */
function isExpected(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable ||
    // ESRCH: it ended between opening and reading
    (error instanceof Error && /os error 3\b/.test(error.message));
}

/** The namespace of a process, as the kernel names it: `ipc:[4026531839]`. Needs -A. */
export function namespaceOf(pid: string, kind: "ipc" | "pid"): string | undefined {
  return ifThere(() => Deno.readLinkSync(`/proc/${pid}/ns/${kind}`));
}

/** A mapping of a segment: its inode is the segment's id. Source: proc(5), Linux ipc/shm.c. */
const MAPPING = /^\S+ \S+ \S+ \S+ +(\d+) +\/SYSV[0-9a-f]{8}(?: \(deleted\))?$/gm;

/**
 * The processes attached to each segment, by segment id, as far as this user may see them. `undefined`
 * without the permission.
 */
export function attachers(): ReadonlyMap<number, readonly Attacher[]> | undefined {
  if (!mayReadProc()) return undefined;
  const bySegment = new Map<number, Attacher[]>();
  const ours = namespaceOf("self", "ipc");
  for (const { name } of ifThere(() => [...Deno.readDirSync("/proc")]) ?? []) {
    // Ids in another namespace belong to other segments
    if (!/^[0-9]+$/.test(name) || namespaceOf(name, "ipc") !== ours) continue;
    const times = new Map<number, number>();
    for (const [, inode] of (readProc(`${name}/maps`) ?? "").matchAll(MAPPING)) {
      times.set(Number(inode), (times.get(Number(inode)) ?? 0) + 1);
    }
    for (const [id, count] of times) {
      const command = (readProc(`${name}/comm`) ?? "").trimEnd();
      const found = bySegment.get(id) ?? [];
      found.push({ pid: Number(name), command, times: count });
      bySegment.set(id, found);
    }
  }
  return bySegment;
}

/** How much of each segment is in memory, by its id; `undefined` without the permission. */
export function residences(): ReadonlyMap<number, Residence> | undefined {
  return mayReadProc() ? residencesIn(readProc("sysvipc/shm") ?? "") : undefined;
}
