/**
 * What `doctor` looks for in the system: limits, and what only /proc and the files of systemd tell,
 * which Deno opens under -A. Changes nothing.
 */

import { geteuid } from "../../../ffi/libc.ts";
import type { SegmentStat } from "../../sysv/segment_stat.ts";
import { type CheckName, type Finding, type NotChecked, systemFinding } from "./doctor_report.ts";
import type { LimitFacts } from "../objects/limit_facts.ts";
import { mayReadProc, namespaceOf, readProc } from "../objects/processes.ts";
import type { AccountNames } from "../objects/object_facts.ts";
import { programName } from "../program_name.ts";
import { plural, sizeInWords } from "../text/wording.ts";

/** What of a limit may be used before it is worth a word. */
const HIGH_PERCENT = 80;

/** Less than this for one segment, or for all together, is no use to most programs: 32 MiB. */
const LOW_BYTES = 32 * 2 ** 20;

/**
 * Fewer than this are no use to most programs. A set of PostgreSQL has 20 semaphores and one of a mailbox
 * 6; joining a channel takes an operation of as many as its set has, 12 unless told otherwise.
 */
const LEAST: Readonly<Record<string, number>> = {
  shmmni: 8,
  semmni: 8,
  semmns: 160,
  semmsl: 20,
  semopm: 12,
};

/** As good as no limit, and what the kernel starts with. Source: SHMMAX of <linux/shm.h>. */
const UNLIMITED = 2n ** 64n - 1n - 2n ** 24n;

/**
 * What the kernel starts with, and the most it takes. Source: <linux/shm.h>, <linux/sem.h>, IPCMNI of
 * Linux ipc/util.h.
 */
const SETTINGS: Readonly<Record<string, { readonly usual: bigint; readonly most: bigint }>> = {
  shmmni: { usual: 4096n, most: 32768n },
  shmall: { usual: UNLIMITED, most: UNLIMITED },
  shmmax: { usual: UNLIMITED, most: UNLIMITED },
  semmni: { usual: 32000n, most: 32768n },
  semmns: { usual: 1024000000n, most: 2n ** 31n - 1n },
  semmsl: { usual: 32000n, most: 2n ** 31n - 1n },
  semopm: { usual: 500n, most: 2n ** 31n - 1n },
};

/** What `kernel.shmmax` and `kernel.shmall` allow so and so many bytes of. */
const ALLOWED: Readonly<Record<string, string>> = {
  shmmax: "a segment",
  shmall: "all segments together",
};

/** Limits that are nearly reached, and such as nobody can work with. */
export function examineLimits(limits: readonly LimitFacts[]): Finding[] {
  const scarce = limits.filter((each) => isLow(each) || isHigh(each));
  // One sysctl is set in one go
  const bySysctl = Map.groupBy(scarce, ({ sysctl }) => sysctl);
  return [...bySysctl.values()].map((group) =>
    systemFinding("limits", group.map(limitText).join("; "), raising(group[0]!, scarce, limits))
  );
}

function limitText(each: LimitFacts): string {
  const { resource, limit, used, percent, description, unitBytes, sysctl } = each;
  if (!isLow(each)) return `${used} of ${limit} ${description} (${percent!.toFixed(1)} %)`;
  if (unitBytes === null) return `${sysctl} allows ${limit} ${description}`;
  const size = sizeInWords(Number(limit) * unitBytes);
  return `${sysctl} is ${limit}: ${ALLOWED[resource]} may have ${size} at most`;
}

function isLow({ resource, limit, unitBytes, sysctl }: LimitFacts): boolean {
  if (limit === null || sysctl === null) return false;
  return unitBytes === null
    ? Number(limit) < (LEAST[resource] ?? 0)
    : Number(limit) * unitBytes < LOW_BYTES;
}

function isHigh({ percent }: LimitFacts): boolean {
  return percent !== null && percent >= HIGH_PERCENT;
}

/**
 * The command that raises a limit, and with it all scarce ones that the same sysctl sets; where that
 * has several numbers the others stay. Where a limit cannot be raised, the command that makes room or
 * shows what takes it.
 */
function raising(
  limit: LimitFacts,
  scarce: readonly LimitFacts[],
  limits: readonly LimitFacts[],
): string {
  const { sysctl, sysctlField } = limit;
  if (raised(limit) <= limit.limit!) {
    return `${programName()} ${sysctlField === null ? "rm --orphans" : "ls --semaphores"}`;
  }
  if (sysctlField === null) return setting(`${sysctl}=${raised(limit)}`);
  const numbers = limits.filter((each) => each.sysctl === sysctl)
    .toSorted((a, b) => a.sysctlField! - b.sysctlField!)
    .map((each) => scarce.includes(each) ? raised(each) : each.limit);
  return setting(`${sysctl}="${numbers.join(" ")}"`);
}

