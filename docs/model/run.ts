/**
 * Checks the models of the protocols with spin, exhaustively: what is right must hold in every state, and
 * what is broken on purpose must be found. `deno task model [MODEL]...`; needs spin and gcc.
 */

interface Experiment {
  readonly model: "channel" | "latest" | "topic" | "waiting";
  readonly name: string;
  /** The experiment, as the head of the model explains it. */
  readonly flags: readonly string[];
  /** Whether spin is to find no fault. */
  readonly holds: boolean;
}

/** Experiments of one model: a name, the flags, and what must come of it. */
function experimentsOf(
  model: Experiment["model"],
  right: Readonly<Record<string, readonly string[]>>,
  broken: Readonly<Record<string, readonly string[]>>,
): Experiment[] {
  const all = (each: typeof right, holds: boolean): Experiment[] =>
    Object.entries(each).map(([name, flags]) => ({ model, name, flags, holds }));
  return [...all(right, true), ...all(broken, false)];
}

const KILLED = ["KILLS=1", "SLICES=1"];

const ONE = ["LANES=1", "PRODUCERS=1", "MESSAGES=3", "LARGEST=2"];
const TWO = ["LANES=2", "PRODUCERS=2", "MESSAGES=1", "LARGEST=1"];
const SHARED = ["LANES=1", "PRODUCERS=2", "MESSAGES=2", "LARGEST=1"];

const channel = experimentsOf("channel", {
  "two producers, a kill at any step": [...TWO, ...KILLED],
  "one producer, padding, no slices": ONE,
  "one producer, store buffers": [...ONE, "WEAK"],
  "two producers, two lanes": TWO,
  "two producers, one lane": SHARED,
  "one producer, a kill at any step": [...ONE, ...KILLED],
}, {
  "no second look before sleeping": [...ONE, "LINGER", "NO_RECHECK"],
  "no second look for room": [...ONE, "NO_ROOM_RECHECK"],
  "no wake after the tail": [...ONE, "LINGER", "NO_WAKE"],
  "no wake after the head": [...ONE, "NO_ROOM_WAKE"],
  "tail stored before the record": [...ONE, "TAIL_FIRST"],
  "head stored before reading": [...ONE, "HEAD_FIRST"],
  "no padding": [...ONE, "NO_PADDING"],
  "tail only released": [...ONE, "WEAK", "LINGER", "RELAXED_TAIL"],
  "asleep only released": [...ONE, "WEAK", "LINGER", "RELAXED_ASLEEP"],
  "claim in two steps": [...SHARED, "ROLE_IN_TWO_STEPS"],
});

const MANY = ["PUBLISHERS=2", "SLEEPERS=2", "MESSAGES=1"];
const SINGLE = ["PUBLISHERS=1", "SLEEPERS=2", "MESSAGES=2"];

const waiting = experimentsOf("waiting", {
  "two publishers, two sleepers": MANY,
  "one publisher, a kill at any step": [...SINGLE, ...KILLED],
}, {
  "no second look before sleeping": [...SINGLE, "NO_RECHECK"],
  "position only released": [...SINGLE, "RELAXED_POSITION"],
  "waiting as a flag of two sleepers": [...SINGLE, "WAITING_IS_A_FLAG"],
});

const CELLS2 = ["CELLS=2", "LAP=4", "WRITES=4"];
const CELLS4 = ["CELLS=4", "LAP=8", "WRITES=6", "KILLS=1"];
const LAPPED = ["CELLS=2", "LAP=4", "WRITES=7"];

const latest = experimentsOf("latest", {
  "4 cells, a kill at any step": CELLS4,
  "2 cells, a kill at any step": [...CELLS2, "KILLS=1"],
  "2 cells, numbers come again": LAPPED,
}, {
  "published before the value": [...CELLS2, "PUBLISHED_FIRST"],
  "valid up to cells - 1 behind": [...CELLS2, "CELLS_MINUS_1"],
  "no fence before reuse": [...CELLS2, "NO_REUSE_FENCE"],
  "no fence behind the copy": [...CELLS2, "NO_READER_FENCE"],
  "next writer skips a number": [...CELLS2, "KILLS=1", "SKIPPED_NUMBER"],
  "number_high not compared": [...LAPPED, "NO_HIGH"],
  "number_high loaded with the value": [...LAPPED, "HIGH_IN_COPY"],
  "number_high of a write under way": [...LAPPED, "HIGH_UNCHECKED"],
});

const SHORT = ["POSITIONS=32", "MESSAGES=3", "SMALLEST=1"];
const LONG = ["POSITIONS=16", "MESSAGES=11", "SMALLEST=2"];

const topic = experimentsOf("topic", {
  "padding, a kill at any step": [...SHORT, "KILLS=1"],
  "padding, 4 messages": ["POSITIONS=32", "MESSAGES=4", "SMALLEST=1"],
  "positions come again": LONG,
  "announced in advance": [...SHORT, "AHEAD=1"],
}, {
  "tail stored before the record": [...SHORT, "TAIL_FIRST"],
  "valid by the tail": [...SHORT, "VALID_BY_TAIL"],
  "intent after the overwrite": [...SHORT, "INTENT_AFTER"],
  "no fence before the overwrite": [...SHORT, "NO_OVERWRITE_FENCE"],
  "next owner lowers the intent": [...SHORT, "KILLS=1", "INTENT_LOWERED"],
  "no fence behind the tail": [...SHORT, "AHEAD=1", "NO_TAIL_FENCE"],
  "missed by a state that changes": [...SHORT, "STATE_UNCHECKED"],
  "missed by a state not published": [...SHORT, "KILLS=1", "NEWEST_STATE"],
  "history not checked each step": [...SHORT, "WALK_UNCHECKED"],
  "tail_high not compared": [...LONG, "NO_TAIL_HIGH"],
});

async function run(folder: string, command: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args: [...args], cwd: folder })
    .output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (code !== 0) throw new Error(`${command}: ${text}`);
  return text;
}

/** Runs one experiment, prints its line, and returns whether it came out as it must. */
async function check({ model, name, flags, holds }: Experiment): Promise<boolean> {
  const folder = Deno.makeTempDirSync();
  try {
    const source = new URL(`${model}.pml`, import.meta.url).pathname;
    await run(folder, "spin", "-a", ...flags.map((flag) => `-D${flag}`), source);
    // A search that ends at a fault is shorter than what optimizing it would take
    const options = [holds ? "-O1" : "-O0", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=2048"];
    await run(folder, "gcc", ...options, "-o", "pan", "pan.c");
    const report = await run(folder, "./pan", "-m2000000", "-w22");
    const errors = Number(/errors: (\d+)/.exec(report)?.[1]);
    const states = /(\d+) states, stored/.exec(report)?.[1] ?? "?";
    // A search that was cut short has shown nothing
    const whole = !/max search depth too small|out of memory/.test(report);
    const right = whole && (errors === 0) === holds;
    const verdict = errors === 0 ? "holds" : "fault found";
    const line = [model.padEnd(7), name.padEnd(34), verdict.padEnd(11), states, "states"];
    console.log(`${right ? "ok   " : "WRONG"} ${line.join(" ")}`);
    return right;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** The longest comes first: the others run beside it. */
const queue = [...channel, ...topic, ...latest, ...waiting]
  .filter(({ model }) => Deno.args.length === 0 || Deno.args.includes(model));
let wrong = 0;
await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, async () => {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (!await check(next)) wrong++;
  }
}));
Deno.exit(wrong === 0 ? 0 : 1);
