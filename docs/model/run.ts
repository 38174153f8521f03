/**
 * Checks the model of the channel with spin, exhaustively: what is right must hold in every state, and
 * what is broken on purpose must be found. `deno task model`; needs spin and gcc.
 */

interface Experiment {
  readonly name: string;
  /** The experiment, as the head of channel.pml explains it. */
  readonly flags: readonly string[];
  /** Whether spin is to find no fault. */
  readonly holds: boolean;
}

const ONE = ["LANES=1", "PRODUCERS=1", "MESSAGES=3", "LARGEST=2"];
const TWO = ["LANES=2", "PRODUCERS=2", "MESSAGES=1", "LARGEST=1"];
const SHARED = ["LANES=1", "PRODUCERS=2", "MESSAGES=2", "LARGEST=1"];
const KILLED = ["KILLS=1", "SLICES=1"];

/** The longest comes first: the others run beside it. */
const experiments: readonly Experiment[] = [
  { name: "two producers, a kill at any step", flags: [...TWO, ...KILLED], holds: true },
  { name: "one producer, padding, no slices", flags: ONE, holds: true },
  { name: "one producer, store buffers", flags: [...ONE, "WEAK"], holds: true },
  { name: "two producers, two lanes", flags: TWO, holds: true },
  { name: "two producers, one lane", flags: SHARED, holds: true },
  { name: "one producer, a kill at any step", flags: [...ONE, ...KILLED], holds: true },
  { name: "no second look before sleeping", flags: [...ONE, "LINGER", "NO_RECHECK"], holds: false },
  { name: "no second look for room", flags: [...ONE, "NO_ROOM_RECHECK"], holds: false },
  { name: "no wake after the tail", flags: [...ONE, "LINGER", "NO_WAKE"], holds: false },
  { name: "no wake after the head", flags: [...ONE, "NO_ROOM_WAKE"], holds: false },
  { name: "tail stored before the record", flags: [...ONE, "TAIL_FIRST"], holds: false },
  { name: "head stored before reading", flags: [...ONE, "HEAD_FIRST"], holds: false },
  { name: "no padding", flags: [...ONE, "NO_PADDING"], holds: false },
  {
    name: "tail only released",
    flags: [...ONE, "WEAK", "LINGER", "RELAXED_TAIL"],
    holds: false,
  },
  {
    name: "asleep only released",
    flags: [...ONE, "WEAK", "LINGER", "RELAXED_ASLEEP"],
    holds: false,
  },
  { name: "claim in two steps", flags: [...SHARED, "ROLE_IN_TWO_STEPS"], holds: false },
];

const model = new URL("channel.pml", import.meta.url).pathname;

async function run(folder: string, command: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args: [...args], cwd: folder })
    .output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (code !== 0) throw new Error(`${command}: ${text}`);
  return text;
}

/** Runs one experiment, prints its line, and returns whether it came out as it must. */
async function check({ name, flags, holds }: Experiment): Promise<boolean> {
  const folder = Deno.makeTempDirSync();
  try {
    await run(folder, "spin", "-a", ...flags.map((flag) => `-D${flag}`), model);
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
    console.log(
      `${right ? "ok   " : "WRONG"} ${name.padEnd(36)} ${verdict.padEnd(12)} ${states} states`,
    );
    return right;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const queue = [...experiments];
let wrong = 0;
await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, async () => {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (!await check(next)) wrong++;
  }
}));
Deno.exit(wrong === 0 ? 0 : 1);