/** The command that sets a sysctl, as this user can run it. */
function setting(assignment: string): string {
  return `${geteuid() === 0 ? "" : "sudo "}sysctl -w ${assignment}`;
}

/** Twice a limit, but at least what is usual and at most what the kernel takes; never less. */
function raised({ resource, limit }: LimitFacts): bigint {
  const { usual, most } = SETTINGS[resource]!;
  const twice = BigInt(limit!) * 2n;
  const wanted = twice > usual ? twice : usual;
  const value = wanted < most ? wanted : most;
  return value > limit! ? value : BigInt(limit!);
}

/** Checks that need /proc. */
const NEED_PROC: readonly CheckName[] = ["rmid-forced", "container", "logout"];

/** What there is to say of the system around us. */
export function examineSystem(
  segments: readonly SegmentStat[],
  names: AccountNames,
): { readonly found: readonly Finding[]; readonly notChecked: readonly NotChecked[] } {
  if (!mayReadProc()) {
    return {
      found: [],
      notChecked: NEED_PROC.map((check) => ({ check, why: "needs -A, which opens /proc" })),
    };
  }
  return { found: [...rmidForced(), ...container(), ...logout(segments, names)], notChecked: [] };
}

function rmidForced(): Finding[] {
  if (readProc("sys/kernel/shm_rmid_forced")?.trim() !== "1") return [];
  const fix = setting("kernel.shm_rmid_forced=0");
  return [systemFinding("rmid-forced", "kernel.shm_rmid_forced is 1", fix)];
}

/** The namespace the system starts with. Source: PROC_IPC_INIT_INO of <linux/proc_ns.h>. */
const FIRST_IPC_NAMESPACE = "ipc:[4026531839]";

function container(): Finding[] {
  const namespace = namespaceOf("self", "ipc");
  if (namespace === undefined || namespace === FIRST_IPC_NAMESPACE) return [];
  return [systemFinding("container", `this is the IPC namespace ${namespace}`, null)];
}

/** Users below are of the system, and logind leaves theirs alone. Source: logind.conf(5). */
const FIRST_REGULAR_USER = 1000;

/** The user without rights, who never logs in. */
const NOBODY = 65534;

/** Users whose segments logind removes. `root` is the folder of the system's files. */
export function logout(
  segments: readonly SegmentStat[],
  names: AccountNames,
  root = "",
): Finding[] {
  if (!exists(`${root}/run/systemd/system`) || !removesIpc(root)) return [];
  const users = new Set(
    segments.map(({ uid }) => uid).filter((uid) => uid >= FIRST_REGULAR_USER && uid !== NOBODY),
  );
  return [...users].flatMap((uid) => {
    const name = names.name("user", uid);
    if (name === null || exists(`${root}/var/lib/systemd/linger/${name}`)) return [];
    const count = segments.filter((each) => each.uid === uid).length;
    return [systemFinding("logout", `${name} owns ${plural(count, "segment")}`, null)];
  });
}

/** Where logind is told what to do; what comes later counts. Source: logind.conf(5). */
const LOGIND_FOLDERS = [
  "/usr/lib/systemd",
  "/usr/local/lib/systemd",
  "/run/systemd",
  "/etc/systemd",
];

function removesIpc(root: string): boolean {
  const main = LOGIND_FOLDERS.map((folder) => `${root}${folder}/logind.conf`);
  const more = LOGIND_FOLDERS.flatMap((folder) => filesIn(`${root}${folder}/logind.conf.d`));
  const texts = [...main.map(read).filter((text) => text !== undefined).slice(-1)]
    .concat(more.toSorted((a, b) => a.name < b.name ? -1 : 1).map(({ path }) => read(path) ?? ""));
  const values = texts.flatMap((text) =>
    [...text.matchAll(/^[ \t]*RemoveIPC[ \t]*=[ \t]*(\S*)[ \t]*$/gm)].map(([, value]) => value!)
  );
  return !/^(no|n|false|f|off|0)$/i.test(values.at(-1) ?? "yes");
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

function filesIn(folder: string): { readonly name: string; readonly path: string }[] {
  try {
    return [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".conf"))
      .map(({ name }) => ({ name, path: `${folder}/${name}` }));
  } catch {
    return [];
  }
}
