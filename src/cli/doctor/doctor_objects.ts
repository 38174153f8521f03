/** The checks of `doctor` on segments and semaphore sets. They change nothing. */

import { LAYOUT, MAILBOX_KEY, SEMAPHORE_COUNT } from "../../mailbox/descriptor.ts";
import { foreignUser, formatMode, type ObjectStat } from "../../sysv/object_stat.ts";
import type { SegmentStat } from "../../sysv/segment_stat.ts";
import type { SemaphoreSetStat } from "../../sysv/semaphore_stat.ts";
import type { AccountNames } from "../objects/object_facts.ts";
import type { Attacher } from "../objects/processes.ts";
import { type Inventory, processText } from "../objects/unused.ts";
import { accountInWords, hexKey, plural, sizeInWords } from "../text/wording.ts";
import { type CheckName, type Examined, type Finding, finding } from "./doctor_report.ts";

/** All objects, with further information about them. */
export interface Objects {
  readonly inventory: Inventory;
  readonly names: AccountNames;
  /** The processes that have a segment attached; `undefined` without -A. */
  readonly attachersOf: (id: number) => readonly Attacher[] | undefined;
}

/** A segment or a semaphore set, so that one check works for both. */
interface Subject {
  readonly kind: "segment" | "semaphore set";
  readonly stat: ObjectStat;
  /** Its size; 0 for a semaphore set. */
  readonly bytes: number;
  /** Its name in findings. */
  readonly name: string;
}

interface Item {
  readonly check: CheckName;
  readonly subject: Subject;
  /** The process by which objects are grouped; null if it is unknown. */
  readonly process: number | null;
  readonly detail: string;
}

export function examineObjects(objects: Objects): Examined {
  const { inventory, names } = objects;
  const { segments, sets } = inventory;
  const subjects = [
    ...segments.map((stat) => segmentSubject(stat, names)),
    ...sets.map((stat) => setSubject(stat, names)),
  ];
  const items = [
    ...segments.flatMap((stat) => unused(stat, objects)),
    ...segments.flatMap((stat) => held(stat, objects)),
    ...subjects.flatMap((subject) => exposed(subject, names)),
    ...subjects.flatMap((subject) => mailboxKey(subject, names)),
    ...leftSemaphores(objects),
    ...subjects.flatMap((subject) => givenAway(subject, names)),
  ];
  const unread = sets.filter((set) => inventory.semaphores(set) === undefined).length;
  return {
    found: together(items, names),
    notChecked: unread === 0 ? [] : [{
      check: "left-semaphores",
      why: `${plural(unread, "semaphore set")} that this user may not read`,
    }],
  };
}

function segmentSubject(stat: SegmentStat, names: AccountNames): Subject {
  const { size } = stat;
  return { kind: "segment", stat, bytes: size, name: nameOf("segment", stat, names, size, "byte") };
}

function setSubject(stat: SemaphoreSetStat, names: AccountNames): Subject {
  const kind = "semaphore set";
  return { kind, stat, bytes: 0, name: nameOf(kind, stat, names, stat.count, "semaphore") };
}

function nameOf(
  kind: Subject["kind"],
  stat: ObjectStat,
  names: AccountNames,
  count: number,
  unit: string,
): string {
  const key = stat.key === 0 ? "no key" : `key ${hexKey(stat.key)}`;
  return `${kind} ${stat.id}, ${key}, ${ownerText(stat, names)}, ${plural(count, unit)}`;
}

function ownerText({ uid }: ObjectStat, names: AccountNames): string {
  return `owner ${names.name("user", uid) ?? `uid ${uid}`}`;
}

/** Groups items into one finding for each check, kind of object, owner and process. */
function together(items: readonly Item[], names: AccountNames): Finding[] {
  const groups = Map.groupBy(
    items,
    ({ check, process, subject: { kind, stat } }) => `${check} ${kind} ${stat.uid} ${process}`,
  );
  return [...groups.values()].map((group) => {
    const { check, process, subject: { kind, stat } } = group[0]!;
    const bytes = group.reduce((sum, { subject }) => sum + subject.bytes, 0);
    const details = [...new Set(group.map(({ detail }) => detail))];
    const size = kind === "segment" ? `, ${sizeInWords(bytes)}` : "";
    const several = `${plural(group.length, kind)}, ${ownerText(stat, names)}${size}`;
    const objects = group.map(({ subject, detail }) => ({
      segment: subject.kind === "segment" ? subject.stat.id : null,
      semaphoreSet: subject.kind === "segment" ? null : subject.stat.id,
      what: subject.name,
      detail,
    }));
    return finding(check, group.length === 1 ? objects[0]!.what : several, {
      process,
      objects,
      bytes: kind === "segment" ? bytes : null,
      detail: `${details[0]}${details.length > 1 ? "; others differ" : ""}`,
    });
  });
}

