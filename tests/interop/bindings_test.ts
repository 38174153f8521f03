/**
 * Shared memory as other languages and libraries have it: PHP, Python, Perl, Boost and Qt. Each program of
 * `bindings/` creates what the library opens, and opens what the library creates. Both write, and both see
 * it. The semaphores of three of them keep both sides apart.
 */

import assert from "node:assert/strict";
import { f64, ftok, i32, Segment, SemaphoreSet, struct } from "../../mod.ts";
import { findSegment } from "../../src/sysv/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { missing, type Needs, testWith } from "../support/needs.ts";
import { freshKey, Peer, PROJECT, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

const FOLDER = `${PROJECT}tests/interop/bindings`;

/** What is shared; 16 bytes, of which 4 are not used. */
const Reading = struct({ sensor: i32, celsius: f64 });

/** A program that does what its input says, line by line, and answers each line with one. */
interface Binding {
  readonly needs: Needs;
  /** Starts it for a key, or for the file that makes the key. */
  readonly start: (key: number, path: string) => Peer;
  /** Its keys come from files, by `ftok`. */
  readonly filesAsKeys?: boolean;
  /** How many semaphores a set of it has; the first one counts. */
  readonly semaphores?: number;
}

/** A program in a language that needs no compiler. */
function script(program: string, file: string, ...flags: readonly string[]): Binding["start"] {
  return (key) => Peer.start(program, [...flags, `${FOLDER}/${file}`, `${key | 0}`]);
}

/** A program in C++, compiled once. */
function compiled(name: string, ...flags: readonly string[]): Binding["start"] {
  let folder: TestFolder | undefined;
  let program: string | undefined;
  Deno.test.afterAll(() => folder?.[Symbol.dispose]());
  return (_, path) => {
    folder ??= new TestFolder();
    const source = `${FOLDER}/${name}.cpp`;
    program ??= folder.compile("g++", name, ["-O1", "-Wall", source, ...flags]);
    return Peer.start(program, [path]);
  };
}

const PYTHON = "/usr/bin/python3";
const CPP = { tools: ["g++"], files: true } as const;
const BOOST = "/usr/include/boost/interprocess/xsi_shared_memory.hpp";
const QT = `/usr/include/${Deno.build.arch}-linux-gnu/qt5`;

/** Debian's Python has the module of Debian's package. */
function hasSysvIpc(): boolean {
  if (missing({ tools: [PYTHON] }) !== undefined) return false;
  return new Deno.Command(PYTHON, { args: ["-c", "import sysv_ipc"], stderr: "null" })
    .outputSync().success;
}

const BINDINGS: Readonly<Record<string, Binding>> = {
  PHP: {
    needs: { tools: ["php"], files: true },
    start: script("php", "peer.php"),
    semaphores: 3,
  },
  Python: {
    needs: { tools: [hasSysvIpc() ? PYTHON : "python3 with sysv_ipc"], files: true },
    start: script(PYTHON, "peer.py", "-B"),
    semaphores: 1,
  },
  Perl: {
    needs: { tools: ["perl"], files: true },
    start: script("perl", "peer.pl"),
    semaphores: 1,
  },
  Boost: {
    needs: { ...CPP, installed: [BOOST] },
    start: compiled("boost"),
    filesAsKeys: true,
  },
  Qt: {
    needs: { ...CPP, installed: [`${QT}/QtCore/QSharedMemory`] },
    start: compiled("qt", "-fPIC", `-I${QT}`, `-I${QT}/QtCore`, "-lQt5Core"),
    filesAsKeys: true,
  },
};

/** A binding's program at a fresh key. */
class Program implements AsyncDisposable {
  readonly #folder = new TestFolder();
  readonly key: number;
  readonly #peer: Peer;

  constructor({ start, filesAsKeys = false }: Binding) {
    const path = this.#folder.file("key", "");
    this.key = filesAsKeys ? ftok(path, "Q".charCodeAt(0)) : freshKey();
    this.#peer = start(this.key, path);
  }

  /** Tells it a line, and returns its answer. */
  async says(line: string): Promise<string> {
    await this.#peer.write(`${line}\n`);
    return await this.#peer.line();
  }

  async ended(): Promise<void> {
    await this.#peer.endInput();
    const { code, stderr } = await this.#peer.ended();
    assert.deepEqual([code, stderr], [0, ""]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

for (const [name, binding] of Object.entries(BINDINGS)) {
  const { needs, semaphores } = binding;
  testWith(
    needs,
    `Segment.open: what ${name} creates is shared, and gone when it removes it`,
    async () => {
      await using program = new Program(binding);
      assert.equal(await program.says("create"), "ok");
      {
        using segment = Segment.open(program.key, { minSize: Reading.size });
        assert.equal(segment.size, Reading.size);
        const reading = segment.view(Reading);
        assert.equal(await program.says("write 7 21.5"), "ok");
        assert.deepEqual([reading.sensor, reading.celsius], [7, 21.5]);
        reading.sensor = -8;
        reading.celsius = 0.25;
        assert.equal(await program.says("read"), "-8 0.25");
      }
      assert.equal(await program.says("remove"), "ok");
      assert.equal(findSegment(program.key), undefined);
      await program.ended();
    },
  );

  testWith(needs, `Segment.create: ${name} opens it, and both see what both write`, async () => {
    await using program = new Program(binding);
    using segment = Segment.create({ key: program.key, size: Reading.size });
    using _ = { [Symbol.dispose]: () => segment.remove() };
    const reading = segment.view(Reading);
    reading.sensor = 7;
    reading.celsius = 21.5;
    assert.equal(await program.says("open"), `${Reading.size}`);
    assert.equal(await program.says("read"), "7 21.5");
    assert.equal(await program.says("write -8 0.25"), "ok");
    assert.deepEqual([reading.sensor, reading.celsius], [-8, 0.25]);
    await program.ended();
    // It was not the creator, and has removed nothing
    assert.equal(findSegment(program.key), segment.id);
  });

  if (semaphores === undefined) continue;
  for (const creator of [name, "the library"]) {
    const what = `${name} and the library exclude each other in a set that ${creator} makes`;
    testWith(needs, `SemaphoreSet: ${what}`, async () => {
      await using program = new Program(binding);
      if (creator === "the library") {
        // PHP counts its users in the second one, and the first user sets the first one
        const values = semaphores === 1 ? [1] : new Array(semaphores).fill(0);
        SemaphoreSet.create({ key: program.key, count: semaphores, values });
      }
      assert.equal(await program.says("semaphore"), "ok");
      const set = SemaphoreSet.open(program.key);
      using _ = { [Symbol.dispose]: () => set.remove() };
      assert.equal(set.count, semaphores);
      const acquire = [{ semaphore: 0, add: -1, undo: true }];
      const release = [{ semaphore: 0, add: 1, undo: true }];

      assert.equal(await program.says("try"), "acquired");
      assert.equal(set.tryOp(acquire), false);
      const acquired = set.op(acquire);
      assert.equal(await program.says("release"), "ok");
      await acquired;
      assert.equal(await program.says("try"), "not acquired");
      set.tryOp(release);
      assert.equal(await program.says("try"), "acquired");
      // The kernel releases what a program that has ended held
      await program.ended();
      assert.equal(set.tryOp(acquire), true);
      set.tryOp(release);
    });
  }
}
