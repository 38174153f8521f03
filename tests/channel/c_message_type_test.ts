/**
 * A struct that `declare` prints for C carries its message type: C and TypeScript peers with the same struct
 * understand each other, and peers with another one refuse each other and name the field.
 */

import assert from "node:assert/strict";
import { array, bool, Channel, cString, f32, f64, i32, struct, u8, union } from "../../mod.ts";
import { anonymous, bits, u16be } from "../../src/layout/mod.ts";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, type Peer } from "../support/peer.ts";
import { SOON } from "./scratch_channel.ts";

guardAgainstLeaks();

const Corner = struct({ x: f32, y: f32 });
const Shape = struct({
  id: i32,
  open: bool,
  corners: array(Corner, 3),
  style: struct({ width: bits(u8, 3), dashed: bits(bool, 1), port: u16be }),
  size: union({ radius: f64, box: array(f32, 2) }),
  _: anonymous(struct({ red: u8, green: u8 })),
  name: cString(10),
});
const Other = struct({ id: i32, open: bool, corners: array(Corner, 4) });
/** More fields than a header has fingerprints for. */
const Long = struct(Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`f${i}`, i32])));

/** Sends one struct, or receives one, with the type of a struct. */
const peer = new CProgram(
  `#include "shm_channel.h"
${Shape.declare("Shape")}
${Other.declare("Other")}
${Long.declare("Long")}
static int fail(const struct ShmError *error) {
  char line[500];
  shm_describe(error, line, sizeof line);
  fprintf(stderr, "%s\\n", line);
  return 1;
}

static int send_one(struct ShmChannel *channel, const void *bytes, size_t size) {
  struct ShmChannelProducer producer;
  if (shm_channel_open_producer(&producer, channel) != SHM_OK) return fail(&producer.error);
  const enum ShmStatus status = shm_channel_send(&producer, bytes, size, 0, NULL);
  shm_channel_close_producer(&producer);
  return status == SHM_OK ? 0 : fail(&producer.error);
}

static int receive_one(struct ShmChannel *channel) {
  static struct ShmChannelConsumer consumer;
  struct ShmChannelMessage message;
  struct Shape shape;
  if (shm_channel_open_consumer(&consumer, channel) != SHM_OK) return fail(&consumer.error);
  printf("ready\\n");
  fflush(stdout);
  if (shm_channel_receive(&consumer, &shape, sizeof shape, &message, NULL) != SHM_OK) {
    return fail(&consumer.error);
  }
  printf("%d %g %g %s\\n", shape.id, shape.corners[2].y, shape.size.radius, shape.name);
  shm_channel_ack(&consumer);
  shm_channel_close_consumer(&consumer);
  return 0;
}

int main(int count, char **arguments) {
  struct ShmChannelOptions options = shm_channel_options((key_t)strtoul(arguments[2], NULL, 0));
  struct ShmChannel channel;
  struct Shape shape;
  int code = 0;
  if (count != 4) return 2;
  options.lane_capacity = 4096;
  switch (arguments[1][0]) {
    case 'S': options.type = Shape_MESSAGE_TYPE; break;
    case 'O': options.type = Other_MESSAGE_TYPE; break;
    case 'L': options.type = Long_MESSAGE_TYPE; break;
    case 'b': options.type = NULL; break;
    default: options.type = arguments[1];
  }
  if (shm_channel_open_or_create(&channel, &options, NULL) != SHM_OK) return fail(&channel.error);
  memset(&shape, 0, sizeof shape);
  shape.id = -7;
  shape.corners[2].y = 1.5F;
  shape.size.radius = 0.25;
  shape.style.width = 5;
  shape.style.port = 0x3412;
  strcpy(shape.name, "C");
  if (strcmp(arguments[3], "send") == 0) code = send_one(&channel, &shape, sizeof shape);
  else if (strcmp(arguments[3], "receive") == 0) code = receive_one(&channel);
  else puts("joined");
  shm_channel_leave(&channel);
  return code;
}
`,
  "-Wno-unused-variable",
);

