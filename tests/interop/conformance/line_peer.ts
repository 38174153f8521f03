/**
 * A process under the conformance suite, and the line protocol that the suite speaks with it.
 *
 * A peer in another language is one program that speaks this protocol: `deno task interop --peer=NAME=PROGRAM`
 * runs every case with it. `peer.ts`, `peer.c` and `peer.py` are examples. It reads lines from standard
 * input, and answers each with one line on standard output, which it flushes, in order, before it reads the
 * next. Words are separated by one blank; numbers are decimal. PROGRAM is split at its blanks into a command
 * and arguments, and runs in the root of the repository. A peer that does not answer within 20 seconds is
 * killed. One that lacks a kind of object answers `error`; the cases of that kind then fail.
 *
 * | line | what the peer does |
 * | -- | -- |
 * | `open H ROLE KEY [NAME=VALUE]...` | joins the object at KEY, or creates it, and takes the role; H, 0 to 15, names it from now on |
 * | `send H MS TAG PAYLOAD...` | sends, writes or publishes each payload, and waits for each MS milliseconds at most, with 0 not at all |
 * | `stage H TAG PAYLOAD` | writes a message into its lane and does not publish it; `producer` only |
 * | `receive H MS COUNT` | receives COUNT messages, each of which acknowledges the one before; waits for each as `send` does |
 * | `ack H`, `nack H` | acknowledges the last message, or puts it back; `server` and `consumer` only |
 * | `close H` | releases the role and leaves; acknowledges nothing |
 * | `slice MS` | its waits look again after MS milliseconds, instead of 100, from now on; a peer that cannot change that does nothing |
 *
 * ROLE is `client` or `server` of a mailbox, `producer` or `consumer` of a channel, `writer` or `reader` of a
 * Latest, `publisher` or `subscriber` of a Topic. The options of `open` are `lanes`, `capacity` (bytes of a
 * lane), `size` (bytes of each message, or of the longest value), `cells`, `type` (the canonical text of the
 * struct), `history`, `timeout` (milliseconds that joining takes at most), and with the value 1: `open` (what
 * is not there is not created), `keep` (what is created stays), `readonly` (a reader or subscriber that joins
 * nothing), `closed` (a consumer receives until the end of the stream).
 *
 * The answer is `ok`, and then words; or `error` and a text for people. The suite looks for these words in
 * that text:
 *
 * | what failed | the text contains |
 * | -- | -- |
 * | a server, consumer or writer finds the role taken | `process PID`, the process that has the role |
 * | the segment has another size | `1000 bytes`, its size; or `no semaphore set`, if it has none and is no mailbox |
 * | the key has an object of another kind | `the key belongs to a channel`, `... a Latest` |
 * | the object has another struct | `the first field that differs is y:f32@16 here`, the peer's own leaf |
 * | the magic was still 0 at the deadline | `not initialised in time` |
 * | the object was removed while the peer waited | `removed` |
 * | a subscriber cannot read a record | `lane N` |
 *
 * The words of `send` are one for each payload. MS is the time for all that one payload waits for: its turn,
 * room, and a server that takes it.
 *
 * | word | what happened |
 * | -- | -- |
 * | `taken` | a server acknowledged it |
 * | `left` | it is in the slot of the mailbox, and MS is 0 |
 * | `unknown` | a server received it and did not acknowledge it in time; the peer goes on with the next payload |
 * | `sent` | it is in the channel |
 * | `unsent` | it was not sent, or was withdrawn; the last word: the peer does not send the rest |
 * | a number | that of the value in the Latest, or of the message in its lane of the Topic |
 *
 * The words of `receive` are one for each message, and where there are fewer, `none` (not in time) or `end`
 * (of the stream). A message is its payload and then facts, each after a comma: `sender=PID` of a server (0:
 * not known), `tag=N,lane=N` of a consumer, `version=N` of a reader, `tag=N,lane=N,number=N,missed=N` of a
 * subscriber. A reader that does not wait receives the newest value, and none if it had that already.
 *
 * A payload is in hexadecimal; an empty one is `-`. A peer ends when its input ends. Exit codes do not matter:
 * most peers are killed.
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { addOwnProcess } from "../../support/own_objects.ts";

/** A safety net only: no case passes or fails by how fast something is. */
export const SAFETY_MS = 20_000;

/** Longer than the safety net: what does not come is a failure, and no wait that has ended in good order. */
const NEVER = 600_000;

/** A payload as text, in UTF-8. Structs of the suite consist of ASCII. */
export type Payload = string;

/** A received message: its payload and the facts about it. */
export type Received = { readonly text: Payload } & Readonly<Record<string, number | string>>;

/** What a peer answers to `receive`: messages, and why there are no more. */
export type Receipt = readonly (Received | "none" | "end")[];

