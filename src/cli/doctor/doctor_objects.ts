/** What `doctor` looks for in segments and semaphore sets. It is given them and changes nothing. */

import { geteuid, processExists } from "../../../ffi/libc.ts";
import { LAYOUT, MAILBOX_KEY, SEMAPHORE_COUNT } from "../../mailbox/descriptor.ts";
import { foreignUser, formatMode, type ObjectStat } from "../../sysv/object_stat.ts";
import type { SegmentStat } from "../../sysv/segment_stat.ts";
import type { SemaphoreSetStat } from "../../sysv/semaphore_stat.ts";
import { type Finding, finding, type NotChecked } from "./doctor_report.ts";
import type { Attacher } from "../objects/processes.ts";
import { type AccountNames, hexKey, isOrphan } from "../objects/segment_facts.ts";
import type { SemaphoreFacts } from "../objects/semaphore_facts.ts";
import { accountInWords, plural } from "../text/wording.ts";

/** All objects, and what more can be known of them. */
export interface Objects {
  readonly segments: readonly SegmentStat[];
  readonly sets: readonly SemaphoreSetStat[];
  readonly names: AccountNames;
  /** Who has a segment attached; `undefined` without -A. */
  readonly attachersOf: (id: number) => readonly Attacher[] | undefined;
  /** A set's semaphores; `undefined` without read permission. */
  readonly semaphoresOf: (set: SemaphoreSetStat) => readonly SemaphoreFacts[] | undefined;
}

/** A segment or a semaphore set, so that one check serves both. */
interface Subject {
  readonly stat: ObjectStat;
  readonly about: Parameters<typeof finding>[1];
  /** What it is called. */
  readonly name: string;
  /** What the commands of this program call it. */
  readonly argument: string;
}

/** All findings and remarks about objects. */
export function examineObjects(
  objects: Objects,
): { readonly found: readonly Finding[]; readonly notChecked: readonly NotChecked[] } {
  const { segments, sets, names } = objects;
  const semaphores = new Map(sets.map((set) => [set.id, objects.semaphoresOf(set)]));
  const subjects = [
    ...segments.map((stat) => segmentSubject(stat, names)),
    ...sets.map((stat) => setSubject(stat, names)),
  ];
  return {
    found: [
      ...orphans(objects),
      ...held(objects),
      ...writable(subjects, names),
      ...mailboxKey(objects),
      ...leftSemaphores(objects, semaphores),
      ...givenAway(subjects, names),
    ],
    notChecked: sets.filter(({ id }) => semaphores.get(id) === undefined).map(({ id }) => ({
      check: "left-semaphores",
      why: `semaphore set ${id} gives this user no right to read it`,
    })),
  };
}

function segmentSubject(stat: SegmentStat, names: AccountNames): Subject {
  return {
    stat,
    about: { segment: stat.id },
    name: `segment ${stat.id}, ${keyAndOwner(stat, names)}, ${plural(stat.size, "byte")}`,
    argument: `id:${stat.id}`,
  };
}

function setSubject(stat: SemaphoreSetStat, names: AccountNames): Subject {
  return {
    stat,
    about: { semaphoreSet: stat.id },
    name: `semaphore set ${stat.id}, ${keyAndOwner(stat, names)}`,
    argument: `--semaphores id:${stat.id}`,
  };
}

function keyAndOwner({ key, uid }: ObjectStat, names: AccountNames): string {
  const owner = names.name("user", uid) ?? `uid ${uid}`;
  return `${key === 0 ? "no key" : `key ${hexKey(key)}`}, owner ${owner}`;
}

/** A command that only root and those the object belongs to may run; who that is, if we are not. */
function withRights(command: string, { uid, cuid }: ObjectStat, names: AccountNames): string {
  const us = geteuid();
  if (us === 0 || us === uid || us === cuid) return command;
  return `${command}  # as ${names.name("user", uid) ?? `uid ${uid}`} or root`;
}

function remove({ stat, argument }: Subject, names: AccountNames): string {
  return withRights(`cli.ts rm ${argument}`, stat, names);
}

function orphans({ segments, names }: Objects): Finding[] {
  return segments.filter(isOrphan).map((stat) => {
    const subject = segmentSubject(stat, names);
    const what = `${subject.name}, created by process ${stat.cpid}`;
    return finding("orphans", subject.about, what, remove(subject, names));
  });
}

