/** The page `README.md`, from a result and the other runs that are kept. */

import { memoryText, numberText, ratioText, sizeText, timeText } from "./figures_text.ts";
import { LONG_RUNS } from "./long_runs.ts";
import { nameOf, peerKind } from "./peers.ts";
import { plots } from "./plots.ts";
import { REASONS } from "./reasons.ts";
import { type CaseResult, type KeptResult, type Measure, MEASURES, type Result } from "./result.ts";
import { median, medianOf, summarise } from "./statistics.ts";
import { table } from "./table.ts";
import { type Checked, checkTargets, figuresText, figureText, valueText } from "./targets.ts";

function casesOf({ cases }: Result, measure: Measure): readonly CaseResult[] {
  return cases.filter((one) => one.measure === measure);
}

function distinct(list: readonly string[]): string[] {
  return [...new Set(list)];
}

/** A median with the least and the most of its rounds. */
function spread({ measure, figures, failures }: CaseResult): string {
  if (figures.length === 0) return failures === undefined ? "-" : "failed";
  const text = (value: number): string => figureText(measure, value);
  const { median, least, most } = summarise(figures);
  return figures.length === 1 ? text(median) : `${text(median)} (${text(least)} to ${text(most)})`;
}

/** A table of cases: which row and which column each is in, and what is in its cell. */
function matrix(
  cases: readonly CaseResult[],
  head: string,
  rowOf: (one: CaseResult) => string,
  columnOf: (one: CaseResult) => string,
  cell: (one: CaseResult) => string = spread,
): string {
  const columns = distinct(cases.map(columnOf));
  const rows = distinct(cases.map(rowOf));
  const at = (row: string, column: string): string => {
    const one = cases.find((one) => rowOf(one) === row && columnOf(one) === column);
    return one === undefined ? "" : cell(one);
  };
  return table([head, ...columns], rows.map((row) => [row, ...columns.map((c) => at(row, c))]));
}

const PAYLOADS: Readonly<Record<string, string>> = {
  "64": "64 B",
  "61": "61 B",
  "1-127": "1 to 127 B",
  "text": "64 B of text",
  "64-pinned": "64 B, pinned",
  "each": "64 B, one by one",
};

const OPENINGS: Readonly<Record<string, string>> = {
  create: "create a segment of 1 MiB, attach, remove, detach",
  attach: "attach a segment that exists, detach",
  channelNew: "create a channel, become its producer, leave",
  channelJoin: "open a channel that exists, become its producer, leave",
  mailboxJoin: "open a mailbox that exists, leave",
};

/** The peer, and what is special about where it ran. */
function peerName({ peer, variant }: CaseResult): string {
  return nameOf(peer) + (variant === "no-io_uring" ? ", io_uring denied" : "");
}

/** The peer, and which of its figures. */
function fullName({ peer, variant }: CaseResult): string {
  return nameOf(peer) + (variant === "-" ? "" : `, ${variant}`);
}

/** A target's figure, bold where it is missed. */
function targetValue(checked: Checked): string {
  const text = valueText(checked);
  return checked.met === false ? `**${text}**` : text;
}

/** Each target in this run, and in the others that are kept. A part of a run leaves out what it has not. */
function targetsTable(result: Result, kept: readonly KeptResult[]): string {
  const others = kept.map((one) => checkTargets(one.result));
  const whole = result.only === null && !result.quick;
  const rows = checkTargets(result).flatMap((checked, i) => {
    const { target, met } = checked;
    if (met === undefined && !whole) return [];
    return [[
      `${target.name}: ${target.says}`,
      targetValue(checked),
      figuresText(target, result),
      met === undefined ? "no figure" : met ? "yes" : "**no**",
      ...others.map((targets) => targetValue(targets[i]!)),
    ]];
  });
  if (rows.length === 0) return "The cases of no target ran.";
  const runs = kept.map((_, i) => `run ${i + 1}`);
  return table(["target", "figure", "medians", "met", ...runs], rows);
}

