/**
 * A peer of the channel's crash harness in TypeScript: a producer or a consumer that works until it
 * has done enough, or is killed. `channel_peer.h` is the same in C. Started by `channel_harness.c`
 * with the id of the board and the peer's number on it.
 */

import {
  Channel,
  type ChannelMessage,
  type Consumer,
  type Producer,
  ShmError,
  statSegment,
} from "../../mod.ts";
import { lengthOf, peerMessage } from "../channel/peer_messages.ts";
import { Board, CONSUMER_SLOT, MODE, STATE, Taker } from "./channel_board.ts";
import { Random } from "./random.ts";

/** How a peer ends that has found something wrong, and one under which the channel was removed. */
const EXIT_VIOLATION = 3;
const EXIT_REMOVED = 4;

const [boardId, number] = Deno.args.map(Number) as [number, number];
const board = new Board(boardId, number);
const { seed, tag, mode, lifespan, pause, untilClosed, spin, user } = board.plan;
const random = new Random(seed);
const ends = spin ? {} : { spin: 0 };
const clock = new Int32Array(new SharedArrayBuffer(4));

function length(sequence: number): number {
  return board.least + lengthOf(sequence, board.most - board.least);
}

/** Sleeps for a moment, the whole process; longer than C peers do, as there are fewer kills to hit it. */
function restSometimes(): void {
  if (pause !== 0 && random.below(pause) === 0) {
    Atomics.wait(clock, 0, 0, 0.02 + random.below(3000) / 1000);
  }
}

/** Sends some messages in one of the ways there are; gives how many. */
async function send(producer: Producer, first: number): Promise<number> {
  const record = board.record(tag);
  const message = (sequence: number): Uint8Array => peerMessage(sequence, tag, length(sequence));
  const count = 1 + random.below(8);
  switch (random.below(5)) {
    case 0: {
      let staged = 0;
      while (staged < count && producer.stage(message(first + staged), { tag })) staged++;
      record.intent = first + staged;
      producer.publish();
      return staged;
    }
    case 1: {
      // All of them at most: how many is known afterwards
      record.batch = true;
      record.intent = first + count;
      const sent = producer.sendBatch(
        Array.from({ length: count }, (_, i) => message(first + i)),
        { tag },
      );
      record.intent = record.published = first + sent;
      record.batch = false;
      return sent;
    }
    case 2: {
      const reservation = producer.claim(length(first), { tag });
      if (reservation === undefined) return 0;
      reservation.bytes.set(message(first));
      if (random.below(4) === 0) {
        reservation.bytes.fill(0xee);
        reservation.abort();
        return 0;
      }
      record.intent = first + 1;
      reservation.commit();
      return 1;
    }
    default:
      record.intent = first + 1;
      board.enter(STATE.WAITING);
      if (random.below(2) === 0) producer.sendSync(message(first), { tag });
      else await producer.send(message(first), { tag });
      board.enter(STATE.WORKING);
      return 1;
  }
}

/** Gives up the supervisor's rights for those of another user. */
function become(id: number): void {
  const libc = Deno.dlopen("libc.so.6", {
    setgroups: { parameters: ["usize", "pointer"], result: "i32" },
    setegid: { parameters: ["u32"], result: "i32" },
    seteuid: { parameters: ["u32"], result: "i32" },
  });
  const { setgroups, setegid, seteuid } = libc.symbols;
  if (setgroups(0n, null) + setegid(id) + seteuid(id) !== 0) throw new Error(`cannot become ${id}`);
}

function isError(error: unknown, code: string): boolean {
  return error instanceof ShmError && error.code === code;
}

function join(): Channel {
  for (;;) {
    try {
      return Channel.openOrCreate(board.channel);
    } catch (error) {
      if (!board.inHurry || !isError(error, "ETIMEDOUT")) throw error;
      board.timedOut();
    }
  }
}

/** Tries to remove what is another user's. */
function tryRemoval(channel: Channel): void {
  if (user === 0 || random.below(4) !== 0 || statSegment(channel.id).cuid === user) return;
  try {
    channel.remove();
  } catch (error) {
    if (!isError(error, "EPERM")) throw error;
    return board.refused();
  }
  throw new Error("removing another user's channel is not refused");
}

function leave(channel: Channel): void {
  if (channel.close() === "not ours") board.notOurs();
}

async function produce(channel: Channel): Promise<void> {
  const record = board.record(tag);
  // There are no more producers than lanes, and the kernel freed the lanes of the dead
  const producer = channel.producer(ends);
  record.lane = producer.lane + 1;
  board.enter(STATE.WORKING);
  tryRemoval(channel);
  let sequence = 0;
  while (sequence < lifespan && !board.finish) {
    sequence += await send(producer, sequence);
    record.published = sequence;
    board.progress();
    restSometimes();
  }
  board.enter(STATE.LEAVING);
  producer.close();
  leave(channel);
}

/** Receives what is there in the consumer's mode; gives how many. */
function receive(consumer: Consumer, taker: Taker): number {
  const one = (message: Pick<ChannelMessage, "bytes" | "tag" | "lane">, copied: boolean): void => {
    taker.take(message, copied, length);
    board.progress();
    if (!copied) restSometimes();
  };
  switch (mode) {
    case MODE.DRAIN: {
      const most = random.below(20);
      const count = consumer.drain((bytes, tag, lane) => one({ bytes, tag, lane }, false), {
        ...(most === 0 ? {} : { max: most }),
      });
      taker.noteFreed();
      return count;
    }
    case MODE.NEXT: {
      const message = consumer.tryReceive();
      // Whether there was one or not, the one before counts as received now
      taker.noteFreed();
      if (message === undefined) return 0;
      // Handed over and not freed: killed here, it comes again
      restSometimes();
      one(message, false);
      return 1;
    }
    default: {
      board.hold(true);
      const message = consumer.tryReceive({ ack: "before" });
      if (message !== undefined) one(message, true);
      board.hold(false);
      return message === undefined ? 0 : 1;
    }
  }
}

async function consume(channel: Channel): Promise<void> {
  // There is no other, and the kernel freed the role of the last one
  const consumer = channel.consumer(ends);
  const taker = new Taker(board);
  const until = untilClosed ? { until: "closed" } as const : {};
  board.enter(STATE.WORKING);
  tryRemoval(channel);
  for (let count = 0; count < lifespan;) {
    const received = receive(consumer, taker);
    count += received;
    if (received === 0) {
      board.enter(STATE.WAITING);
      const more = random.below(2) === 0 ? consumer.readySync(until) : await consumer.ready(until);
      board.enter(STATE.WORKING);
      if (!more) break;
    }
    restSometimes();
  }
  consumer.ack();
  taker.noteFreed();
  board.enter(STATE.LEAVING);
  consumer.close();
  leave(channel);
}

async function live(channel: Channel): Promise<number> {
  try {
    await (number === CONSUMER_SLOT ? consume(channel) : produce(channel));
    return 0;
  } catch (error) {
    if (!board.removed || !isError(error, "EIDRM")) throw error;
    board.enter(STATE.LEAVING);
    leave(channel);
    return EXIT_REMOVED;
  }
}

try {
  if (user !== 0) become(user);
  board.enter(STATE.ARRIVING);
  const code = await live(join());
  board.enter(STATE.LEFT);
  Deno.exit(code);
} catch (error) {
  board.complain(error instanceof Error ? error.stack ?? error.message : String(error));
  Deno.exit(EXIT_VIOLATION);
}
