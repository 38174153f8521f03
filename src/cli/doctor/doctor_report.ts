/**
 * What `doctor` says: its checks by name, what one of them finds, and all they find together. For
 * the files of `doctor`.
 */

/** What a check looks for, in words. */
interface Check {
  /** For the help. */
  readonly looksFor: string;
  /** Why it matters where it is found. */
  readonly why: string;
  /** Good to know, and nothing that has to be put right. */
  readonly remark?: true;
}

/** The checks by name, in the order in which they are told. */
export const CHECKS = {
  orphans: {
    looksFor: "segments nobody is attached to, the creator gone",
    why:
      "nobody is attached and the process that created it is gone: it takes memory and a place " +
      "until it is removed",
  },
  held: {
    looksFor: "segments marked for removal, and held by somebody",
    why:
      "it was removed while in use, and its memory stays until the last who holds it detaches or " +
      "ends: wrong only where those should be gone",
  },
  "world-writable": {
    looksFor: "segments and semaphore sets every user may change",
    why: "every user of this system may read, forge or destroy what is in it",
  },
  "mailbox-key": {
    looksFor: "key 1111, ours, in the hands of another user or program",
    why: "cli.ts server and client, at their usual key, refuse it or are read by its owner",
  },
  "left-semaphores": {
    looksFor: "semaphore sets without a segment, their users gone",
    why: "no segment has its key, nobody waits on it, and all who used it last are gone: it was " +
      "probably left by a crash",
  },
  limits: {
    looksFor: "limits that are used to 80 %, or very low",
    why: "at a limit nobody can create anything any more (ENOSPC; EINVAL beyond kernel.shmmax)",
  },
  "rmid-forced": {
    looksFor: "kernel.shm_rmid_forced (needs -A)",
    why: "a segment goes as soon as its creator ends and nobody is attached: what it holds for a " +
      "later reader is lost",
  },
  "group-writable": {
    looksFor: "remark: what a group may change",
    why: "every member of the group may read, forge or destroy what is in it",
    remark: true,
  },
  "given-away": {
    looksFor: "remark: what is not its creator's any more",
    why: "owner and creator, both, may change and remove it",
    remark: true,
  },
  container: {
    looksFor: "remark: an IPC namespace of our own (needs -A)",
    why:
      "programs outside of it see none of its objects, nor it theirs; containers share one with " +
      "--ipc=host or --ipc=container:NAME",
    remark: true,
  },
  logout: {
    looksFor: "remark: users whose objects go at logout (needs -A)",
    why: "systemd-logind removes all System V objects of a user at the end of the last session " +
      "(RemoveIPC=yes in logind.conf)",
    remark: true,
  },
} as const satisfies Readonly<Record<string, Check>>;

/** The name of a check. */
export type CheckName = keyof typeof CHECKS;

/** One thing that was found, as `--json` says it. */
export interface Finding {
  readonly check: CheckName;
  /** The id of the object it is about; both are null where it is the system. */
  readonly segment: number | null;
  readonly semaphoreSet: number | null;
  readonly what: string;
  readonly why: string;
  /** The command that puts it right; null where there is nothing to put right. */
  readonly fix: string | null;
}

/** A check that could not be made, wholly or in part, and why not. */
export interface NotChecked {
  readonly check: CheckName;
  readonly why: string;
}

/** All that the checks found. */
export interface Diagnosis {
  /** What somebody should put right. */
  readonly findings: readonly Finding[];
  /** What is good to know. */
  readonly remarks: readonly Finding[];
  readonly notChecked: readonly NotChecked[];
}

/** Says what `check` found about the object, or about the system. */
export function finding(
  check: CheckName,
  about: Partial<Pick<Finding, "segment" | "semaphoreSet">>,
  what: string,
  fix: string | null,
): Finding {
  const { why } = CHECKS[check];
  return { check, segment: null, semaphoreSet: null, ...about, what, why, fix };
}

/** Whether what the check finds is only good to know. */
export function isRemark({ check }: Finding): boolean {
  const known: Check = CHECKS[check];
  return known.remark === true;
}