/** The targets that this run or a kept one misses, with the reason. */
function missedTargets(result: Result, kept: readonly KeptResult[]): string[] {
  const runs = [result, ...kept.map((one) => one.result)].map(checkTargets);
  const rows = runs[0]!.flatMap(({ target }, i) => {
    const reason = REASONS[target.name];
    const missed = runs.some((targets) => targets[i]!.met === false);
    return missed && reason !== undefined ? [`- **${target.name}**: ${reason}`] : [];
  });
  if (rows.length === 0) return [];
  return [
    "### What is missed, and why",
    "From profiles and time stamps of the programs, taken apart from the runs.",
    rows.join("\n"),
  ];
}

/** The runs of this machine that are kept. */
function keptRuns(kept: readonly KeptResult[], file: string): string[] {
  if (kept.length === 0) return [];
  return [
    "Runs of this machine that are kept, each a full one:",
    kept.map(({ file: name, result: { date, commit, rounds } }, i) =>
      `- run ${i + 1}: [\`results/${name}\`](results/${name}), ` +
      `${date.slice(0, 16).replace("T", " ")} UTC, commit ${commit}, ${rounds} rounds` +
      (name === file ? ": the figures of this page" : "")
    ).join("\n"),
  ];
}

const TWIN = "the C twin";
const SOCKET = "a Unix socket in Deno";
type Comparison = readonly [of: string, beside: string, name: string, says: string];
const COMPARISONS: readonly Comparison[] = [
  [
    "roundTrip/mailbox-await/unpinned",
    "roundTrip/deno-unix/unpinned",
    SOCKET,
    "a message through the mailbox, by promises, flowing",
  ],
  [
    "roundTrip/channel-await/unpinned",
    "roundTrip/deno-unix/unpinned",
    SOCKET,
    "a round trip through channels, by promises, flowing",
  ],
  [
    "wake/mailbox-await/unpinned",
    "wake/deno-unix/unpinned",
    SOCKET,
    "a message through the mailbox, by promises, woken after 3 ms",
  ],
  [
    "wake/channel-await/unpinned",
    "wake/deno-unix/unpinned",
    SOCKET,
    "a round trip through channels, by promises, woken after 3 ms",
  ],
  [
    "payload/channel-ts-ts/64",
    "payload/channel-c-c/64",
    TWIN,
    "the channel, 64 B, batched, payloads all distinct",
  ],
  [
    "payload/channel-ts-ts/64",
    "payload/deno-unix-batch/64",
    "a Unix socket in Deno that writes batches",
    "the channel, 64 B, batched, payloads all distinct",
  ],
  [
    "payload/channel-await/each",
    "payload/deno-unix/each",
    SOCKET,
    "the channel, 64 B, one by one, by promises, payloads all distinct",
  ],
  [
    "roundTrip/channel-ts-ts/spinning",
    "roundTrip/channel-c-c/spinning",
    TWIN,
    "a round trip through channels, pinned, both sides spin",
  ],
];

/** Like beside like, the least flattering first; a line without its figures is left out. */
function inShort(result: Result): string[] {
  const lines = COMPARISONS.flatMap(([of, beside, name, says]) => {
    const [ours, theirs] = [medianOf(result, of), medianOf(result, beside)];
    const measure = of.split("/")[0] as Measure;
    const gain = MEASURES[measure].better === "more" ? ours / theirs : theirs / ours;
    const text = `- ${ratioText(gain)} as fast as ${name}: ${says} (` +
      `${figureText(measure, ours)} beside ${figureText(measure, theirs)}).`;
    return Number.isFinite(gain) ? [{ gain, text }] : [];
  });
  if (lines.length === 0) return [];
  lines.sort((a, b) => a.gain - b.gain);
  return [
    "## In short",
    "Medians of the rounds; a p50 further below is over all rounds together, and differs a little.",
    lines.map(({ text }) => text).join("\n"),
  ];
}

function percentilesTable(cases: readonly CaseResult[]): string {
  return table(
    ["peer", "p50", "p90", "p99", "p99.9", "max", "medians of the rounds", "round trips"],
    cases.map((one) => {
      const { p50, p90, p99, p999, max, samples } = one.percentiles ??
        { p50: NaN, p90: NaN, p99: NaN, p999: NaN, max: NaN, samples: 0 };
      const { least, most } = summarise(one.figures);
      return [
        peerName(one),
        ...[p50, p90, p99, p999, max].map(timeText),
        `${timeText(least)} to ${timeText(most)}`,
        String(samples),
      ];
    }),
  );
}

