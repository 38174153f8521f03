/**
 * What a struct field costs beside the ways one could do it by hand. Each iteration reads and writes
 * one field 1000 times, so microseconds an iteration are nanoseconds an access.
 *
 *     deno bench --allow-ffi bench/struct_fields_bench.ts
 *
 * `Deno.UnsafePointerView` cannot write; its rows read through it and write as the typed array does.
 */
import { cString } from "../src/layout/c_string.ts";
import { f64, i32 } from "../src/layout/scalar.ts";
import { struct } from "../src/layout/struct.ts";

const ACCESSES = 1000;
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

Deno.bench("i32: struct field", { group: "i32" }, () => {
  for (let i = 0; i < ACCESSES; i++) view.count = (view.count + i) | 0;
});
Deno.bench("i32: typed array", { group: "i32", baseline: true }, () => {
  for (let i = 0; i < ACCESSES; i++) ints[COUNT / 4] = (ints[COUNT / 4]! + i) | 0;
});
Deno.bench("i32: DataView", { group: "i32" }, () => {
  for (let i = 0; i < ACCESSES; i++) {
    data.setInt32(COUNT, (data.getInt32(COUNT, true) + i) | 0, true);
  }
});
Deno.bench("i32: UnsafePointerView", { group: "i32" }, () => {
  for (let i = 0; i < ACCESSES; i++) ints[COUNT / 4] = (raw.getInt32(COUNT) + i) | 0;
});

Deno.bench("f64: struct field", { group: "f64" }, () => {
  for (let i = 0; i < ACCESSES; i++) view.value = view.value + 1;
});
Deno.bench("f64: typed array", { group: "f64", baseline: true }, () => {
  for (let i = 0; i < ACCESSES; i++) floats[VALUE / 8] = floats[VALUE / 8]! + 1;
});
Deno.bench("f64: DataView", { group: "f64" }, () => {
  for (let i = 0; i < ACCESSES; i++) data.setFloat64(VALUE, data.getFloat64(VALUE, true) + 1, true);
});
Deno.bench("f64: UnsafePointerView", { group: "f64" }, () => {
  for (let i = 0; i < ACCESSES; i++) floats[VALUE / 8] = raw.getFloat64(VALUE) + 1;
});

let seen = 0;
Deno.bench("cString(16): struct field", { group: "cString" }, () => {
  for (let i = 0; i < ACCESSES; i++) {
    view.name = TEXT;
    seen += view.name.length;
  }
});
Deno.bench("cString(16): typed array", { group: "cString", baseline: true }, () => {
  for (let i = 0; i < ACCESSES; i++) {
    writeText(TEXT);
    seen += readText().length;
  }
});
Deno.bench("cString(16): DataView", { group: "cString" }, () => {
  for (let i = 0; i < ACCESSES; i++) {
    const encoded = encoder.encode(TEXT);
    for (let k = 0; k < 16; k++) data.setUint8(NAME + k, encoded[k] ?? 0);
    let length = 0;
    while (length < 16 && data.getUint8(NAME + length) !== 0) length++;
    seen += decoder.decode(new DataView(buffer, NAME, length)).length;
  }
});
Deno.bench("cString(16): UnsafePointerView", { group: "cString" }, () => {
  for (let i = 0; i < ACCESSES; i++) {
    writeText(TEXT);
    seen += raw.getCString(NAME).length;
  }
});

addEventListener("unload", () => {
  if (seen === 0) throw new Error("nothing was measured");
});
