/** The page `README.md`, from a result. Ratios come first, absolute figures after them. */

import {
  bandwidthText,
  memoryText,
  numberText,
  rateText,
  ratioText,
  shareText,
  sizeText,
  timeText,
} from "./figures_text.ts";
import { plots } from "./plots.ts";
import { type CaseResult, findCase, type Measure, type Result } from "./result.ts";
import { median, summarise } from "./statistics.ts";
import { table } from "./table.ts";
import { checkTargets } from "./targets.ts";

const OURS = "channel-ts-ts";

function casesOf({ cases }: Result, measure: Measure): readonly CaseResult[] {
  return cases.filter((one) => one.measure === measure);
}

/** The peers of a measure, in the order of the result. */
function peersOf(result: Result, measure: Measure): string[] {
  return [...new Set(casesOf(result, measure).map(({ peer }) => peer))];
}

function variantsOf(result: Result, measure: Measure): string[] {
  return [...new Set(casesOf(result, measure).map(({ variant }) => variant))];
}

function middle(result: Result, measure: Measure, peer: string, variant: string): number {
  return median(findCase(result, measure, peer, variant)?.figures ?? []);
}

/** A median with the least and the most of its rounds. */
function spread(one: CaseResult | undefined, text: (value: number) => string): string {
  if (one === undefined) return "";
  if (one.figures.length === 0) return one.failures.length > 0 ? "failed" : "-";
  const { median, least, most } = summarise(one.figures);
  return one.figures.length === 1
    ? text(median)
    : `${text(median)} (${text(least)} to ${text(most)})`;
}

function targetsTable(result: Result): string {
  return table(
    ["target", "figure", "met"],
    checkTargets(result).map(({ target, figure, met }) => [
      target,
      figure,
      met === undefined ? "no figure" : met ? "yes" : "**no**",
    ]),
  );
}

function throughputRatios(result: Result): string {
  const sizes = variantsOf(result, "throughput");
  const peers = peersOf(result, "throughput").filter((peer) => peer !== OURS);
  return table(
    ["the channel, TS to TS, beside", ...sizes.map((size) => sizeText(Number(size)))],
    peers.map((peer) => [
      result.peers[peer]!,
      ...sizes.map((size) => {
        const ours = middle(result, "throughput", OURS, size);
        return ratioText(ours / middle(result, "throughput", peer, size));
      }),
    ]),
  );
}

function roundTripRatios(result: Result): string {
  const trip = (measure: Measure, peer: string): number => middle(result, measure, peer, "64");
  const ours = trip("roundTrip", OURS);
  const promises = trip("roundTrip", "channel-await");
  const woken = trip("wake", "channel-await");
  return table(
    [
      "their round trip is so many times",
      "the channel's, spinning",
      "the channel's, promises",
      "the channel's, woken",
    ],
    peersOf(result, "roundTrip").filter((peer) => peer !== OURS).map((peer) => [
      result.peers[peer]!,
      ratioText(trip("roundTrip", peer) / ours),
      ratioText(trip("roundTrip", peer) / promises),
      ratioText(trip("wake", peer) / woken),
    ]),
  );
}

/** What most readers came for, in a few lines; a line without its figures is left out. */
function inShort(result: Result): string[] {
  const rate = (peer: string): number => middle(result, "throughput", peer, "64");
  const trip = (peer: string): number => middle(result, "roundTrip", peer, "64");
  const times = (name: string, ratio: number): string[] =>
    Number.isFinite(ratio) ? [`${ratioText(ratio)} ${name}`] : [];
  const line = (figure: number, text: string, beside: readonly string[]): string[] =>
    Number.isFinite(figure) && beside.length > 0 ? [`- ${text}: ${beside.join(", ")}.`] : [];
  const [ours, spinning, awaited] = [rate(OURS), trip(OURS), trip("channel-await")];
  const lines = [
    ...line(ours, `${rateText(ours)} of 64 B from one Deno process to another`, [
      ...times("a Unix socket in Deno", ours / rate("deno-unix")),
      ...times("`postMessage` to a Worker", ours / rate("deno-worker")),
      ...times("`zeromq`", ours / rate("node-zeromq")),
      ...times("the C twin", ours / rate("channel-c-c")),
    ]),
    ...line(spinning, `A round trip takes ${timeText(spinning)} where both sides spin`, [
      ...times("shorter than by a Unix socket", trip("deno-unix") / spinning),
      ...times("that of two bare words in Node", spinning / trip("node-shm")),
    ]),
    ...line(awaited, `By \`await\` and \`for await\` it takes ${timeText(awaited)}`, [
      ...times("shorter than by a Unix socket", trip("deno-unix") / awaited),
      ...times("shorter than by `postMessage`", trip("deno-worker") / awaited),
    ]),
  ];
  return lines.length === 0 ? [] : ["## In short", lines.join("\n")];
}