/** How many times as many messages `ours` carries. */
function ratiosTable(result: Result, cases: readonly CaseResult[], ours: string): string {
  return matrix(
    cases.filter(({ peer }) => peer !== ours),
    `${nameOf(ours)}, beside`,
    peerName,
    ({ variant }) => sizeText(Number(variant)),
    ({ figures, variant }) =>
      ratioText(medianOf(result, `throughput/${ours}/${variant}`) / median(figures)),
  );
}

function costTable(cases: readonly CaseResult[]): string {
  return table(
    ["peer", "CPU seconds for a million messages", "memory of both sides"],
    cases.filter(({ beside }) => beside !== undefined).map((one) => [
      peerName(one),
      numberText(median(one.beside!.cpuSecondsPerMillion ?? [])),
      memoryText(median(one.beside!.rssBytes ?? [])),
    ]),
  );
}

function startUpTable(result: Result): string {
  const empty = medianOf(result, "startUp/deno-empty/-");
  return table(
    ["command", "time", "beside deno's empty program"],
    casesOf(result, "startUp").map((one) => [
      fullName(one),
      spread(one),
      ratioText(median(one.figures) / empty),
    ]),
  );
}

function openingRow({ variant }: CaseResult): string {
  const [what, others] = variant.split("+") as [string, string];
  return `${OPENINGS[what] ?? what}; ${others} others`;
}

function simpleTable(cases: readonly CaseResult[], head: string, figure: string): string {
  return table([head, figure], cases.map((one) => [fullName(one), spread(one)]));
}

function fieldOf({ variant }: CaseResult): [field: string, way: string] {
  return variant.split("/") as [string, string];
}

/** A section, where there are figures for it. */
function section(cases: readonly CaseResult[], title: string, ...paragraphs: string[]): string[] {
  return cases.length === 0 ? [] : [`### ${title}`, ...paragraphs];
}

/** Sections under a title, if there are any. */
function part(title: string, text: string, sections: readonly string[]): string[] {
  return sections.length === 0 ? [] : [`## ${title}`, text, ...sections];
}

function machineText(result: Result): string {
  const { machine, software, date, commit, modified, rounds, seconds } = result;
  const { pinned } = machine;
  const siblings = machine.siblings === null
    ? "whether they are siblings of one core is not known"
    : machine.siblings
    ? "they are hardware threads of one core"
    : "not hardware threads of one core, as far as the system tells";
  const packages = Object.entries(software)
    .filter(([name]) => !["deno", "v8", "node", "gcc", "nats"].includes(name))
    .map(([name, version]) => `${name} ${version}`);
  return table(["", "this run"], [
    ["processor", `${machine.cpu}, ${machine.cores} cores, ${machine.arch}`],
    ["virtual machine", machine.virtual ? "yes" : "no, as far as the processor tells"],
    [
      "where it says pinned",
      pinned.length === 0
        ? "not pinned: there is no second core, or no `taskset`"
        : `one side on core ${pinned[0]}, one on ${pinned[1]}: ${siblings}`,
    ],
    ["memory", `${numberText(machine.memoryBytes / 2 ** 30)} GiB`],
    ["load before", `${machine.load.toFixed(2)} processes that want to run`],
    ["kernel", `Linux ${machine.kernel}`],
    ["Deno", `${software.deno} (V8 ${software.v8})`],
    ["Node", software.node!],
    ["C", software.gcc!],
    ["NATS", software.nats ?? "not there"],
    ["from npm", packages.join(", ")],
    ["commit", `${commit}${modified ? ", with changes that are not in it" : ""}`],
    ["date", date.slice(0, 16).replace("T", " ") + " UTC"],
    ["rounds", `${rounds}, in ${seconds} s in all`],
  ]);
}

const MACHINE_NOTE =
  `A virtual machine shares its host with others. What they do is in the spread and in the
maxima. Its view of cores and siblings is the one that its host gives it.`;

