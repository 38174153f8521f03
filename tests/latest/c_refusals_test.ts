/** The errors of `shm_latest.h`: the same as in TypeScript, each in one line. */

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { f32, f64, Latest, Segment, SemaphoreSet, statSegment, struct } from "../../mod.ts";
import { CELL_WORD, CONTROL_WORD } from "../../src/latest/cell_memory.ts";
import { CELLS_OFFSET, SEMAPHORE_COUNT } from "../../src/latest/cells.ts";
import { HEADER } from "../../src/latest/descriptor.ts";
import { messageText } from "../../src/layout/message_text.ts";
import { numberedBytes, refused, summary } from "../support/c_peer.ts";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { asNobody } from "../support/other_user.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();

const PEER = new URL("peer.c", import.meta.url);

const peer = new CProgram(PEER, "-O2");

const Pose = struct({ x: f64, y: f64, at: struct({ heading: f32, speed: f32 }) });

function scratch(): Latest {
  return Latest.openOrCreate({ key: freshKey(), size: 64, cells: 4 });
}

testWith(C_NEEDS, "shm_latest_open: a key without a latest value is refused", async () => {
  for (const flags of [[], ["--read-only"]]) {
    await using reader = peer.start("read", freshKey(), 1, ...flags);
    await refused(reader, /cannot open the latest value: there is none, key/);
  }
});

testWith(C_NEEDS, "shm_latest_open_or_create: arguments out of range are refused", async () => {
  for (
    const [flags, says] of [
      [["--cells", 3], /cells is not a power of two from 2 to 4096/],
      [["--size", 2 ** 30 + 1], /size is not from 1 to 2\^30/],
      [["--type", "x"], /type is not the text of a message type/],
      [["--type", "x:f64@0;8", "--size", 9], /type is of another size/],
    ] as const
  ) {
    await using writer = peer.start("write", freshKey(), 1, ...flags);
    await refused(writer, says);
  }
});

testWith(C_NEEDS, "shm_latest_open: another size or number of cells is refused", async () => {
  using latest = scratch();
  await using size = peer.start("read", latest.key, 1, "--size", 65);
  await refused(size, /value_size differs: 64 \(0x40\) there, 65 \(0x41\) here/);
  await using cells = peer.start("write", latest.key, 1, "--cells", 8);
  await refused(cells, /cells differs: 4 \(0x4\) there, 8 \(0x8\) here/);
});

testWith(
  C_NEEDS,
  "shm_latest_open: another struct is refused by its first field that differs",
  async () => {
    using latest = Latest.of(Pose, { key: freshKey() });
    const text = messageText(Pose);
    for (
      const [type, says] of [
        [
          text.replace("at.speed:f32", "at.speed:i32"),
          /first field that differs is at\.speed:i32@20 here/,
        ],
        [text.replace("x:f64", "X:f64"), /first field that differs is X:f64@0 here/],
        [
          "x:f64@0;y:f64@8;at.heading:f32@16;24",
          /more fields there, after at\.heading:f32@16 here/,
        ],
        [text.replace(/24$/, "32"), /its end differs: at\.speed:f32@20 and size 32 here/],
      ] as const
    ) {
      await using reader = peer.start("read", latest.key, 1, "--type", type);
      await refused(
        reader,
        new RegExp(`open the latest value: it holds another struct: .*${says.source}`),
      );
      await using looking = peer.start("read", latest.key, 1, "--type", type, "--read-only");
      await refused(looking, says);
    }
    using writer = latest.writer();
    writer.write(Pose.read(numberedBytes(1, 24).buffer));
    for (const flags of [["--type", text], []]) {
      await using reader = peer.start("read", latest.key, 1, ...flags);
      assert.equal((await summary(reader)).version, 1);
    }
  },
);

testWith(C_NEEDS, "Latest.of: finds the struct of a C program, and no other", async () => {
  const key = freshKey();
  await using writer = peer.start("write", key, 1, "--type", messageText(Pose), "--half");
  await writer.stdout(/half/);
  using latest = Latest.of(Pose, { key });
  assert.equal(latest.reader().version, 1);
  const Other = struct({ x: f64, y: f32, at: struct({ heading: f32, speed: f32 }) });
  assert.throws(() => Latest.of(Other, { key }), /EFORMAT.*y:f32@8/);
  writer.kill("SIGTERM");
  await writer.ended();
});

