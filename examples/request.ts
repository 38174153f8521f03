/**
 * Request and response over two channels: many callers ask one service, and each answer finds its question.
 *
 *     deno run --allow-ffi examples/request.ts serve                  answers until all callers have left
 *     deno run --allow-ffi examples/request.ts ask 91 97 1000003      from any number of processes at once
 *     deno run --allow-ffi examples/request.ts ask --within 50 97     gives up after 50 ms
 *
 * All callers send through one channel. A channel has one consumer, so each calling process has a channel of
 * its own for answers, and names its key in every request. The tag is the number of the request: it
 * tells which of the questions under way an answer belongs to. A caller gives up a question that has no answer in
 * time, and drops an answer that comes later. The service acknowledges a question after it has answered: if it
 * is killed, the next one answers what is open.
 */

import { Channel, type Producer, struct, u32 } from "../mod.ts";

const KEY = 0x5eed1018;
const Request = struct({ answer_key: u32, number: u32 });
const Response = struct({ divisor: u32 });

/** The least divisor above 1. It takes long on purpose: 1 ms for each divisor tried. */
async function leastDivisor(number: number): Promise<number> {
  for (let divisor = 2; divisor * divisor <= number; divisor++) {
    if (number % divisor === 0) return divisor;
    await new Promise((tried) => setTimeout(tried, 1));
  }
  return number;
}

/** The way back to one caller. */
class Caller {
  readonly #channel;
  readonly #producer: Producer<{ divisor: number }>;

  constructor(key: number) {
    this.#channel = Channel.of(Response, { key });
    this.#producer = this.#channel.producer();
  }

  /** Sends the answer to question `tag`. A caller that died may have left its channel full. */
  answer(tag: number, divisor: number): void {
    this.#producer.trySend({ divisor }, { tag });
  }

  /** Removes the channel, also if its caller died and left answers in it. */
  [Symbol.dispose](): void {
    if (this.#channel.close() === "unread") this.#channel.remove();
  }
}

async function serve(): Promise<void> {
  using requests = Channel.of(Request, { key: KEY });
  using consumer = requests.consumer();
  using callers = new DisposableStack();
  const known = new Map<number, Caller>();
  await consumer.consume(async ({ value, tag }) => {
    const { answer_key, number } = value;
    const divisor = await leastDivisor(number);
    let caller = known.get(answer_key);
    if (caller === undefined) {
      caller = callers.use(new Caller(answer_key));
      known.set(answer_key, caller);
    }
    caller.answer(tag, divisor);
  }, { until: "closed" });
}

/** One process that asks, as many questions at once as it likes. */
class Asker implements AsyncDisposable {
  readonly #answerKey = 0x5e000000 + Deno.pid;
  readonly #answers = Channel.of(Response, { key: this.#answerKey });
  readonly #requests = Channel.of(Request, { key: KEY });
  readonly #producer = this.#requests.producer();
  readonly #waiting = new Map<number, (divisor: number) => void>();
  readonly #end = new AbortController();
  readonly #reading = this.#read();
  #lastTag = 0;

  async #read(): Promise<void> {
    using consumer = this.#answers.consumer();
    await consumer.consume(
      ({ value, tag }) => this.#waiting.get(tag)?.(value.divisor),
      { signal: this.#end.signal },
    );
  }

  /** Asks for the least divisor of `number`. */
  async ask(number: number, within: number): Promise<number> {
    const tag = ++this.#lastTag;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#waiting.set(tag, resolve);
    const late = setTimeout(() => reject(new Error(`no answer within ${within} ms`)), within);
    try {
      await this.#producer.send({ answer_key: this.#answerKey, number }, { tag });
      return await promise;
    } finally {
      clearTimeout(late);
      this.#waiting.delete(tag);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#requests.close();
    this.#end.abort();
    await this.#reading;
    if (this.#answers.close() === "unread") this.#answers.remove();
  }
}

if (Deno.args[0] === "serve") await serve();
else {
  const limited = Deno.args[1] === "--within";
  const within = limited ? Number(Deno.args[2]) : 10_000;
  await using asker = new Asker();
  const asked = Deno.args.slice(limited ? 3 : 1).map(Number).map(async (number) => {
    try {
      console.log(`${number}: ${await asker.ask(number, within)}`);
    } catch (error) {
      console.log(`${number}: ${(error as Error).message}`);
    }
  });
  await Promise.all(asked);
}
