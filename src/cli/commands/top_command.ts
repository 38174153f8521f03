/** `cli.ts top`: a live view of the segments, on a terminal. */

import { Deadline } from "../../sync/deadline.ts";
import { command } from "../command.ts";
import { type Interrupted, Interruption } from "../terminal/interruption.ts";
import { hasTerminal, Screen } from "../terminal/screen.ts";
import { programName } from "../program_name.ts";
import { selection, SELECTION_OPTIONS } from "../objects/selection.ts";
import { firstBytes, remove, snapshot } from "../top/top_actions.ts";
import { TOP_COLUMNS } from "../top/top_columns.ts";
import { type Snapshot, type TopAction, TopModel } from "../top/top_model.ts";
import { type TopFrame, topFrame, type TopSettings } from "../top/top_view.ts";
import type { OptionTable, Parsed } from "../usage.ts";
import { CommandFailure } from "../errors.ts";
import { type Interval, intervalOption, nextLook } from "../terminal/interval.ts";
import { tableSettings } from "../table_options.ts";

const NAMES = TOP_COLUMNS.map(({ name }) => name);

const OPTIONS = {
  interval: { short: "i", value: "DURATION", help: "how often to refresh: 1s (default), 500ms" },
  ...SELECTION_OPTIONS,
  sort: {
    value: "NAME",
    choices: NAMES,
    help: "sort by this column at first (default id)",
  },
  reverse: { short: "r", help: "in reverse order" },
} as const satisfies OptionTable;

const DEFAULT_INTERVAL = "1s";
const SHORTEST_INTERVAL_MS = 100;

export const topCommand = command({
  options: OPTIONS,
  completes: "nothing",
  help: (options) =>
    `Watch the segments of this system, live.

Usage: cli.ts top [options]

Keys:
  Up, Down, k, j    choose a segment; PgUp, PgDn, Home, End go further
  s, >, <, r        sort by the next column, the previous one, in reverse
  Enter, i          all about it, and its first bytes
  d, Delete         remove it, after a question
  Space             refresh now
  ?                 help
  q, Esc, Ctrl-C    quit

A row begins with + if the segment is new, - if it is gone, * if it has changed
since the last look. The attached processes and the memory come from /proc,
which needs -A. KIND is shown if there are objects of this library. If channels,
topics or latest values are in use, DEPTH is the number of waiting messages and
MSG/S their rate (of a latest value, of its changes). To read them top attaches
them for a moment, read-only, as Enter does with any segment.

Options:
${options}

--sort accepts ${NAMES.slice(0, 9).join(", ")},
${NAMES.slice(9).join(", ")}.

Exit codes: 0 quit; 1 there is no terminal; 2 wrong usage; 129, 131, 143 ended
by SIGHUP, SIGQUIT or SIGTERM. The terminal is left as it was.

Examples:
  deno run --allow-ffi cli.ts top
  deno run -A cli.ts top --orphans --sort size --reverse
`,
  async run({ options }): Promise<number> {
    const settings = settingsOf(options);
    const look = (): Snapshot => snapshot(selection(options));
    const { by } = tableSettings({ sort: options.sort ?? "id" }, TOP_COLUMNS);
    if (!hasTerminal()) {
      throw new CommandFailure(
        `top draws on a terminal, and there is none: \`${programName()} ls\` prints once`,
      );
    }
    const model = new TopModel(look(), { sort: by!.name, reverse: options.reverse === true });
    using interruption = new Interruption();
    using screen = new Screen();
    return await new Top(model, screen, settings, look).run(interruption.signal);
  },
});

type Settings = TopSettings & Interval;

function settingsOf(options: Parsed<keyof typeof OPTIONS>["options"]): Settings {
  const interval = intervalOption(options.interval, DEFAULT_INTERVAL, SHORTEST_INTERVAL_MS);
  selection(options); // mistakes in it must be reported before we take the terminal
  const filter = Object.keys(SELECTION_OPTIONS).flatMap((name) => {
    const value = options[name as keyof typeof SELECTION_OPTIONS];
    return value === undefined ? [] : value === true ? [name] : [`${name} ${value}`];
  });
  return { ...interval, filter: filter.length === 0 ? "" : `only ${filter.join(", ")}` };
}

class Top {
  readonly #model: TopModel;
  readonly #screen: Screen;
  readonly #settings: Settings;
  readonly #look: () => Snapshot;
  #refresh: Deadline;

  constructor(model: TopModel, screen: Screen, settings: Settings, look: () => Snapshot) {
    this.#model = model;
    this.#screen = screen;
    this.#settings = settings;
    this.#look = look;
    this.#refresh = Deadline.after(settings.every);
  }

  /** Draws, and does what keys ask for until one of them quits; returns the exit code. */
  async run(signal: AbortSignal): Promise<number> {
    for (;;) {
      const frame = topFrame(this.#model, this.#screen.size, this.#settings);
      await this.#screen.draw(frame.lines);
      const event = await this.#screen.next(this.#refresh.remaining, signal);
      if (signal.aborted) return exitCode(signal);
      // The terminal is gone
      if (event?.kind === "closed") return 0;
      if (event?.kind === "key" && !this.#press(event.key, frame)) return 0;
      if (this.#refresh.passed) this.#update();
    }
  }

  /** Does what the key asks for; returns `false` if it quits. */
  #press(key: string, frame: TopFrame): boolean {
    const model = this.#model;
    const asked = model.asked;
    const action = model.press(key, frame);
    // An answer counts only if the question was shown before it
    if (model.asked !== undefined && asked === undefined) this.#screen.forgetKeys();
    if (action !== undefined) this.#carryOut(action);
    return action?.kind !== "quit";
  }

  #carryOut(action: TopAction): void {
    switch (action.kind) {
      case "refresh":
        return this.#update();
      case "redraw":
        return this.#screen.redraw();
      case "look":
        this.#model.firstBytes = firstBytes(action.id);
        return;
      case "remove": {
        const said = remove(action.row);
        this.#update();
        this.#model.message = said;
      }
    }
  }

  #update(): void {
    const start = performance.now();
    this.#model.update(this.#look());
    this.#refresh = nextLook(this.#settings.every, start);
  }
}

/** The exit code after a signal: Ctrl-C is a normal way to quit, as a key and as a signal. */
function exitCode({ reason }: AbortSignal): number {
  return (reason as Interrupted).exitCodeOfEndless;
}
