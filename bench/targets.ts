/** What the project has to reach, and whether a result shows it. */

import { numberText, rateText, ratioText, shareText, timeText } from "./figures_text.ts";
import { type Measure, MEASURES, type Result } from "./result.ts";
import { medianOf } from "./statistics.ts";

/** A bar for the median of a case, or for how many times as much it is as another one's. */
export interface Target {
  /** What `--only` calls it. */
  readonly name: string;
  readonly says: string;
  readonly of: string;
  readonly beside?: string;
  readonly most?: number;
  readonly least?: number;
  /** It is asked only where that case has so much. */
  readonly where?: readonly [name: string, least: number];
}

/** One target in a result. `met` is `undefined` where the run has no figure for it. */
export interface Checked {
  readonly target: Target;
  readonly value: number;
  readonly met: boolean | undefined;
}

const OURS = "channel-ts-ts";
const TWIN = "channel-c-c";

/** A throughput beside that of the C twin. */
function besideTwin(name: string, says: string, measureVariant: string, least: number): Target {
  const [measure, variant] = measureVariant.split("/");
  return {
    name,
    says: `${says}, at least ${least}x the C twin`,
    of: `${measure}/${OURS}/${variant}`,
    beside: `${measure}/${TWIN}/${variant}`,
    least,
  };
}

/** A round trip beside that of a Unix socket in Deno. */
function besideSocket(
  name: string,
  says: string,
  peer: string,
  which: string,
  most: number,
): Target {
  const [measure, variant] = which.split("/");
  return {
    name,
    says: `${says}, at most ${most}x a Unix socket in Deno`,
    of: `${measure}/${peer}/${variant}`,
    beside: `${measure}/deno-unix/${variant}`,
    most,
  };
}

function startUp(name: string, says: string, of: string, most: number): Target {
  return {
    name,
    says: `${says}, at most ${most}x an empty program in Deno`,
    of: `startUp/${of}`,
    beside: "startUp/deno-empty/-",
    most,
  };
}

function opening(others: number): Target {
  return {
    name: `opening-${others}`,
    says: `opening and leaving a mailbox beside ${others} other segments, at most 4x the C twin`,
    of: `lifecycle/ts/mailboxJoin+${others}`,
    beside: `lifecycle/c/mailboxJoin+${others}`,
    most: 4,
  };
}

function idle(peer: string, says: string): Target {
  return { name: `${peer}-idle`, says, of: `idle/${peer}-await/unpinned`, most: 0.004 };
}

function latestWrite(name: string, what: string, variant: string): Target {
  return {
    name,
    says: `writing ${what} to a Latest, at most 2x the C twin`,
    of: `latest/latest-ts/${variant}`,
    beside: `latest/latest-c/${variant}`,
    most: 2,
  };
}

function fanOut(subscribers: number): Target {
  return {
    name: `topic-${subscribers}`,
    says: `a topic, 64 B, 1 publisher, drained by ${subscribers}, at least 0.5x the C twin`,
    of: `fanOut/topic-ts/${subscribers}`,
    beside: `fanOut/topic-c/${subscribers}`,
    least: 0.5,
  };
}

function bridge(direction: string): Target {
  return {
    name: `bridge-${direction}`,
    says: `\`bridge ${direction}\`, 64 B, each message stored in a file, at least 20 k msg/s`,
    of: `bridge/bridge/bridge ${direction}`,
    least: 20_000,
  };
}