/** Segments without an attached process and, as far as can be seen, without a living creator. */
function unused(stat: SegmentStat, { inventory, names }: Objects): Item[] {
  const { verdict, abandoned, reasons, creator } = inventory.segment(stat);
  if (abandoned === false) return [];
  const subject = segmentSubject(stat, names);
  if (abandoned === null) {
    return [{ check: "unseen", subject, process: null, detail: reasons.join("; ") }];
  }
  const created = `created by process ${processText(stat.cpid, creator)}`;
  const detail = [created, ...reasons].join("; ");
  return [{
    check: verdict === "orphan" ? "orphans" : "idle",
    subject,
    process: stat.cpid,
    detail,
  }];
}

/** Marked segments that are still held. With a living creator that is normal: X, ffmpeg, this library. */
function held(stat: SegmentStat, { inventory, names, attachersOf }: Objects): Item[] {
  const { creator } = inventory.segment(stat);
  if (!stat.markedForRemoval || creator === "alive") return [];
  const holders = attachersOf(stat.id) ?? [];
  const by = holders.map(({ pid, command }) => `${pid} (${command})`).join(", ");
  const process = holders[0]?.pid ?? (stat.cpid === 0 ? null : stat.cpid);
  const detail = `created by process ${processText(stat.cpid, creator)}, ` +
    (by === "" ? `attached ${plural(stat.nattch, "time")}` : `attached by process ${by}`);
  return [{ check: "held", subject: segmentSubject(stat, names), process, detail }];
}

const OTHERS = { shift: 0, write: 0o002 };
const GROUP = { shift: 3, write: 0o020 };

/** Objects that other users can access. */
function exposed(subject: Subject, names: AccountNames): Item[] {
  const { mode, gid } = subject.stat;
  const to = [OTHERS, GROUP].find(({ write }) => (mode & write) !== 0);
  if (to === undefined) return [];
  const check = to === OTHERS ? "world-writable" : "group-writable";
  const group = accountInWords(names.name("group", gid), gid);
  const may = (mode >> to.shift & 4) === 0 ? "change" : "read and change";
  const who = to === OTHERS ? "every user" : `every member of group ${group}`;
  const process = subject.kind === "segment" ? (subject.stat as SegmentStat).cpid || null : null;
  return [{ check, subject, process, detail: `mode ${formatMode(mode)}: ${who} may ${may} it` }];
}

/** An object at the default key of `server` and `client` that is not a mailbox of this user or root. */
function mailboxKey(subject: Subject, names: AccountNames): Item[] {
  const { stat, kind, bytes } = subject;
  if (stat.key !== MAILBOX_KEY) return [];
  const count = kind === "segment" ? 0 : (stat as SemaphoreSetStat).count;
  const strange = kind === "segment"
    ? bytes === LAYOUT.size ? "" : `${bytes} bytes where a mailbox has ${LAYOUT.size}`
    : count === SEMAPHORE_COUNT
    ? ""
    : `${plural(count, "semaphore")} where a mailbox has ${SEMAPHORE_COUNT}`;
  const user = foreignUser(stat);
  const foreign = user === undefined
    ? ""
    : `created or owned by ${accountInWords(names.name("user", user), user)}`;
  const reasons = [strange, foreign].filter((reason) => reason !== "");
  if (reasons.length === 0) return [];
  return [{ check: "mailbox-key", subject, process: null, detail: reasons.join(", ") }];
}

function leftSemaphores({ inventory, names }: Objects): Item[] {
  const keys = new Set(inventory.segments.map(({ key }) => key));
  return inventory.sets.filter(({ key }) => key === 0 || !keys.has(key)).flatMap((set): Item[] => {
    const users = (inventory.semaphores(set) ?? []).flatMap(({ lastPid }) => lastPid ?? []);
    // The creator of a set that no process has used yet is unknown
    const { verdict, reasons } = inventory.set(set);
    if (users.length === 0 || verdict === "in use") return [];
    const gone = [...new Set(users)].slice(0, 3).join(", ");
    const detail = [`last used by process ${gone} (gone)`, ...reasons].join("; ");
    return [{ check: "left-semaphores", subject: setSubject(set, names), process: null, detail }];
  });
}

function givenAway(subject: Subject, names: AccountNames): Item[] {
  const { uid, cuid } = subject.stat;
  if (uid === cuid) return [];
  const creator = accountInWords(names.name("user", cuid), cuid);
  return [{ check: "given-away", subject, process: null, detail: `created by ${creator}` }];
}
