/**
 * What a struct field costs beside the ways one could do it by hand, and beside a codec from npm.
 * `fields.ts MILLISECONDS` prints the nanoseconds of one read and one write of a field: the median of many
 * short rounds, in which all take turns.
 *
 * `Deno.UnsafePointerView` cannot write: its rows read through it and write as the typed array does. The
 * codec has no fields in memory: it decodes and encodes all of the struct.
 */

import { cString, f64, i32, struct } from "../../mod.ts";
import { load } from "../packages.ts";

const [milliseconds] = Deno.args.map(Number) as [number];
const ACCESSES = 2000;
const TEXT = "hello wörld";

const Sample = struct({ count: i32, value: f64, name: cString(16) });
const { count: { offset: COUNT }, value: { offset: VALUE }, name: { offset: NAME } } =
  Sample.fields;

const buffer = new ArrayBuffer(Sample.size);
const view = Sample.view(buffer);
const data = new DataView(buffer);
const ints = new Int32Array(buffer);
const floats = new Float64Array(buffer);
const bytes = new Uint8Array(buffer);
const pointer = Deno.UnsafePointer.of(buffer);
if (pointer === null) throw new Error("the buffer has no address");
const raw = new Deno.UnsafePointerView(pointer);

interface Codec {
  fromBuffer(bytes: Uint8Array): { count: number; value: number; name: string };
  toBuffer(value: { count: number; value: number; name: string }): Uint8Array;
}

/** The same bytes, as the codec describes them. */
async function makeCodec(): Promise<Codec> {
  interface Restructure {
    readonly Struct: new (fields: Record<string, unknown>) => Codec;
    readonly Reserved: new (type: unknown, count: number) => unknown;
    readonly String: new (length: number, encoding: string) => unknown;
    readonly int32le: unknown;
    readonly uint8: unknown;
    readonly doublele: unknown;
  }
  const r = await load<Restructure>("restructure");
  return new r.Struct({
    count: r.int32le,
    gap: new r.Reserved(r.uint8, 4),
    value: r.doublele,
    name: new r.String(16, "utf8"),
  });
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** As most programs would do it: no check of the length, and decoding the memory itself. */
function writeText(text: string): void {
  const { written } = encoder.encodeInto(text, bytes.subarray(NAME, NAME + 16));
  bytes.fill(0, NAME + written, NAME + 16);
}

function readText(): string {
  const field = bytes.subarray(NAME, NAME + 16);
  return decoder.decode(field.subarray(0, field.indexOf(0)));
}

function writeTextByDataView(text: string): void {
  const encoded = encoder.encode(text);
  for (let k = 0; k < 16; k++) data.setUint8(NAME + k, encoded[k] ?? 0);
}

function readTextByDataView(): string {
  let length = 0;
  while (length < 16 && data.getUint8(NAME + length) !== 0) length++;
  return decoder.decode(new DataView(buffer, NAME, length));
}

let seen = 0;
const ways: Record<string, Record<string, () => void>> = {
  i32: {
    "struct field": () => {
      for (let i = 0; i < ACCESSES; i++) view.count = (view.count + i) | 0;
    },
    "typed array": () => {
      for (let i = 0; i < ACCESSES; i++) ints[COUNT / 4] = (ints[COUNT / 4]! + i) | 0;
    },
    DataView: () => {
      for (let i = 0; i < ACCESSES; i++) {
        data.setInt32(COUNT, (data.getInt32(COUNT, true) + i) | 0, true);
      }
    },
    UnsafePointerView: () => {
      for (let i = 0; i < ACCESSES; i++) ints[COUNT / 4] = (raw.getInt32(COUNT) + i) | 0;
    },
  },
  f64: {
    "struct field": () => {
      for (let i = 0; i < ACCESSES; i++) view.value = view.value + 1;
    },
    "typed array": () => {
      for (let i = 0; i < ACCESSES; i++) floats[VALUE / 8] = floats[VALUE / 8]! + 1;
    },
    DataView: () => {
      for (let i = 0; i < ACCESSES; i++) {
        data.setFloat64(VALUE, data.getFloat64(VALUE, true) + 1, true);
      }
    },
    UnsafePointerView: () => {
      for (let i = 0; i < ACCESSES; i++) floats[VALUE / 8] = raw.getFloat64(VALUE) + 1;
    },
  },
  "cString(16)": {
    "struct field": () => {
      for (let i = 0; i < ACCESSES; i++) {
        view.name = TEXT;
        seen += view.name.length;
      }
    },
    "typed array": () => {
      for (let i = 0; i < ACCESSES; i++) {
        writeText(TEXT);
        seen += readText().length;
      }
    },
    DataView: () => {
      for (let i = 0; i < ACCESSES; i++) {
        writeTextByDataView(TEXT);
        seen += readTextByDataView().length;
      }
    },
    UnsafePointerView: () => {
      for (let i = 0; i < ACCESSES; i++) {
        writeText(TEXT);
        seen += raw.getCString(NAME).length;
      }
    },
  },
  "all three fields": {
    "struct field": () => {
      for (let i = 0; i < ACCESSES; i++) {
        view.count = (view.count + i) | 0;
        view.value = view.value + 1;
        view.name = TEXT;
        seen += view.name.length;
      }
    },
    "typed array": () => {
      for (let i = 0; i < ACCESSES; i++) {
        ints[COUNT / 4] = (ints[COUNT / 4]! + i) | 0;
        floats[VALUE / 8] = floats[VALUE / 8]! + 1;
        writeText(TEXT);
        seen += readText().length;
      }
    },
  },
};

const notRun: Record<string, string> = {};
try {
  const codec = await makeCodec();
  const shared = new Uint8Array(buffer);
  const step = (i: number): void => {
    const { count, value, name } = codec.fromBuffer(shared);
    seen += name.length;
    shared.set(codec.toBuffer({ count: (count + i) | 0, value: value + 1, name: TEXT }));
  };
  view.name = TEXT;
  step(1);
  if (view.count !== 1) throw new Error("it writes another layout");
  ways["all three fields"]!.restructure = () => {
    for (let i = 0; i < ACCESSES; i++) step(i);
  };
} catch (error) {
  notRun["all three fields/restructure"] = (error as Error).message;
}

const times = new Map<string, number[]>();
const end = performance.now() + milliseconds;
for (let round = 0; performance.now() < end || round < 12; round++) {
  for (const [field, group] of Object.entries(ways)) {
    for (const [way, run] of Object.entries(group)) {
      const start = performance.now();
      run();
      const time = (performance.now() - start) * 1e6 / ACCESSES;
      // The first rounds are for the compiler
      if (round >= 5) times.set(`${field}/${way}`, [...times.get(`${field}/${way}`) ?? [], time]);
    }
  }
}
if (seen === 0) throw new Error("nothing was measured");
const figures = Object.fromEntries(
  [...times].map(([name, list]) => [name, list.sort((a, b) => a - b)[list.length >> 1]!]),
);
console.log(JSON.stringify({ role: "costs", figures, notRun }));