/** All of them, in the order of the report. */
export const TARGETS: readonly Target[] = [
  besideSocket(
    "mailbox-flowing",
    "mailbox by promises, flowing, unpinned",
    "mailbox-await",
    "roundTrip/unpinned",
    0.5,
  ),
  besideSocket(
    "mailbox-flowing-pinned",
    "the same, pinned",
    "mailbox-await",
    "roundTrip/pinned",
    0.35,
  ),
  besideSocket(
    "mailbox-woken",
    "mailbox by promises, woken after 3 ms",
    "mailbox-await",
    "wake/unpinned",
    1,
  ),
  besideSocket(
    "channel-woken",
    "channel by promises, woken after 3 ms",
    "channel-await",
    "wake/unpinned",
    1,
  ),
  {
    name: "lines",
    says: "a line through `client` to `server`, of 20 000, at most 30 us",
    of: "lines/cli/20000",
    most: 30_000,
  },
  {
    name: "clients",
    says: "6 clients of a mailbox at once, at least the throughput of 1",
    of: "clients/mailbox-await/6",
    beside: "clients/mailbox-await/1",
    least: 1,
  },
  idle("mailbox", "idle server of a mailbox, at most 0.4% of a core"),
  idle("channel", "idle consumer of a channel, at most 0.4% of a core"),
  opening(0),
  opening(4000),
  {
    name: "opening-growth",
    says: "opening and leaving a mailbox beside 4000 other segments, at most 1.25x beside none",
    of: "lifecycle/ts/mailboxJoin+4000",
    beside: "lifecycle/ts/mailboxJoin+0",
    most: 1.25,
  },
  startUp("version", "`--version`", "cli/--version", 1.6),
  startUp("ls", "`ls`", "cli/ls", 2),
  startUp("import", '`import "@sysv/shm"`', "import/-", 1.8),
  besideTwin("distinct", "payloads of 64 B, all distinct, batched, unpinned", "payload/64", 0.5),
  besideTwin("distinct-pinned", "the same, pinned", "payload/64-pinned", 0.5),
  besideTwin("8-bytes", "8 B in `producer.scratch`, batched", "throughput/8", 0.5),
  besideTwin("64-bytes", "64 B in `producer.scratch`, batched", "throughput/64", 0.5),
  {
    name: "64-bytes-rate",
    says: "the same, at least 25 M msg/s where the C twin does 60 M",
    of: `throughput/${OURS}/64`,
    least: 25e6,
    where: [`throughput/${TWIN}/64`, 60e6],
  },
  besideTwin("1-kib", "one payload of 1 KiB again and again, batched", "throughput/1024", 0.5),
  besideTwin("64-kib", "one payload of 64 KiB again and again", "throughput/65536", 0.95),
  {
    name: "spinning",
    says: "round trip where both sides spin, at most 1.3x the C twin",
    of: `roundTrip/${OURS}/spinning`,
    beside: `roundTrip/${TWIN}/spinning`,
    most: 1.3,
  },
  {
    name: "promises",
    says: "round trip of the channel by promises, pinned, at most 3 us",
    of: "roundTrip/channel-await/pinned",
    most: 3000,
  },
  {
    name: "latest-read",
    says: "a read of a struct of 64 B from a Latest, at most 3x a plain read of the struct",
    of: "latest/latest-ts/read",
    beside: "latest/latest-ts/plain read",
    most: 3,
  },
  {
    name: "latest-read-busy",
    says: "the same while a writer writes at full speed, at most 3x a plain read of the struct",
    of: "latest/latest-ts/read, writer at full speed",
    beside: "latest/latest-ts/plain read",
    most: 3,
  },
  latestWrite("latest-write", "a struct of 64 B", "write"),
  latestWrite("latest-write-bytes", "64 bytes", "write, bytes"),
  {
    name: "latest-flowing",
    says: "a change seen by `changes()` and one by `wait`, flowing, at most 6 us",
    of: "roundTrip/latest-await/unpinned",
    most: 6000,
  },
  besideSocket("latest-woken", "the same, woken after 3 ms", "latest-await", "wake/unpinned", 1),
  fanOut(1),
  fanOut(4),
  {
    name: "topic-watched",
    says: "publishing beside 4 subscribers that take nothing, at least 0.9x publishing beside none",
    of: "fanOut/topic-ts/4 that take nothing",
    beside: "fanOut/topic-ts/0 that take nothing",
    least: 0.9,
  },
  bridge("out"),
  bridge("in"),
  {
    name: "drain",
    says: "`drain` allocates at most 1 byte a message (an object has 16)",
    of: `allocation/${OURS}/drain`,
    most: 1,
  },
  {
    name: "claim",
    says: "`claim` allocates at most 1 byte a message",
    of: `allocation/${OURS}/claim`,
    most: 1,
  },
];

/** The names of the cases that a target compares. */
export function casesOfTarget({ of, beside, where }: Target): string[] {
  return [of, beside, where?.[0]].filter((name) => name !== undefined);
}

/** Those of the cases that the target of that name compares, or else those with it in their names. */
export function matching<Case extends { readonly names: readonly string[] }>(
  cases: readonly Case[],
  only: string,
): Case[] {
  const target = TARGETS.find(({ name }) => name === only);
  const compared = target === undefined ? undefined : casesOfTarget(target);
  return cases.filter(({ names }) =>
    names.some((name) => compared === undefined ? name.includes(only) : compared.includes(name))
  );
}

/** All targets against a result's medians. */
export function checkTargets(result: Result): Checked[] {
  return TARGETS.map((target) => {
    const { of, beside, most = Infinity, least = -Infinity, where } = target;
    const value = medianOf(result, of) / (beside === undefined ? 1 : medianOf(result, beside));
    const asked = where === undefined || medianOf(result, where[0]) >= where[1];
    const met = Number.isFinite(value) && asked ? value >= least && value <= most : undefined;
    return { target, value, met };
  });
}

/** A figure of that measure. */
export function figureText(measure: Measure, value: number): string {
  switch (MEASURES[measure].unit) {
    case "ns":
      return timeText(value);
    case "ms":
      return timeText(value * 1e6);
    case "messages/s":
      return rateText(value);
    case "share of a core":
      return shareText(value);
    case "bytes/message":
      return numberText(value);
  }
}

/** The measure in a case's name. */
function measureOf(name: string): Measure {
  return name.split("/")[0] as Measure;
}

/** What a target has in a run, in short: the ratio, or the figure. */
export function valueText({ target: { of, beside }, value }: Checked): string {
  return beside === undefined ? figureText(measureOf(of), value) : ratioText(value);
}

/** Both figures of a ratio. */
export function figuresText({ of, beside }: Target, result: Result): string {
  const text = (name: string): string => figureText(measureOf(name), medianOf(result, name));
  return beside === undefined ? "" : `${text(of)} beside ${text(beside)}`;
}