function throughputTable(result: Result, text: (rate: number, size: number) => string): string {
  const sizes = variantsOf(result, "throughput");
  return table(
    ["peer", ...sizes.map((size) => sizeText(Number(size)))],
    peersOf(result, "throughput").map((peer) => [
      result.peers[peer]!,
      ...sizes.map((size) =>
        spread(
          findCase(result, "throughput", peer, size),
          (rate) => text(rate, Number(size)),
        )
      ),
    ]),
  );
}

function percentilesTable(result: Result, measure: Measure): string {
  return table(
    ["peer", "p50", "p90", "p99", "p99.9", "max", "medians of the rounds", "round trips"],
    casesOf(result, measure).map((one) => {
      const { p50, p90, p99, p999, max, samples } = one.percentiles ??
        { p50: NaN, p90: NaN, p99: NaN, p999: NaN, max: NaN, samples: 0 };
      const { least, most } = summarise(one.figures);
      return [
        result.peers[one.peer]!,
        ...[p50, p90, p99, p999, max].map(timeText),
        `${timeText(least)} to ${timeText(most)}`,
        String(samples),
      ];
    }),
  );
}

function costTable(result: Result, size: string): string {
  return table(
    ["peer", "CPU seconds for a million messages", "memory of both sides"],
    casesOf(result, "throughput").filter(({ variant }) => variant === size).map((one) => [
      result.peers[one.peer]!,
      numberText(median(one.beside.cpuSecondsPerMillion ?? [])),
      memoryText(median(one.beside.rssBytes ?? [])),
    ]),
  );
}

function startUpTable(result: Result): string {
  const cases = casesOf(result, "startUp");
  const empty = cases.find(({ peer }) => peer === "deno-empty");
  return table(
    ["command", "time", "beside deno's empty program"],
    cases.map((one) => [
      result.peers[one.peer]! + (one.variant === "-" ? "" : `, ${one.variant}`),
      spread(one, (ms) => timeText(ms * 1e6)),
      empty === undefined ? "" : `${(median(one.figures) / median(empty.figures)).toFixed(2)}x`,
    ]),
  );
}

function simpleTable(
  result: Result,
  measure: Measure,
  head: readonly [string, string],
  text: (value: number) => string,
): string {
  return table(
    [...head],
    casesOf(result, measure).map((one) => [
      result.peers[one.peer]! + (one.variant === "-" ? "" : `, ${one.variant}`),
      spread(one, text),
    ]),
  );
}

const COMINGS: Readonly<Record<string, string>> = {
  create: "create a segment of 1 MiB, attach, remove, detach",
  attach: "attach a segment that exists, detach",
  channelNew: "create a channel, become its producer, leave",
  channelJoin: "open a channel that exists, become its producer, leave",
  mailboxJoin: "open a mailbox that exists, leave",
};

function lifecycleTable(result: Result): string {
  const peers = peersOf(result, "lifecycle");
  return table(
    ["", ...peers.map((peer) => result.peers[peer]!)],
    variantsOf(result, "lifecycle").map((variant) => [
      COMINGS[variant] ?? variant,
      ...peers.map((peer) => spread(findCase(result, "lifecycle", peer, variant), timeText)),
    ]),
  );
}

function producersTable(result: Result): string {
  const counts = variantsOf(result, "producers");
  return table(
    ["peer", ...counts],
    peersOf(result, "producers").map((peer) => [
      result.peers[peer]!,
      ...counts.map((count) => spread(findCase(result, "producers", peer, count), rateText)),
    ]),
  );
}

function fieldsTable(result: Result): string {
  const variants = variantsOf(result, "fields").map((name) => name.split("/") as [string, string]);
  const fields = [...new Set(variants.map(([field]) => field))];
  const ways = [...new Set(variants.map(([, way]) => way))];
  const of = (field: string, way: string): CaseResult | undefined =>
    findCase(result, "fields", "fields", `${field}/${way}`);
  return table(
    ["a read and a write of", ...ways],
    fields.map((field) => [field, ...ways.map((way) => spread(of(field, way), timeText))]),
  );
}