testWith(C_NEEDS, "shm_latest_open: each field of the header that differs is named", async () => {
  using latest = scratch();
  using segment = Segment.attach(latest.id);
  const { type: _, ...fields } = HEADER.fields;
  for (const [name, { offset, size }] of Object.entries(fields)) {
    const before = segment.read(offset, size);
    segment.write(before.map((byte) => byte ^ 0x55), offset);
    await using reader = peer.start("read", latest.key, 1);
    await refused(reader, new RegExp(`cannot open the latest value: ${name} differs: .*, key `));
    segment.write(before, offset);
  }
});

testWith(
  C_NEEDS,
  "shm_latest_open_writer: a second writer is refused, and the first named",
  async () => {
    using latest = scratch();
    using _writer = latest.writer();
    await using second = peer.start("write", latest.key, 1);
    await refused(second, new RegExp(`it has a writer already, process ${Deno.pid}, key`));
  },
);

testWith(
  { ...C_NEEDS, tools: ["gcc", "deno"], root: true },
  "shm_latest_open: another user's is refused without trust",
  async () => {
    const key = freshKey();
    await using other = asNobody(`
    import { Latest } from "@sysv/shm";
    const latest = Latest.openOrCreate({ key: ${key}, size: 64, mode: 0o666 });
    console.log("there");
    await Deno.stdin.read(new Uint8Array(1));
    latest.close();
  `);
    await other.line();
    for (const flags of [[], ["--read-only"]]) {
      await using reader = peer.start("read", key, 1, ...flags);
      await refused(reader, /user 65534 created its segment and user 65534 owns it.*set trust/);
    }
    await using trusting = peer.start("write", key, 1, "--trust");
    assert.equal((await summary(trusting)).version, 1);
    await other.write("\n");
    await other.ended();
  },
);

/** What another program writes, and the error that the peer reports. */
const CORRUPTIONS = [
  ["write", "published", CONTROL_WORD.PUBLISHED, 7, /the number of the newest cell is 0,/],
  ["write", "a number", "LOW", 9, /the number of the newest cell is 9,/],
  ["next", "a number", "LOW", 9, /the cell of the newest value is 1, which is impossible/],
  ["next", "a length", "LENGTH", 65, /the cell of the newest value is 1,.*\(with 65\)/],
  ["next", "a length", "LENGTH", -1, /the cell of the newest value is 1,.*\(with 4294967295\)/],
] as const;

for (const [role, what, word, value, says] of CORRUPTIONS) {
  testWith(
    C_NEEDS,
    `shm_latest.h: hostile memory is an error to ${role}: ${what}, ${value}`,
    async () => {
      using latest = scratch();
      {
        using writer = latest.writer();
        writer.write(numberedBytes(1, 64));
      }
      using segment = Segment.attach(latest.id);
      const words = new Int32Array(segment.buffer);
      const stride = (segment.size - CELLS_OFFSET) / 4 / 4;
      words[typeof word === "number" ? word : CELLS_OFFSET / 4 + stride + CELL_WORD[word]] = value;
      await using program = peer.start(role, latest.key, 2);
      await refused(program, new RegExp(`cannot use the latest value: ${says.source}`));
    },
  );
}

testWith(
  C_NEEDS,
  "shm_latest_open: what a killed creator left unfinished is completed",
  async () => {
    const latest = scratch();
    {
      using segment = Segment.attach(latest.id);
      segment.write(new Uint8Array(4), HEADER.fields.magic.offset);
    }
    // A process is attached that might still be at it
    await using patient = peer.start(
      "write",
      latest.key,
      1,
      "--size",
      64,
      "--cells",
      4,
      "--timeout",
      0.2,
    );
    await refused(patient, /it was not initialised in time/);
    await using looking = peer.start("read", latest.key, 1, "--read-only", "--timeout", 0.2);
    await refused(looking, /it was not initialised in time/);
    assert.equal(latest.close(), "removed");
  },
);

testWith(
  C_NEEDS,
  "shm_latest_open_read_only: a reader that waits keeps no peer from initialising the value",
  async () => {
    const key = freshKey();
    const SIZE = CELLS_OFFSET + 4 * 128;
    const set = SemaphoreSet.create({ key, count: SEMAPHORE_COUNT });
    const segment = Segment.create({ key, size: SIZE });
    segment.detach();
    await using reader = peer.start("read", key, 1, "--read-only");
    // It has looked, and waits for the process that created the segment: this one
    while (statSegment(segment.id).lpid !== reader.pid) await delay(1);
    using latest = Latest.openOrCreate({ key, size: 64, cells: 4 });
    assert(!latest.created);
    using writer = latest.writer();
    writer.write(numberedBytes(1, 64));
    assert.equal((await reader.ended()).code, 0, reader.printed.stderr);
    assert.equal(set.id, SemaphoreSet.open(key).id);
  },
);