const METHOD =
  `- A figure compares two processes: one sends, one receives. Both use the peer that the row names.
- One run measures all peers. In each round every case has its turn, so a disturbance of the machine
  meets all of them. A round before the first does not count. It warms up the machine and finds how many
  messages fill a quarter of a second.
- In every turn both processes are new. A fifth as many messages, or 50 wakes, goes ahead unmeasured.
  Compilers have done their work by then, and rings have been passed through.
- A figure is the median of the rounds. The least and the most of them are in brackets. Percentiles of round
  trips are taken over all rounds together, by the histogram of \`node:perf_hooks\` with three digits.
- A message of the mailbox has a text that no message before it had, and all begin alike:
  \`message number 0000001\`. A round trip of the mailbox is a send until the server has acknowledged it.
  The Unix socket beside it sends as many bytes back.
- Distinct payloads are 1024 objects that are sent in turn. The C twin sends 1024 buffers in turn.
  Texts are encoded by \`TextEncoder\` for each message; the C twin has them as bytes and looks for the end.
- A receiver looks at the first byte of messages under 1 KiB. It copies larger ones, where the
  reading itself is not a copy already.
- A batch is up to 256 messages or 16 KiB. The channel and the ring over \`shm-typed-array\` publish it at
  once. A Unix socket that writes batches gathers distinct payloads in a buffer before each write. Sockets
  are read in pieces of up to 256 KiB.
- Where both sides of the channel spin they answer from within \`drain\`, in Deno and in C. The space of
  what came is given back while the answer is under way.
- CPU time is that of both processes, with the threads of their compilers and collectors, from the end of
  the warm-up to the last message. Memory is the largest resident size of both; pages that they share count
  twice.`;

const LIMITS =
  `- **Spinning takes a core.** The short round trips are those of two processes that do nothing else. A
  machine with no core to spare does not have them. Programs that sleep see the woken round trips.
- **The clock is in the figures.** Each round trip reads it once: about 90 ns of every one in Deno, 45 ns
  in Node, 25 ns in C, on the machine this was written on.
- **Rounds on two levels.** The spread of a case can be several times its least figure. Then the host
  has moved the two cores apart or together between rounds. The median is that of the more frequent level,
  and a ratio may compare two levels. The result file has every round.
- **Two cores.** The sender, the receiver and the threads that help them share the cores there are. With
  more producers than cores the table of producers shows how well they take turns, not how far they scale.
- **One way of writing to each peer.** A program that gathers more before it writes, or waits for less,
  gets other figures out of sockets and \`zeromq\`. \`zeromq\` and the sockets also reach other machines.
  The ring over \`shm-typed-array\` cannot wait, die or take lengths that differ.
- **Worker's \`postMessage\`** is within one process, and hands over objects, not bytes alone.
- **Medians hide rare events.** A maximum of thousands of round trips is one event, and mostly the
  scheduler's.
- **Other machines.** Ratios travel better than absolute figures, and neither travels far: run it.`;