/** A section, where there are figures for it. */
function section(
  result: Result,
  measure: Measure,
  title: string,
  ...paragraphs: readonly string[]
): string[] {
  return casesOf(result, measure).length === 0 ? [] : [`## ${title}`, ...paragraphs];
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
    .filter(([name]) => !["deno", "v8", "node", "gcc"].includes(name))
    .map(([name, version]) => `${name} ${version}`);
  return table(["", "this run"], [
    ["processor", `${machine.cpu}, ${machine.cores} cores, ${machine.arch}`],
    ["virtual machine", machine.virtual ? "yes" : "no, as far as the processor tells"],
    [
      "the two sides",
      pinned.length === 0
        ? "not pinned: there is no second core, or no `taskset`"
        : `pinned to cores ${pinned.join(" and ")}: ${siblings}`,
    ],
    ["memory", `${numberText(machine.memoryBytes / 2 ** 30)} GiB`],
    ["kernel", `Linux ${machine.kernel}`],
    ["Deno", `${software.deno} (V8 ${software.v8})`],
    ["Node", software.node!],
    ["C", software.gcc!],
    ["from npm", packages.join(", ")],
    ["commit", `${commit}${modified ? ", with changes that are not in it" : ""}`],
    ["date", date.slice(0, 16).replace("T", " ") + " UTC"],
    ["rounds", `${rounds}, in ${seconds} s in all`],
  ]);
}

const MACHINE_NOTE =
  `A virtual machine shares its host with others: what they do is in the spread and in
the maxima. What it says of cores and siblings is what its host lets it see.`;

const METHOD =
  `- Two processes, one sends and one receives; what is said of a peer is said of both sides.
- All peers take part in one run. In each round every case has its turn, so that what disturbs the
  machine for a while disturbs all. Before the first round there is one that does not count: it warms up
  the machine and finds how many messages fill a quarter of a second.
- In every turn both processes are new. A fifth as many messages, or 50 wakes, goes ahead unmeasured, so
  that compilers have done their work and rings have been passed through.
- A figure is the median of the rounds, and beside it the least and the most of them. Percentiles of
  round trips are taken over all rounds together, by HdrHistogram with three digits.
- Messages under 1 KiB are looked at by the receiver (the first byte), larger ones are copied, where the
  reading itself is not a copy already.
- The channel and the ring over \`shm-typed-array\` publish up to 256 messages or 16 KiB at a time. A socket
  is written to message by message, and read in pieces of up to 256 KiB; \`a batch a write\` gathers the
  same batch before each write.
- Where both sides of the channel spin they answer from within \`drain\`, in Deno and in C: the space of what
  came is given back while the answer is under way.
- CPU time is that of both processes, with the threads of their compilers and collectors, from the end of
  the warm-up to the last message. Memory is the largest resident size of both, shared pages counted on
  either side.`;

const LIMITS =
  `- **Spinning takes a core.** The short round trips are those of two processes that do nothing else. On
  a machine with no core to spare they are not to be had; the promises and the table of woken round trips
  are what a program sees that sleeps.
- **The clock is in the figures.** Each round trip reads it once: about 90 ns of every one in Deno, 45 ns
  in Node, 25 ns in C, on the machine this was written on.
- **Rounds on two levels.** Where the spread of a case is several times its least figure, the host has
  moved the two cores apart or together between rounds: then the median is that of the more frequent
  level, and a ratio may compare two levels. The result file has every round.
- **Two cores.** The sender, the receiver and the threads that help them share what cores there are; with
  more producers than cores the table of producers shows how well they take turns, not how far they scale.
- **One way of writing to each peer.** A program that gathers more before it writes, or waits for less,
  gets other figures out of sockets and \`zeromq\`. \`zeromq\` and the sockets also reach other machines, and
  the ring over \`shm-typed-array\` cannot wait, die or take lengths that differ.
- **Worker's \`postMessage\`** is within one process, and hands over objects, not bytes alone.
- **The mailbox** acknowledges every message: its throughput is the inverse of its round trip.
- **Medians hide rare events.** A maximum of thousands of round trips is one event, and mostly the
  scheduler's.
- **Other machines.** Ratios travel better than absolute figures, and neither travels far: run it.`;

