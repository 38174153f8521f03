/** Unions, bit-fields, flexible arrays, anonymous members, big-endian integers: places, views and values. */

import assert from "node:assert/strict";
import { aligned } from "../../src/layout/aligned.ts";
import { anonymous } from "../../src/layout/anonymous.ts";
import { array } from "../../src/layout/array.ts";
import { u16be, u32be, u64be } from "../../src/layout/big_endian.ts";
import { bits } from "../../src/layout/bits.ts";
import { flexible } from "../../src/layout/flexible.ts";
import type { Fields } from "../../src/layout/layout.ts";
import { bool, char, f32, f64, i16, i32, i64, u16, u32, u64, u8 } from "../../src/layout/scalar.ts";
import { struct } from "../../src/layout/struct.ts";
import { union } from "../../src/layout/union.ts";

Deno.test("union: all members are the same bytes", () => {
  const U = union({ number: f32, bits: u32, bytes: array(u8, 6) });
  assert.deepEqual([U.size, U.alignment], [8, 4]);
  assert.deepEqual(Object.values(U.fields).map(({ offset }) => offset), [0, 0, 0]);
  const S = struct({ kind: i32, u: U, s: i16 });
  const buffer = new ArrayBuffer(S.size);
  const view = S.view(buffer);
  view.u.number = 1;
  assert.equal(view.u.bits, 0x3f800000);
  view.u.bytes[4] = 9;
  assert.deepEqual(S.read(buffer).u, { number: 1, bits: 0x3f800000, bytes: [0, 0, 128, 63, 9, 0] });
});

Deno.test("union: a value has exactly one member, and the other bytes become zero", () => {
  const U = union({ number: f32, bytes: array(u8, 6) });
  const buffer = new Uint8Array(8).fill(0xff).buffer;
  U.write(buffer, { number: 0.5 });
  assert.deepEqual([...new Uint8Array(buffer)], [0, 0, 0, 63, 0, 0, 0, 0]);
  assert.throws(() => U.write(buffer, {}), {
    name: "TypeError",
    message: 'a value of a union has one member of "number", "bytes", got none',
  });
  assert.throws(() => U.write(buffer, { number: 1, bytes: [] }), {
    message: /got "number" and "bytes"$/,
  });
  assert.throws(() => U.write(buffer, { other: 1 } as never), {
    message: '"other" is not a field of this union',
  });
});

Deno.test("anonymous: the fields are those of the struct around it", () => {
  const S = struct({
    kind: i32,
    _: anonymous(union({
      f: f32,
      b: array(u8, 6),
      _: anonymous(struct({ x: u8, y: u16 })),
    })),
    s: i16,
  });
  assert.deepEqual([S.size, S.fields.s.offset, S.fields.y.offset], [16, 12, 6]);
  assert.deepEqual(Object.keys(S.fields), ["kind", "f", "b", "x", "y", "s"]);
  const buffer = new ArrayBuffer(S.size);
  S.write(buffer, { kind: 1, x: 2, y: 0x304, s: 5 });
  const view = S.view(buffer);
  assert.deepEqual([...view.b], [2, 0, 4, 3, 0, 0]);
  view.f = 0.5;
  assert.equal(S.read(buffer).y, 0x3f00);
  assert.throws(() => S.write(buffer, { kind: 1, x: 2, s: 5 } as never), /"y" is missing/);
  assert.throws(() => S.write(buffer, { kind: 1, f: 2, x: 2, y: 1, s: 5 }), /got "f" and "x"/);
  assert.throws(() => struct({ a: u8, _: anonymous(struct({ a: u8 })) }), /two fields "a"/);
  assert.throws(() => anonymous(u8 as never), TypeError);
});