function held({ segments, names, attachersOf }: Objects): Finding[] {
  return segments.filter(({ markedForRemoval }) => markedForRemoval).map((stat) => {
    const { about, name } = segmentSubject(stat, names);
    const holders = attachersOf(stat.id) ?? [];
    const by = holders.map(({ pid, command }) => `${pid} (${command})`).join(", ");
    const what = `${name}, attached ${plural(stat.nattch, "time")}` +
      (by === "" ? "" : ` by ${by}`);
    return finding(
      "held",
      about,
      what,
      holders.length > 0
        ? `kill ${holders.map(({ pid }) => pid).join(" ")}`
        : `deno run -A cli.ts stat id:${stat.id}  # as root says who holds it`,
    );
  });
}

const OTHERS_WRITE = 0o002;
const GROUP_WRITE = 0o020;

function writable(subjects: readonly Subject[], names: AccountNames): Finding[] {
  return subjects.flatMap(({ stat, about, name, argument }) => {
    if ((stat.mode & (OTHERS_WRITE | GROUP_WRITE)) === 0) return [];
    const check = (stat.mode & OTHERS_WRITE) === 0 ? "group-writable" : "world-writable";
    const mode = formatMode(stat.mode & ~(OTHERS_WRITE | GROUP_WRITE));
    // No command changes the mode of a semaphore set
    const fix = about.segment === undefined
      ? null
      : withRights(`cli.ts chmod ${mode} ${argument}`, stat, names);
    return [finding(check, about, `${name}, mode ${formatMode(stat.mode)}`, fix)];
  });
}

/** What stands at the key that `server` and `client` use unless told otherwise. */
function mailboxKey({ segments, sets, names }: Objects): Finding[] {
  const ours = ({ key }: ObjectStat): boolean => key === MAILBOX_KEY;
  const found = [
    ...segments.filter(ours).map((stat) => ({
      subject: segmentSubject(stat, names),
      strange: stat.size === LAYOUT.size
        ? ""
        : `${stat.size} bytes where a mailbox has ${LAYOUT.size}`,
    })),
    ...sets.filter(ours).map((stat) => ({
      subject: setSubject(stat, names),
      strange: stat.count === SEMAPHORE_COUNT
        ? ""
        : `${plural(stat.count, "semaphore")} where a mailbox has ${SEMAPHORE_COUNT}`,
    })),
  ];
  return found.flatMap(({ subject, strange }) => {
    const user = foreignUser(subject.stat);
    const foreign = user === undefined
      ? ""
      : `created or owned by ${accountInWords(names.name("user", user), user)}`;
    const reasons = [strange, foreign].filter((reason) => reason !== "");
    if (reasons.length === 0) return [];
    const what = `${subject.name}, ${reasons.join(", ")}`;
    return [finding("mailbox-key", subject.about, what, remove(subject, names))];
  });
}

function leftSemaphores(
  { segments, sets, names }: Objects,
  known: ReadonlyMap<number, readonly SemaphoreFacts[] | undefined>,
): Finding[] {
  const keys = new Set(segments.map(({ key }) => key));
  return sets.filter((set) => set.key === 0 || !keys.has(set.key)).flatMap((set) => {
    const semaphores = known.get(set.id) ?? [];
    const users = semaphores.flatMap(({ lastPid }) => lastPid ?? []);
    // Of a set nobody has used yet it is not known who made it
    if (users.length === 0 || users.some(processExists) || semaphores.some(isWaitedOn)) return [];
    const subject = setSubject(set, names);
    const what = `${subject.name}, ${plural(set.count, "semaphore")}`;
    return [finding("left-semaphores", subject.about, what, remove(subject, names))];
  });
}

function isWaitedOn({ waitingForIncrease, waitingForZero }: SemaphoreFacts): boolean {
  return waitingForIncrease + waitingForZero > 0;
}

function givenAway(subjects: readonly Subject[], names: AccountNames): Finding[] {
  return subjects.filter(({ stat }) => stat.uid !== stat.cuid).map(({ stat, about, name }) => {
    const creator = accountInWords(names.name("user", stat.cuid), stat.cuid);
    return finding("given-away", about, `${name}, created by ${creator}`, null);
  });
}
