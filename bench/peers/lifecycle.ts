/**
 * What opening and leaving costs, in Deno: `lifecycle.c` and `node_lifecycle.cjs` are the same elsewhere.
 * `lifecycle.ts KEY COUNT OTHERS FROM` prints the median nanoseconds of each, beside OTHERS segments
 * with keys from FROM on.
 */

import { Channel, MailboxClient, removeSegment, Segment } from "../../mod.ts";

const SIZE = 1 << 20;
const [key, count, othersCount, from] = Deno.args.map(Number) as [number, number, number, number];

const others = Array.from({ length: othersCount }, (_, i) => {
  const segment = Segment.create({ key: from + i, size: 1 });
  segment.detach();
  return segment.id;
});

/** The median of `count` times, after a tenth of that to warm up. */
function median(action: () => void): number {
  const times = new Float64Array(count);
  for (let i = -Math.ceil(count / 10); i < count; i++) {
    const start = performance.now();
    action();
    if (i >= 0) times[i] = (performance.now() - start) * 1e6;
  }
  return times.sort()[count >> 1]!;
}

const createAndRemove = median(() => {
  using segment = Segment.create({ key, size: SIZE });
  segment.remove();
});

function attaching(): number {
  using segment = Segment.create({ key, size: SIZE });
  try {
    return median(() => Segment.attach(segment.id).detach());
  } finally {
    segment.remove();
  }
}

function joiningChannel(): number {
  using _channel = Channel.openOrCreate({ key, lanes: 1, laneCapacity: SIZE });
  return median(() => {
    using channel = Channel.openOrCreate({ key });
    using _producer = channel.producer();
  });
}

function joiningMailbox(): number {
  using _client = MailboxClient.open({ key });
  return median(() => MailboxClient.open({ key }).close());
}

const attach = attaching();
const channelNew = median(() => {
  using channel = Channel.openOrCreate({ key, lanes: 1, laneCapacity: SIZE });
  using _producer = channel.producer();
});
const channelJoin = joiningChannel();
const mailboxJoin = joiningMailbox();
for (const id of others) removeSegment(id);
console.log(JSON.stringify({
  role: "costs",
  figures: { create: createAndRemove, attach, channelNew, channelJoin, mailboxJoin },
}));