Deno.test("bits: gcc's places", () => {
  const places = (fields: Fields, options = {}): string => {
    const S = struct(fields, options);
    return Object.values(S.fields).map(({ offset, layout }) =>
      layout.kind === "bits" ? `${offset}.${layout.bitOffset}+${layout.width}` : `${offset}`
    ).join(" ") + ` = ${S.size}`;
  };
  const fields = { a: bits(u32, 3), b: bits(u32, 30), c: bits(i32, 20), d: u8 };
  assert.equal(places(fields), "0.0+3 4.0+30 8.0+20 11 = 12");
  assert.equal(places(fields, { pack: 1 }), "0.0+3 0.3+30 4.1+20 7 = 8");
  assert.equal(
    places({ a: bits(u64, 40), b: bits(u32, 20), c: bits(u8, 5) }),
    "0.0+40 5.0+20 7.4+5 = 8".replace("7.4+5 = 8", "8.0+5 = 16"),
  );
  assert.equal(places({ a: u8, _: anonymous(bits(u32, 0)), b: u8, c: i32 }), "0 4 8 = 12");
  assert.equal(
    places({ a: bits(u8, 3), _: anonymous(bits(u8, 4)), b: bits(u8, 1) }),
    "0.0+3 0.7+1 = 1",
  );
  assert.throws(() => struct({ a: u8, _: anonymous(bits(u32, 3)) }), /aarch64/);
  assert.throws(() => struct({ a: u8, _: anonymous(bits(u32, 0)), b: u8 }, { pack: 1 }), /aarch64/);
});

Deno.test("bits: values of both signednesses, at every place, and nothing beside them changes", () => {
  for (const type of [u8, u16, u32, u64, i16, i32, i64]) {
    const most = type.size * 8;
    for (const width of [1, 2, most - 1, most]) {
      for (let before = 0; before < 8; before++) {
        const S = struct({
          ...(before === 0 ? {} : { before: bits(u8, before) }),
          field: bits(type as typeof u32, width),
          after: bits(u8, 8),
        }, { pack: 1 });
        const field = S.fields.field.layout;
        const big = type.size === 8;
        const signed = type.name.startsWith("i");
        const edge = signed ? 2n ** BigInt(width - 1) : 2n ** BigInt(width);
        const [min, max] = [signed ? -edge : 0n, edge - 1n];
        for (const value of [min, max]) {
          for (const fill of [0, 0xff]) {
            const buffer = new Uint8Array(S.size).fill(fill).buffer;
            const view = S.view(buffer) as Record<string, unknown>;
            view.field = big ? value : Number(value);
            assert.equal(view.field, big ? value : Number(value));
            assert.equal(view.after, fill);
            if (before > 0) assert.equal(view.before, fill & (2 ** before - 1));
          }
        }
        const data = new DataView(new ArrayBuffer(16));
        for (const value of [min - 1n, max + 1n]) {
          assert.throws(() => field.set(data, 0, big ? value : Number(value), "field"), RangeError);
        }
        assert.throws(() => field.set(data, 0, big ? 0 : 0n, "field"), TypeError);
      }
    }
  }
  const flags = struct({ a: bits(bool, 1), b: bits(bool, 1) }).view(Uint8Array.of(0xfe).buffer);
  assert.deepEqual([flags.a, flags.b], [false, true]);
  flags.b = false;
  assert.throws(() => (flags as { a: unknown }).a = 1, TypeError);
  assert.deepEqual([flags.a, flags.b], [false, false]);
});

Deno.test("bits, flexible, aligned: what C does not have is refused", () => {
  for (const bad of [f32, f64, char, u16be, array(u8, 2)]) {
    assert.throws(() => bits(bad as never, 1), TypeError);
  }
  for (const width of [-1, 1.5, 33]) assert.throws(() => bits(u32, width), RangeError);
  assert.throws(() => bits(bool, 2), RangeError);
  assert.throws(() => struct({ a: bits(u8, 0) }), /must be anonymous/);
  assert.throws(() => array(bits(u8, 1), 2), /no arrays of bit-fields/);
  assert.throws(() => array(flexible(u8), 2), /no arrays of flexible arrays/);
  assert.throws(() => flexible(flexible(u8)), /flexible/);
  assert.throws(() => aligned(bits(u8, 1), 8), /bit-field/);
});