/** The sections with figures: also what is printed where no page is written. */
export function tables(result: Result): string {
  const plotted = new Set(plots(result).map(({ name }) => name));
  const plot = (name: string, title: string): string[] =>
    plotted.has(name) ? [`![${title}](plots/${name}.svg)`] : [];
  return [
    "## Targets of the channel",
    "Medians. The C twin speaks the same protocol over the same memory, in the same run.",
    targetsTable(result),
    ...section(
      result,
      "throughput",
      "Ratios: throughput",
      "How many times as many messages the channel carries, from one Deno process to another.",
      throughputRatios(result),
      ...plot("throughput", "Messages a second over the bytes of a message, by peer"),
    ),
    ...section(
      result,
      "roundTrip",
      "Ratios: round trips of 64 B",
      "Medians. The last column is beside their own round trips after a pause of 3 ms.",
      roundTripRatios(result),
      ...plot("round_trip", "Percentiles of a round trip, by peer"),
      ...plot("wake", "Percentiles of a round trip after a pause, by peer"),
    ),
    ...section(
      result,
      "throughput",
      "Throughput",
      throughputTable(result, (rate) => rateText(rate)),
      "As bandwidth:",
      throughputTable(result, (rate, size) => bandwidthText(rate * size)),
      ...plot("bandwidth", "Bytes a second over the bytes of a message, by peer"),
    ),
    ...section(
      result,
      "roundTrip",
      "Round trips",
      "64 B, traffic flowing. For `shm-typed-array` it is two bare words and no message: the least " +
        "that JavaScript can do over shared memory. For the mailbox it is a send until it is acknowledged.",
      percentilesTable(result, "roundTrip"),
    ),
    ...section(
      result,
      "wake",
      "Round trips after a pause",
      "64 B, with 3 ms before each, so that the other side sleeps and has to be woken. " +
        "Who only spins has no row here.",
      percentilesTable(result, "wake"),
    ),
    ...section(
      result,
      "throughput",
      "CPU time and memory, 64 B",
      costTable(result, "64"),
      ...plot("cpu", "CPU time of a million messages, by peer"),
    ),
    ...section(
      result,
      "allocation",
      "Allocation",
      "What the heap grows by for each message, over 10 million of them (1 million in a quick run).",
      simpleTable(result, "allocation", ["the channel", "bytes a message"], numberText),
    ),
    ...section(
      result,
      "idle",
      "Idle",
      "CPU time of a receiver that waits for a message that does not come.",
      simpleTable(result, "idle", ["peer", "share of a core"], shareText),
    ),
    ...section(
      result,
      "producers",
      "Several producers",
      `64 B, one consumer. This machine has ${result.machine.cores} cores: from ` +
        `${result.machine.cores} producers on there are more processes than cores, and none is pinned.`,
      producersTable(result),
      ...plot("producers", "Messages a second over the number of producers"),
    ),
    ...section(
      result,
      "startUp",
      "Start-up",
      "From the start of the process to its end.",
      startUpTable(result),
    ),
    ...section(
      result,
      "lifecycle",
      "Coming and going",
      lifecycleTable(result),
    ),
    ...section(
      result,
      "fields",
      "Struct fields",
      "`Deno.UnsafePointerView` cannot write: its figures write as the typed array does. `restructure` " +
        "has no fields in memory: it decodes and encodes the whole struct.",
      fieldsTable(result),
      ...plot("fields", "Nanoseconds of a read and a write of a field"),
    ),
  ].join("\n\n");
}

/** What is to be known of a run that is not a whole one. */
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
  const failed = result.cases.filter(({ failures }) => failures.length > 0);
  const rows = [
    ...result.notRun.map(({ peer, reason }) => [result.peers[peer] ?? peer, "all", reason]),
    ...failed.map(({ measure, peer, variant, failures, figures }) => [
      result.peers[peer] ?? peer,
      `${measure} ${variant}, ${failures.length} of ${failures.length + figures.length} rounds`,
      failures[0]!,
    ]),
  ];
  return [
    "## Not run",
    ...(rows.length === 0
      ? ["All peers ran, and no case failed."]
      : [table(["peer", "what", "reason"], rows)]),
  ];
}

/** The page. */
export function report(result: Result, file: string): string {
  return [
    "# What it costs, beside other ways",
    "This page is written by `deno task bench`, from the result file " +
    `[\`results/${file}\`](results/${file}).`,
    ...caution(result),
    ...inShort(result),
    "## Running it",
    "```sh not-run: it takes minutes, and measures the machine\n" +
    "deno task bench                  # all, about a quarter of an hour; writes this page\n" +
    "deno task bench --quick          # does all of it work? Under a minute\n" +
    "deno task bench --only NAME      # cases with NAME in their names: --list shows them\n" +
    "deno task bench --compare A B    # what changed between two result files\n" +
    "deno task bench --report FILE    # this page anew, from a result file\n```",
    "It needs Node, npm, gcc and Deno; what is not there is listed below as not run.",
    "## The machine",
    machineText(result),
    ...(result.machine.virtual ? [MACHINE_NOTE] : []),
    tables(result),
    "## How it is measured",
    METHOD,
    "## What the figures do not show",
    LIMITS,
    ...notRun(result),
  ].join("\n\n") + "\n";
}
