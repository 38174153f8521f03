/** `cli.ts watch`: shows the bytes or the fields of a segment that change, as they change. */

import { setTimeout as pause } from "node:timers/promises";
import { Deadline } from "../../sync/deadline.ts";
import type { SegmentStat } from "../../sysv/segment_stat.ts";
import {
  LENGTH_OPTION,
  OFFSET_OPTION,
  rangeIn,
  type RangeWanted,
  rangeWanted,
} from "../bytes/byte_range.ts";
import { command } from "../command.ts";
import { type End, endBy } from "../session.ts";
import { Interruption } from "../terminal/interruption.ts";
import { printRaw, report, shownJson } from "../output.ts";
import { hasTerminal, Screen } from "../terminal/screen.ts";
import { countFields } from "../bytes/struct_fields.ts";
import { STRUCT_OPTIONS, structOf } from "../bytes/struct_options.ts";
import { LIBRARY_KINDS, libraryKindOf } from "../objects/library_kind.ts";
import { findSegment, TARGET_HELP, TARGET_OPTIONS, targetOf } from "../objects/target.ts";
import { countOption, durationOption, type OptionTable, type Parsed } from "../usage.ts";
import { changes } from "../watch/watch_lines.ts";
import { type WatchedFacts, WatchModel } from "../watch/watch_model.ts";
import { watchFrame } from "../watch/watch_view.ts";
import { type Look, Watched } from "../watch/watched.ts";
import { type Interval, intervalOption, nextLook } from "../terminal/interval.ts";
import { hexKey, plural } from "../text/wording.ts";
import { UsageError } from "../errors.ts";

const OPTIONS = {
  ...OFFSET_OPTION,
  ...LENGTH_OPTION,
  struct: { value: "DECL", help: "watch the fields of a struct declared in C" },
  ...STRUCT_OPTIONS,
  interval: { short: "i", value: "DURATION", help: "how often to look: 100ms (default), 1s" },
  count: { short: "c", value: "N", help: "end after N changes" },
  timeout: {
    short: "t",
    value: "DURATION",
    help: "end with exit code 1 when nothing changes for 5s",
  },
  "detach-between": { help: "be attached only while looking" },
  json: { help: "a change a line, as JSON; the stable form" },
  ...TARGET_OPTIONS,
} as const satisfies OptionTable;

const DEFAULT_INTERVAL = "100ms";
const SHORTEST_INTERVAL_MS = 10;
/** Each look copies and compares everything, so there are limits to what can be watched. */
const LIMITS = { fields: 10_000, bytes: 16 * 2 ** 20 } as const;
/** A screen without changes is redrawn this often for its clock, and to let highlights fade. */
const REDRAW_MS = 250;
const BATCH_LENGTH = 65536;

type CommandLine = Parsed<keyof typeof OPTIONS>;

interface Settings extends Interval {
  readonly wanted: RangeWanted;
  readonly layout: WatchedFacts["layout"];
  readonly count: number;
  readonly timeout: number | undefined;
}

export const watchCommand = command({
  options: OPTIONS,
  completes: "segments",
  help: (options) =>
    `Show what changes in a segment, as it changes.

Usage: cli.ts watch KEY|id:ID [options]

On a terminal it shows the bytes live and highlights those that changed (and
marks their rows with *); q quits, f follows the changes, arrows scroll.
Elsewhere it prints each run of changed bytes as a line: time, offset, old ->
new.

${TARGET_HELP}

Options:
${options}

DECL and FILE are as for dump: watch compares the fields and shows their values.
Of an array of structs it shows the first 8; the rest counts as one field.

It looks every 100ms: it does not see a change that is undone in between. It
watches at most 16 MiB; of a larger segment that much from --offset on.

It attaches the segment, read-only. That needs read permission, changes the
attach count, LPID and times, and allocates pages that had no memory. Some
programs do not start while any process is attached, as PostgreSQL after a
crash: with --detach-between watch is attached only during each look.

It ends when the segment is marked for removal; if it was marked before, when
no other process is attached any more. Ctrl-C and signals end it too.

JSON: time, offset, size, old, new (both in hex; at most 4096 bytes a line);
with --struct: time, path, offset, size, type, old, new (values as in dump).

Exit codes: 0 ended, or --count reached; 1 failed, timed out, or the segment
was removed before --count was reached; 2 wrong usage; 129, 131, 143 ended by
SIGHUP, SIGQUIT, SIGTERM; 130 ended by Ctrl-C before --count, and 0 without
--count.

Examples:
  deno run --allow-ffi cli.ts watch id:5
  deno run --allow-ffi cli.ts watch id:5 --struct 'double x, y; char name[16]'
  deno run --allow-ffi cli.ts watch 0xcafe --offset 0x10 --length 4 --json
`,
  async run(parsed): Promise<number> {
    const { options } = parsed;
    const settings = await settingsOf(parsed);
    const found = findSegment(targetOf(parsed));
    const range = boundedRange(found, settings.wanted);
    using interruption = new Interruption();
    const detachBetween = options["detach-between"] === true;
    using watched = new Watched(found.id, range, { detachBetween });
    const kind = libraryKindOf(found);
    const facts: WatchedFacts = {
      id: found.id,
      keyHex: hexKey(found.key),
      noun: kind === null ? undefined : LIBRARY_KINDS[kind].noun,
      size: found.size,
      range,
      layout: settings.layout,
      interval: settings.interval,
    };
    const watch = new Watch(watched, facts, settings, interruption.signal);
    const end = options.json !== true && hasTerminal()
      ? await watch.onScreen()
      : await watch.inLines(options.json === true);
    report(end.why);
    return end.code;
  },
});

