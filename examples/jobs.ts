/**
 * A pool of workers that share one stream of jobs. One dispatcher has a channel to each worker, and gives a
 * job to the worker with the least to do. No job is lost: what a killed worker had not finished goes to the others.
 *
 *     deno run --allow-ffi examples/jobs.ts work 0        as many as four workers: 0 to 3
 *     deno run --allow-ffi examples/jobs.ts work 1        kill it, with `kill -9`
 *     deno run --allow-ffi examples/jobs.ts dispatch 200
 *
 * A worker acknowledges a job after it has sent the result. So a job whose worker was killed is still in that
 * worker's channel, and the dispatcher takes it back: it becomes the consumer there. A worker that was
 * killed between its result and the acknowledgement makes a result come twice; the dispatcher counts
 * each job once.
 */

import { Channel, type Producer, ShmError, struct, u32 } from "../mod.ts";

const RESULTS = 0x5eed1020;
const WORKERS = 4;
const Job = struct({ number: u32 });
const Result = struct({ worker: u32, number: u32, square: u32 });

/** The channel to a worker. Few jobs wait in it, so that a fast worker gets more of them. */
function jobsOf(worker: number): Channel<{ number: number }, { readonly number: number }> {
  return Channel.of(Job, { key: RESULTS + 1 + worker, lanes: 1, laneCapacity: 64 });
}

async function work(worker: number): Promise<void> {
  using jobs = jobsOf(worker);
  using consumer = jobs.consumer();
  using results = Channel.of(Result, { key: RESULTS });
  using producer = results.producer();
  await consumer.consume(async ({ value: { number } }) => {
    await new Promise((done) => setTimeout(done, 5)); // the work
    await producer.send({ worker, number, square: number * number });
  }, { until: "closed" });
}

/** A worker, as the dispatcher sees it. */
class Line {
  readonly jobs: ReturnType<typeof jobsOf>;
  readonly producer: Producer<{ number: number }>;

  constructor(worker: number) {
    this.jobs = jobsOf(worker);
    this.producer = this.jobs.producer();
  }

  get working(): boolean {
    return this.jobs.consumerPid !== undefined;
  }

  /** Takes back what no worker will do. */
  takeBack(): number[] {
    const numbers: number[] = [];
    try {
      using consumer = this.jobs.consumer();
      consumer.drain(({ number }) => void numbers.push(number));
    } catch (error) {
      // A new worker came in the meantime: the jobs are its own
      if (!ShmError.is(error, "EBUSY")) throw error;
    }
    return numbers;
  }
}

async function dispatch(count: number): Promise<void> {
  using results = Channel.of(Result, { key: RESULTS });
  using consumer = results.consumer();
  using stack = new DisposableStack();
  const lines = Array.from({ length: WORKERS }, (_, worker) => {
    const line = new Line(worker);
    stack.use(line.jobs);
    stack.use(line.producer);
    return line;
  });
  let open = Array.from({ length: count }, (_, number) => number);
  const done = new Map<number, number>();
  while (done.size < count) {
    for (const line of lines) {
      if (!line.working) open = [...line.takeBack(), ...open];
      else while (open.length > 0 && line.producer.trySend({ number: open[0]! })) open.shift();
    }
    // Looks for workers that came or were killed ten times a second
    await consumer.ready({ timeout: 100 }).catch(() => {});
    consumer.drain(({ number, worker }) => void done.set(number, worker));
  }
  for (let worker = 0; worker < WORKERS; worker++) {
    const jobs = [...done.values()].filter((one) => one === worker).length;
    if (jobs > 0) console.log(`worker ${worker}: ${jobs} jobs`);
  }
  console.log(`${done.size} of ${count} jobs done`);
}

const [role, number] = Deno.args;
if (role === "work") await work(Number(number));
else await dispatch(Number(number));
