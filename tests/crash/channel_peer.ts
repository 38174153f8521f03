/**
 * A peer of the channel's crash harness in TypeScript: a producer or a consumer. `channel_peer.h` is the same
 * in C.
 */

import { Channel, type ChannelMessage, type Consumer, type Producer } from "../../mod.ts";
import { peerMessage } from "../channel/peer_messages.ts";
import { CONSUMER_SLOT, MODE, STATE } from "./board.ts";
import { Taker } from "./channel_taker.ts";
import {
  board,
  ends,
  leave,
  length,
  number,
  plan,
  random,
  restSometimes,
  run,
  tryRemoval,
} from "./peer.ts";

const { tag, mode, lifespan, untilClosed } = plan;

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

await run(
  () =>
    Channel.openOrCreate({
      ...board.joining,
      lanes: board.lanes,
      laneCapacity: board.capacity,
    }),
  (channel) => number === CONSUMER_SLOT ? consume(channel) : produce(channel),
);