async function settingsOf(parsed: CommandLine): Promise<Settings> {
  const { options } = parsed;
  const wanted = rangeWanted(options);
  const layout = await layoutOf(parsed);
  return {
    wanted: layout === undefined ? wanted : { ...wanted, length: layout.size },
    layout,
    ...intervalOption(options.interval, DEFAULT_INTERVAL, SHORTEST_INTERVAL_MS),
    count: countOption("count", options.count) ?? Infinity,
    timeout: durationOption("timeout", options.timeout),
  };
}

async function layoutOf(parsed: CommandLine): Promise<WatchedFacts["layout"]> {
  const layout = await structOf(parsed);
  if (layout === undefined) return undefined;
  if (parsed.options.length !== undefined) {
    throw new UsageError("--struct says how long it is: give no --length");
  }
  if (countFields(layout, {}, LIMITS.fields) > LIMITS.fields) {
    throw new UsageError(`option --struct: more than ${LIMITS.fields} fields, too many to watch`);
  }
  return layout;
}

/** The wanted range; of a large segment, as much as can be watched. */
function boundedRange(segment: SegmentStat, wanted: RangeWanted): WatchedFacts["range"] {
  const range = rangeIn(segment, wanted);
  if (range.length <= LIMITS.bytes) return range;
  const most = `${LIMITS.bytes / 2 ** 20} MiB`;
  if (wanted.length !== undefined) {
    throw new UsageError(`${plural(wanted.length, "byte")} are too many to watch: at most ${most}`);
  }
  report(`note: watching ${most} of ${plural(range.length, "byte")}; --offset chooses others`);
  return { offset: range.offset, length: LIMITS.bytes };
}

class Watch {
  readonly #watched: Watched;
  readonly #facts: WatchedFacts;
  readonly #settings: Settings;
  readonly #signal: AbortSignal;
  #changes = 0;
  #next: Deadline;
  #idle: Deadline;

  constructor(watched: Watched, facts: WatchedFacts, settings: Settings, signal: AbortSignal) {
    this.#watched = watched;
    this.#facts = facts;
    this.#settings = settings;
    this.#signal = signal;
    this.#next = Deadline.after(settings.every);
    this.#idle = this.#untilIdle();
  }

  #untilIdle(): Deadline {
    const { timeout } = this.#settings;
    return timeout === undefined ? Deadline.never : Deadline.after(timeout);
  }

  /** Looks once, and calls `tell`, which returns the number of changes. */
  async #look(tell: (look: Look) => number | Promise<number>): Promise<End | undefined> {
    const start = performance.now();
    const look = this.#watched.look();
    const count = await tell(look);
    if (count > 0) this.#idle = this.#untilIdle();
    this.#changes += count;
    this.#next = nextLook(this.#settings.every, start);
    return this.#endAfter(look);
  }

  #endAfter({ end }: Look): End | undefined {
    const { count, timeout } = this.#settings;
    if (this.#changes >= count) return { why: this.#seen(), code: 0 };
    if (end !== undefined) return { why: end, code: count === Infinity ? 0 : 1 };
    if (this.#idle.passed) return { why: `nothing changed for ${timeout} ms`, code: 1 };
    return undefined;
  }

  #interrupted(): End {
    return endBy(this.#signal.reason, { goal: this.#settings.count !== Infinity });
  }

  /** Prints each change, until there is a reason to end. */
  async inLines(json: boolean): Promise<End> {
    const { id, keyHex, noun, range } = this.#facts;
    report(
      `watching segment ${id} (key ${keyHex}), ${noun === undefined ? "" : `a ${noun}, `}${
        plural(range.length, "byte")
      } from ${range.offset} on`,
    );
    for (;;) {
      try {
        await pause(this.#next.remaining, undefined, { signal: this.#signal });
      } catch {
        return this.#interrupted();
      }
      const end = await this.#look((look) => this.#print(look, json));
      if (end !== undefined) return end;
    }
  }

  async #print(look: Look, json: boolean): Promise<number> {
    const most = this.#settings.count - this.#changes;
    const watching = { offset: this.#facts.range.offset, layout: this.#facts.layout };
    let count = 0;
    let batch = "";
    for (const change of changes(look, watching)) {
      batch += `${json ? shownJson(JSON.stringify(change.json)) : change.text}\n`;
      if (++count === most || this.#signal.aborted) break;
      if (batch.length < BATCH_LENGTH) continue;
      await printRaw(batch);
      batch = "";
    }
    await printRaw(batch);
    return count;
  }

  /** Shows everything on the screen, until there is a reason to end. */
  async onScreen(): Promise<End> {
    const model = new WatchModel(this.#facts, this.#watched.look());
    using screen = new Screen();
    for (;;) {
      const frame = watchFrame(model, screen.size);
      await screen.draw(frame.lines);
      const drawAgain = Deadline.after(REDRAW_MS);
      do {
        const event = await screen.next(this.#next.remaining, this.#signal);
        if (this.#signal.aborted) return this.#interrupted();
        if (event?.kind === "closed") return { why: "the terminal was closed", code: 0 };
        if (event?.kind === "key" && !model.press(event.key, frame)) return this.#quit();
        if (event !== undefined) break;
        const end = await this.#look((look) => model.update(look));
        if (end !== undefined) return end;
      } while (model.look.before === model.look.now && !drawAgain.passed);
    }
  }

  #quit(): End {
    return { why: this.#seen(), code: 0 };
  }

  #seen(): string {
    return `${plural(this.#changes, "change")} seen`;
  }
}