/** The sections with figures: also what is printed where no page is written. */
export function tables(result: Result, kept: readonly KeptResult[] = [], file = ""): string {
  const plotted = new Set(plots(result).map(({ name }) => name));
  const plot = (name: string, title: string): string[] =>
    plotted.has(name) ? [`![${title}](plots/${name}.svg)`] : [];
  const trips = (...variants: readonly string[]): CaseResult[] =>
    casesOf(result, "roundTrip").filter(({ variant }) => variants.includes(variant));
  const [flowing, pinned, spinning] = [
    trips("unpinned", "no-io_uring"),
    trips("pinned"),
    trips("spinning"),
  ];
  const [woken, payloads] = [casesOf(result, "wake"), casesOf(result, "payload")];
  const [lines, clients, idle] = [
    casesOf(result, "lines"),
    casesOf(result, "clients"),
    casesOf(result, "idle"),
  ];
  const [openings, producers] = [casesOf(result, "lifecycle"), casesOf(result, "producers")];
  const bridged = casesOf(result, "bridge");
  const throughput = casesOf(result, "throughput");
  const batched = throughput.filter(({ peer }) => peerKind(peer)?.batched === true);
  const each = throughput.filter(({ peer }) => peerKind(peer)?.batched !== true);
  const [latest, fanOut] = [casesOf(result, "latest"), casesOf(result, "fanOut")];
  const [allocation, fields] = [casesOf(result, "allocation"), casesOf(result, "fields")];
  const bySize = (cases: readonly CaseResult[]): string =>
    matrix(cases, "peer", peerName, ({ variant }) => sizeText(Number(variant)));
  return [
    "## Targets",
    "Medians. The C twin speaks the same protocol over the same memory, in the same run. A figure that " +
    "misses its target is bold.",
    targetsTable(result, kept),
    ...keptRuns(kept, file),
    ...missedTargets(result, kept),
    ...part("As programs are run", "No process is pinned to a core.", [
      ...section(
        flowing,
        "Round trips, flowing",
        "64 B; each message follows the last answer at once. A round trip of the mailbox is a send.",
        percentilesTable(flowing),
        ...plot("flowing", "Percentiles of a round trip, by peer"),
      ),
      ...section(
        woken,
        "Round trips, woken",
        "64 B, with 3 ms of silence before each, so that the other side sleeps and has to be woken.",
        percentilesTable(woken),
        ...plot("wake", "Percentiles of a round trip after a pause, by peer"),
      ),
      ...section(
        payloads,
        "Payloads",
        "Messages a second. All but the last column of one by one are batched. The channel sends 1024 " +
          "distinct payloads in turn.",
        matrix(payloads, "peer", peerName, ({ variant }) => PAYLOADS[variant] ?? variant),
      ),
      ...section(
        lines,
        "Lines through the command",
        "`cli.ts client` reads them from a pipe, `cli.ts server` writes them to one. The time of one line " +
          "is subtracted: it is that of starting and ending.",
        simpleTable(lines, "lines", "time of a line"),
      ),
      ...section(
        clients,
        "Several clients of a mailbox",
        "Messages a second in total. Each client is a process; all send by promises, to one server.",
        simpleTable(clients, "clients", "messages a second"),
      ),
      ...section(
        idle,
        "Idle",
        "CPU time of a receiver that waits 10 s for a message that does not come.",
        table(["peer", "share of a core"], idle.map((one) => [peerName(one), spread(one)])),
      ),
      ...section(
        casesOf(result, "startUp"),
        "Start-up",
        "From the start of the process to its end.",
        startUpTable(result),
      ),
      ...section(
        openings,
        "Opening and leaving",
        "In an IPC namespace with so many other segments, where the system permits one.",
        matrix(openings, "what is done", openingRow, ({ peer }) => nameOf(peer)),
      ),
      ...section(
        bridged,
        "Past one machine",
        "64 B, all distinct. The server of NATS runs beside the bridge, and stores each message in a file before " +
          "it acknowledges it; 1024 messages wait for that at a time, those of the client alone too. A recorded " +
          "message is acknowledged to its channel when the file has it.",
        table(["what", "messages a second"], bridged.map((one) => [one.variant, spread(one)])),
      ),
    ]),
    ...part(
      "Pinned",
      "Each side has a core of its own, but in the table of several producers.",
      [
        ...section(
          pinned,
          "Round trips by promises and system calls, pinned",
          "64 B, flowing. A side that finds nothing spins for a while at most, and then sleeps.",
          percentilesTable(pinned),
        ),
        ...section(
          spinning,
          "Round trips, spinning",
          "64 B, flowing. Both sides spin without end. The channel's are timed 32 together, as Deno's " +
            "clock takes long beside one of them: the percentiles are those of means. For " +
            "`shm-typed-array` it is two bare words and no message.",
          percentilesTable(spinning),
          ...plot("round_trip", "Percentiles of a round trip on cores of its own, by peer"),
        ),
        ...section(
          batched,
          "Throughput, batched",
          "The same payload again and again. The channel in Deno sends up to 256 B from `producer.scratch`.",
          bySize(batched),
          "How many times as many messages the channel carries:",
          ratiosTable(result, batched, "channel-ts-ts"),
        ),
        ...section(
          each,
          "Throughput, one by one",
          "A call a message.",
          bySize(each),
          "How many times as many messages the channel by promises carries:",
          ratiosTable(result, each, "channel-await"),
          ...plot("throughput", "Messages a second over the bytes of a message, by peer"),
          ...plot("bandwidth", "Bytes a second over the bytes of a message, by peer"),
        ),
        ...section(
          throughput,
          "CPU time and memory, 64 B",
          costTable(throughput),
          ...plot("cpu", "CPU time of a million messages, by peer"),
        ),
        ...section(
          producers,
          "Several producers",
          `64 B, batched, one consumer, no process pinned. This machine has ${result.machine.cores} cores.`,
          matrix(producers, "peer", peerName, ({ variant }) => variant),
          ...plot("producers", "Messages a second over the number of producers"),
        ),
        ...section(
          latest,
          "The newest value",
          "A struct of 64 B, one by one. A plain read is that of the same struct in memory of the process's own.",
          matrix(latest, "what is done", ({ variant }) => variant, ({ peer }) => nameOf(peer)),
        ),
        ...section(
          fanOut,
          "One sender, several receivers",
          "64 B, messages a second at the slowest receiver; of receivers that take nothing, but for what the " +
            "ring holds 50 times a second, at the sender. No process is pinned. A topic's receivers miss what they are too slow for, and that does not count.",
          matrix(fanOut, "peer", peerName, ({ variant }) => variant),
        ),
        ...section(
          allocation,
          "Allocation",
          "The heap's growth for each message, over 10 million of them (1 million in a quick run).",
          simpleTable(allocation, "the channel", "bytes a message"),
        ),
        ...section(
          fields,
          "Struct fields",
          "`Deno.UnsafePointerView` cannot write: its figures write as the typed array does. `restructure` " +
            "has no fields in memory: it decodes and encodes the whole struct.",
          matrix(
            fields,
            "a read and a write of",
            (one) => fieldOf(one)[0],
            (one) => fieldOf(one)[1],
          ),
          ...plot("fields", "Nanoseconds of a read and a write of a field"),
        ),
      ],
    ),
  ].join("\n\n");
}