Deno.test("flexible: a view of what the buffer still holds, outside the size", () => {
  const S = struct({ count: i32, kind: u8, samples: flexible(u16) });
  assert.deepEqual([S.size, S.fields.samples.offset, S.fields.samples.size], [8, 6, 0]);
  const buffer = new ArrayBuffer(21);
  const view = S.view(buffer);
  const { samples } = view;
  assert.equal(samples.length, 7);
  samples.set([1, 2]);
  assert.equal(new DataView(buffer).getUint16(8, true), 2);
  assert.equal(S.view(buffer, 12).samples.length, 1);
  assert.throws(
    () => (S.view(buffer, 0, { readOnly: true }) as typeof view).samples.set([1]),
    /read-only/,
  );
  S.write(buffer, { count: 1, kind: 2 });
  assert.deepEqual(S.read(buffer), { count: 1, kind: 2 });
  assert.throws(() => S.write(buffer, { count: 1, kind: 2, samples: [] } as never), /flexible/);
  const text = struct({ length: u8, text: flexible(char) }).view(new ArrayBuffer(5)).text;
  text.set(new TextEncoder().encode("abcd"));
  assert.ok(text instanceof Uint8Array);
});

Deno.test("big-endian integers: the bytes are in the order of the network", () => {
  const S = struct({ a: u16be, b: u32be, c: u64be, d: array(u16be, 2) }, { pack: 1 });
  const buffer = new ArrayBuffer(S.size);
  const view = S.view(buffer);
  view.a = 0x102;
  view.b = 0x3040506;
  view.c = 0x708090a0b0c0d0en;
  view.d.set([0xf10, 0x1112]);
  assert.deepEqual([...new Uint8Array(buffer)], Array.from({ length: 18 }, (_, i) => i + 1));
  assert.deepEqual(S.read(buffer), { a: view.a, b: view.b, c: view.c, d: [0xf10, 0x1112] });
  assert.throws(() => view.a = 65536, RangeError);
  assert.throws(() => view.c = 1 as never, TypeError);
});

Deno.test("declare: unions, bit-fields, flexible arrays and anonymous members", () => {
  const S = struct({
    class: u8,
    _: anonymous(union({ f: f32, _: anonymous(struct({ x: u8, y: u16be })) })),
    a: bits(u32, 3),
    _1: anonymous(bits(u32, 0)),
    u: union({ p: u64, q: array(flexibleHead(), 2) }),
    rest: flexible(i16),
  });
  const text = S.declare("S");
  for (
    const line of [
      "#include <linux/types.h>",
      "typedef union S_u {",
      "  uint8_t class;",
      "  union {\n    float f;\n    struct {\n      uint8_t x;\n      __be16 y;\n    };\n  };",
      "  uint32_t a : 3;\n  uint32_t : 0;",
      "  int16_t rest[];",
    ]
  ) assert.ok(text.includes(line), text);
  assert.doesNotMatch(text, /offsetof\(struct S, a\)/);
});

function flexibleHead(): ReturnType<typeof struct> {
  return struct({ n: u8, list: flexible(u8) });
}

Deno.test("declare: a name that does not compile is refused", () => {
  for (const name of ["size_t", "SIZE_MAX", "__linux__", "_LP64", "__attribute__", "class"]) {
    assert.throws(() => struct({ a: u8 }).declare(name), TypeError, name);
  }
  for (const name of ["SIZE_MAX", "__linux__", "_LP64", "__attribute__", "INT8_C", "__inline"]) {
    assert.throws(() => struct({ [name]: u8 }).declare("S"), TypeError, name);
  }
  for (const name of ["size_t", "class", "__pad1", "_reserved"]) {
    assert.ok(struct({ [name]: u8 }).declare("S").includes(`uint8_t ${name};`));
  }
  const packed = struct({ _: anonymous(struct({ a: u8 }, { pack: 2 })) });
  assert.throws(() => packed.declare("S"), /another pack/);
});
