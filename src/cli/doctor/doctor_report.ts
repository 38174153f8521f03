/**
 * The report of `doctor`: its checks by name, the findings of one, and the diagnosis of all. Internal:
 * used by the files of `doctor`.
 *
 * A check finds either problems, each with a command that is safe to run as printed, or remarks, without
 * a command. From outside it cannot be seen what another program needs, or whether a wide mode is
 * intended, so no finding about a single object is a problem.
 */

interface Check {
  /** What it looks for, for the help. */
  readonly looksFor: string;
  /** Why a finding matters. */
  readonly why: string;
  /** Whether its findings are problems; otherwise they are remarks. */
  readonly wrong?: true;
}

/** The checks by name, in the order of the report. */
export const CHECKS = {
  limits: {
    looksFor: "limits that are used to 80 %, or very low",
    why: "at a limit no program can create anything any more (ENOSPC; EINVAL beyond kernel.shmmax)",
    wrong: true,
  },
  "rmid-forced": {
    looksFor: "kernel.shm_rmid_forced (needs -A)",
    why:
      "a segment goes as soon as its creator ends and no process is attached: what it holds for " +
      "a later reader is lost",
    wrong: true,
  },
  orphans: {
    looksFor: "segments without a sign of a use",
    why: "no process is attached, and its creator and last user are gone: it takes memory until " +
      "it is removed. Some programs leave data like this and attach it again. `rm --orphans` " +
      "shows each with the evidence and asks",
  },
  idle: {
    looksFor: "unattached segments that may be needed",
    why:
      "no process is attached and the creator is gone, but there are signs of a use: a database " +
      "may attach it again, and fails if it was removed",
  },
  unseen: {
    looksFor: "unattached segments whose creator cannot be seen from here",
    why:
      "the creator is in another pid namespace, alive or not: only its container or its host can " +
      "tell whether it is still needed",
  },
  held: {
    looksFor: "segments marked for removal and attached, the creator gone",
    why: "it was removed while attached, and its memory stays until the last process that has it " +
      "attached detaches or ends. Many programs intend that",
  },
  "world-writable": {
    looksFor: "segments and semaphore sets every user may change",
    why:
      "every user of this system may forge or destroy what is in it. Some programs intend that (X, " +
      "gpsd), and their clients fail with a narrower mode",
  },
  "group-writable": {
    looksFor: "segments and semaphore sets a group may change",
    why: "every member of the group may forge or destroy what is in it",
  },
  "mailbox-key": {
    looksFor: "key 1111 of the mailbox, used by another user or program",
    why:
      "`server` and `client` refuse it at their default key, or its owner reads their messages: give " +
      "both another one with --key",
  },
  "left-semaphores": {
    looksFor: "semaphore sets without a segment whose last users are gone",
    why:
      "no segment has its key, no process waits on it, and its last users are gone. It may still be " +
      "in use: a server's children use a set and end before the server",
  },
  "given-away": {
    looksFor: "objects that do not belong to their creator",
    why: "both owner and creator may change and remove it",
  },
  container: {
    looksFor: "an own IPC namespace (needs -A)",
    why:
      "programs outside of it see none of its objects, nor it theirs; containers share one with " +
      "--ipc=host or --ipc=container:NAME",
  },
  logout: {
    looksFor: "users whose objects are removed at logout (needs -A)",
    why: "systemd-logind removes all System V objects of a user at the end of the last session " +
      "(RemoveIPC=yes in logind.conf). `loginctl enable-linger USER` keeps those of one user",
  },
} as const satisfies Readonly<Record<string, Check>>;

export type CheckName = keyof typeof CHECKS;

/** An object with a finding; one of the two ids is null. */
export interface FoundObject {
  readonly segment: number | null;
  readonly semaphoreSet: number | null;
  readonly what: string;
  readonly detail: string;
}

/** A finding of one check about the objects of one process, or about the system. */
export interface Finding {
  readonly check: CheckName;
  /** The id of the object, if the finding is about a single one. */
  readonly segment: number | null;
  readonly semaphoreSet: number | null;
  /** The process that created or holds all of them; null if there is none, or it is unknown. */
  readonly process: number | null;
  /** The number of objects, and the bytes of all segments; 0 and null for the system. */
  readonly count: number;
  readonly bytes: number | null;
  readonly what: string;
  /** Details about the object, or about the first of several; null for the system. */
  readonly detail: string | null;
  readonly why: string;
  /** The command that fixes the problem, safe to run as printed; null for a remark. */
  readonly fix: string | null;
  readonly objects: readonly FoundObject[];
}

/** A check that could not be made, or only in part, and the reason. */
export interface NotChecked {
  readonly check: CheckName;
  readonly why: string;
}

export interface Examined {
  readonly found: readonly Finding[];
  readonly notChecked: readonly NotChecked[];
}

/** The findings of all checks. */
export interface Diagnosis {
  readonly findings: readonly Finding[];
  /** The remarks: facts that are worth knowing. */
  readonly remarks: readonly Finding[];
  readonly notChecked: readonly NotChecked[];
}

/** Makes a finding of `check`: about the system, unless it is about objects. */
export function finding(
  check: CheckName,
  what: string,
  rest: Partial<Pick<Finding, "process" | "bytes" | "detail" | "fix" | "objects">> = {},
): Finding {
  const { objects = [] } = rest;
  const single = objects.length === 1 ? objects[0] : undefined;
  return {
    check,
    segment: single?.segment ?? null,
    semaphoreSet: single?.semaphoreSet ?? null,
    process: null,
    count: objects.length,
    bytes: null,
    what,
    detail: null,
    why: CHECKS[check].why,
    fix: null,
    objects,
    ...rest,
  };
}

export function isRemark({ check }: Pick<Finding, "check">): boolean {
  const known: Check = CHECKS[check];
  return known.wrong !== true;
}