function longRuns(): string[] {
  return [
    "## Long runs",
    "No part of a run of the bench: they check, and take up to hours. A run fails at the first thing that is " +
    "wrong. The last one of each found nothing.",
    LONG_RUNS.map(({ task, date, done, checked }) =>
      `- \`deno task ${task}\`, ${date}: ${done}; ${checked}.`
    )
      .join("\n"),
  ];
}

/** What a run that is not a whole one has to say of itself. */
function caution({ quick, only }: Result): string[] {
  if (!quick && only === null) return [];
  const why = [...(quick ? ["quick"] : []), ...(only === null ? [] : [`only \`${only}\``])];
  return [
    `> This run was ${
      why.join(", and ")
    }: it shows that the bench works, and its figures mean little.`,
  ];
}

function notRun(result: Result): string[] {
  const rows = [
    ...result.notRun.map(({ peer, reason }) => [nameOf(peer), "all", reason]),
    ...result.cases.flatMap((one) => {
      const { measure, variant, failures, figures } = one;
      if (failures === undefined) return [];
      const share = `${failures.length} of ${failures.length + figures.length} rounds`;
      return [[nameOf(one.peer), `${measure} ${variant}, ${share}`, failures[0]!]];
    }),
  ];
  return [
    "## Not run",
    ...(rows.length === 0
      ? ["All peers ran, and no case failed."]
      : [table(["peer", "what", "reason"], rows)]),
  ];
}

/** The page. `kept` are the full runs of this machine, the oldest first, this one among them. */
export function report(result: Result, file: string, kept: readonly KeptResult[] = []): string {
  return [
    "# What it costs, beside other ways",
    "This page is written by `deno task bench`, from the result file " +
    `[\`results/${file}\`](results/${file}).`,
    ...caution(result),
    ...inShort(result),
    "## Running it",
    "```sh not-run: it takes minutes, and measures the machine\n" +
    "deno task bench                  # all, about 17 minutes; writes this page\n" +
    "deno task bench --quick          # does all of it work? About a minute\n" +
    "deno task bench --only NAME      # a target, or cases with NAME in their names\n" +
    "deno task bench --list           # the names of all targets and cases\n" +
    "deno task bench --compare A B    # what changed between two result files\n" +
    "deno task bench --report FILE    # this page anew, from a result file\n```",
    "It needs Deno, Node, npm and gcc. What is not there is listed below as not run.",
    "## The machine",
    machineText(result),
    ...(result.machine.virtual ? [MACHINE_NOTE] : []),
    tables(result, kept, file),
    ...longRuns(),
    "## How it is measured",
    METHOD,
    "## What the figures do not show",
    LIMITS,
    ...notRun(result),
  ].join("\n\n") + "\n";
}