/** The roles, of which the first of each pair sends. */
export type Role =
  | "client"
  | "server"
  | "producer"
  | "consumer"
  | "writer"
  | "reader"
  | "publisher"
  | "subscriber";

/** The options of `open`. */
export type OpenOptions = Readonly<Record<string, string | number>>;

/** A peer has answered `error`. */
class Refusal extends Error {}

/** Fails unless the peer answers `error`, and with a text that matches. */
export async function refused(asked: Promise<unknown>, says: RegExp = /./): Promise<void> {
  await assert.rejects(asked, (error) => {
    assert(error instanceof Refusal, String(error));
    assert.match(error.message, says);
    return true;
  });
}

/** A program that speaks the line protocol. */
export class LinePeer {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  #read = "";

  constructor([program, ...args]: readonly string[]) {
    this.#child = new Deno.Command(program!, { args, stdin: "piped", stdout: "piped" }).spawn();
    addOwnProcess(this.#child.pid);
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Asks for one thing, and returns the words of the answer. */
  async ask(line: string): Promise<readonly string[]> {
    const asked = line.slice(0, 60);
    const net = setTimeout(() => this.#end(), SAFETY_MS);
    try {
      await this.#input.write(new TextEncoder().encode(`${line}\n`));
      const [first, ...words] = (await this.#line(asked)).split(" ");
      if (first === "error") throw new Refusal(`${asked}: ${words.join(" ")}`);
      assert.equal(first, "ok", `${asked}: the answer is neither ok nor error`);
      return words;
    } finally {
      clearTimeout(net);
    }
  }

  async #line(asked: string): Promise<string> {
    let end = this.#read.indexOf("\n");
    while (end === -1) {
      const { value, done } = await this.#output.read();
      if (done) throw new Error(`${asked}: the peer ended without an answer`);
      const before = this.#read.length;
      this.#read += value;
      end = this.#read.indexOf("\n", before);
    }
    const line = this.#read.slice(0, end);
    this.#read = this.#read.slice(end + 1);
    return line;
  }

  /** Ends it, if it has not ended by itself. */
  #end(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Kills it, and resolves when the kernel has taken back what it held. */
  async kill(): Promise<void> {
    this.#end();
    await this.#child.status;
    await this.#input.abort().catch(() => {});
    await this.#output.cancel().catch(() => {});
  }
}

/** An object that a peer has opened in a role. */
export class Handle {
  readonly #peer: LinePeer;
  readonly #name: number;
  readonly #closed: () => void;

  constructor(peer: LinePeer, name: number, closed: () => void) {
    this.#peer = peer;
    this.#name = name;
    this.#closed = closed;
  }

  /** Sends payloads, and returns what became of each. */
  send(
    payloads: Payload | readonly Payload[],
    { tag = 0, timeout = NEVER }: { readonly tag?: number; readonly timeout?: number } = {},
  ): Promise<readonly string[]> {
    const words = [payloads].flat().map(encode);
    return this.#peer.ask(["send", this.#name, timeout, tag, ...words].join(" "));
  }

  /** Writes a message that is not published yet. */
  async stage(payload: Payload): Promise<void> {
    await this.#peer.ask(`stage ${this.#name} 0 ${encode(payload)}`);
  }

  /** Receives messages. */
  async receive(count = 1, timeout = NEVER): Promise<Receipt> {
    const words = await this.#peer.ask(`receive ${this.#name} ${timeout} ${count}`);
    return words.map((word) => word === "none" || word === "end" ? word : decode(word));
  }

  /** Receives messages, of which there must be so many. */
  async messages(count: number): Promise<readonly Received[]> {
    return (await this.receive(count)).map((each) => {
      assert(typeof each === "object", `${each} instead of a message`);
      return each;
    });
  }

  /** Receives messages, of which there must be so many, and returns their payloads. */
  async texts(count: number): Promise<readonly Payload[]> {
    return (await this.messages(count)).map(({ text }) => text);
  }

  /** Fails if there is something to receive now. */
  async none(): Promise<void> {
    assert.deepEqual(await this.receive(1, 0), ["none"]);
  }

  /** Acknowledges the last message. */
  async ack(): Promise<void> {
    await this.#peer.ask(`ack ${this.#name}`);
  }

  /** Puts the last message back. */
  async nack(): Promise<void> {
    await this.#peer.ask(`nack ${this.#name}`);
  }

  /** Releases the role and leaves. */
  async close(): Promise<void> {
    this.#closed();
    await this.#peer.ask(`close ${this.#name}`);
  }
}

function encode(payload: Payload): string {
  return Buffer.from(payload).toString("hex") || "-";
}

function decode(word: string): Received {
  const [payload, ...facts] = word.split(",");
  return {
    text: payload === "-" ? "" : Buffer.from(payload!, "hex").toString(),
    ...Object.fromEntries(facts.map((fact) => {
      const [name, value] = fact.split("=");
      return [name, Number(value)];
    })),
  };
}
