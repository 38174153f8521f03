/**
 * The checks of `doctor` on the system: its limits, and facts from /proc and the files of systemd, which
 * Deno opens only under -A. They change nothing.
 */

import { geteuid } from "../../../ffi/accounts.ts";
import type { SegmentStat } from "../../sysv/segment_stat.ts";
import { type CheckName, type Examined, type Finding, finding } from "./doctor_report.ts";
import type { LimitFacts } from "../objects/limit_facts.ts";
import { mayReadProc, namespaceOf, readProc } from "../objects/processes.ts";
import type { AccountNames } from "../objects/object_facts.ts";
import { programName } from "../program_name.ts";
import { plural, sizeInWords } from "../text/wording.ts";

/** The percentage of a limit that may be used before it is reported. */
const HIGH_PERCENT = 80;

/** Less than this for one segment, or for all together, is too little for most programs: 32 MiB. */
const LOW_BYTES = 32 * 2 ** 20;

/**
 * Fewer than this are too few for most programs. A set of PostgreSQL has 20 semaphores and one of a
 * mailbox 6. Joining a channel takes one call with as many operations as its set has semaphores, by
 * default 12.
 */
const LEAST: Readonly<Record<string, number>> = {
  shmmni: 8,
  semmni: 8,
  semmns: 160,
  semmsl: 20,
  semopm: 12,
};

/** The kernel's default, practically no limit. Source: SHMMAX of <linux/shm.h>. */
const UNLIMITED = 2n ** 64n - 1n - 2n ** 24n;

/**
 * The kernel's defaults, and the largest values it accepts. Source: <linux/shm.h>, <linux/sem.h>, IPCMNI
 * of Linux ipc/util.h.
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

/** What `kernel.shmmax` and `kernel.shmall` limit, in words. */
const ALLOWED: Readonly<Record<string, string>> = {
  shmmax: "a segment",
  shmall: "all segments together",
};

/** Limits that are nearly reached, and limits that are too low for most programs. */
export function examineLimits(limits: readonly LimitFacts[]): Finding[] {
  const scarce = limits.filter((each) => isLow(each) || isHigh(each));
  // One command sets all numbers of a sysctl
  const bySysctl = Map.groupBy(scarce, ({ sysctl }) => sysctl);
  return [...bySysctl.values()].map((group) =>
    finding("limits", group.map(limitText).join("; "), {
      fix: raising(group[0]!, scarce, limits),
    })
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
 * The command that raises a limit, and with it all scarce limits of the same sysctl; its other numbers
 * stay. If a limit cannot be raised, the command that frees space or shows what uses it.
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

/** Twice a limit, at least the default and at most the kernel's maximum; never less than the limit. */
function raised({ resource, limit }: LimitFacts): bigint {
  const { usual, most } = SETTINGS[resource]!;
  const twice = BigInt(limit!) * 2n;
  const wanted = twice > usual ? twice : usual;
  const value = wanted < most ? wanted : most;
  return value > limit! ? value : BigInt(limit!);
}

/** Checks that need /proc. */
const NEED_PROC: readonly CheckName[] = ["rmid-forced", "container", "logout"];

export function examineSystem(
  segments: readonly SegmentStat[],
  names: AccountNames,
): Examined {
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
  return [finding("rmid-forced", "kernel.shm_rmid_forced is 1", { fix })];
}

/** The initial IPC namespace of the system. Source: PROC_IPC_INIT_INO of <linux/proc_ns.h>. */
const FIRST_IPC_NAMESPACE = "ipc:[4026531839]";

function container(): Finding[] {
  const namespace = namespaceOf("self", "ipc");
  if (namespace === undefined || namespace === FIRST_IPC_NAMESPACE) return [];
  return [finding("container", `this is the IPC namespace ${namespace}`)];
}

/** Users with a lower id are system users; logind keeps their objects. Source: logind.conf(5). */
const FIRST_REGULAR_USER = 1000;

/** The user without rights, who never logs in. */
const NOBODY = 65534;

/** The users whose segments logind removes at logout. `root` is the folder of the system's files. */
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
    return [finding("logout", `${name} owns ${plural(count, "segment")}`)];
  });
}

/** The folders of logind's configuration; a later one overrides an earlier one. Source: logind.conf(5). */
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