/** Awaits the end of a peer that must be refused. */
async function refused(peer: Peer, message: RegExp): Promise<void> {
  const { code, stderr } = await peer.ended();
  assert.deepEqual([code, message.test(stderr)], [1, true], stderr);
}

/** Awaits the end of a peer that must succeed; what it printed. */
async function succeeds(peer: Peer): Promise<string> {
  const { code, stdout, stderr } = await peer.ended();
  assert.deepEqual([code, stderr], [0, ""]);
  return stdout;
}

const DIFFERS = "it holds another struct: the first field that differs is ";

testWith(
  C_NEEDS,
  "Shape_MESSAGE_TYPE: C with the struct of a TypeScript channel joins, with another it does not",
  async () => {
    const key = freshKey();
    using channel = Channel.of(Shape, { key, laneCapacity: 4096 });
    using consumer = channel.consumer();
    await using same = peer.start("Shape", key, "send");
    await succeeds(same);
    const { value } = await consumer.receive({ timeout: SOON });
    assert.deepEqual(
      [
        value.id,
        value.corners[2]?.y,
        value.size.radius,
        value.style.width,
        value.style.port,
        value.name,
      ],
      [-7, 1.5, 0.25, 5, 0x1234, "C"],
    );
    consumer.ack();
    await using other = peer.start("Other", key, "join");
    await refused(other, new RegExp(`${DIFFERS}corners\\[4\\]\\.x:f32@8\\+8 here`));
    await using untyped = peer.start("bytes", key, "join");
    assert.equal(await succeeds(untyped), "joined\n");
  },
);

testWith(
  C_NEEDS,
  "Shape_MESSAGE_TYPE: TypeScript with the struct of a C channel joins, with another it does not",
  async () => {
    const key = freshKey();
    await using creator = peer.start("Shape", key, "receive");
    assert.equal(await creator.line(), "ready");
    assert.throws(() => Channel.of(Other, { key }), {
      code: "EFORMAT",
      message: new RegExp(`${DIFFERS}corners\\[4\\]\\.x:f32@8\\+8 here`),
    });
    Channel.open(key).close();
    {
      using channel = Channel.of(Shape, { key });
      using producer = channel.producer();
      producer.trySend({
        id: 8,
        open: true,
        corners: [{ x: 0, y: 0 }, { x: 0, y: 0 }, { x: 0, y: 2.5 }],
        style: { width: 1, dashed: false, port: 1 },
        size: { radius: 4 },
        red: 1,
        green: 2,
        name: "TypeScript".slice(0, 9),
      });
      assert.equal(await creator.line(), "8 2.5 4 TypeScrip");
    }
    await succeeds(creator);
  },
);

testWith(
  C_NEEDS,
  "ShmChannelOptions.type: more than 46 fields, a size, and text that is no type",
  async () => {
    const key = freshKey();
    {
      using _channel = Channel.of(Long, { key, laneCapacity: 4096 });
      await using same = peer.start("Long", key, "join");
      await succeeds(same);
      const later = Array.from(
        { length: 50 },
        (_, i) => `f${i}:${i === 48 ? "f32" : "i32"}@${i * 4};`,
      );
      await using other = peer.start(`${later.join("")}200`, key, "join");
      await refused(other, /the first 46 fields are the same, and a later one or the size differs/);
    }
    {
      using _bytes = Channel.openOrCreate({ key, lanes: 1, laneCapacity: 4096, messageSize: 12 });
      await using sized = peer.start("x:i32@0;y:f64@4;12", key, "join");
      await succeeds(sized);
      await using other = peer.start("x:i32@0;4", key, "join");
      await refused(other, /message_size differs: 12 \(0xc\) there, 4 \(0x4\) here/);
    }
    for (const text of ["x:i32@0;", "x", "x:i32@0;4;"]) {
      await using wrong = peer.start(text, key, "join");
      await refused(wrong, /type/);
    }
  },
);
