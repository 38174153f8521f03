/**
 * Checks for layouts: they refuse what is not possible in C. Internal: used by `array`, `aligned`,
 * `struct` and `declare`.
 */

import type { Layout } from "./layout.ts";
import { describe } from "./refusal.ts";

/** The largest alignment gcc accepts, in bytes. */
const LARGEST_ALIGNMENT = 2 ** 28;

/** Words with a meaning in C11 to C23, C++11 to C++23, or in the declarations that `declare` writes. */
const TAKEN = new Set(
  `alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t
  class co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue
  decltype default delete do double dynamic_cast else enum explicit export extern false float for friend
  goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private
  protected public register reinterpret_cast requires restrict return short signed sizeof static
  static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename
  typeof typeof_unqual union unsigned using virtual void volatile wchar_t while xor xor_eq
  _Alignas _Alignof _Atomic _BitInt _Bool _Complex _Decimal128 _Decimal32 _Decimal64 _Generic _Imaginary
  _Noreturn _Static_assert _Thread_local
  int8_t uint8_t int16_t uint16_t int32_t uint32_t int64_t uint64_t offsetof NULL
  linux unix`.split(/\s+/),
);

const made = new WeakSet<object>();

/** Freezes a layout and records it. A look-alike is refused: its functions would get the memory. */
export function makeLayout<L extends Layout>(layout: L): L {
  made.add(layout);
  return Object.freeze(layout);
}

/** Whether `value` is a layout that this library made. */
export function isLayout(value: unknown): value is Layout {
  return typeof value === "object" && value !== null && made.has(value);
}

/** Throws a `TypeError` unless `layout` is a layout. An `aligned` field is not one. */
export function checkLayout(layout: unknown, what: string): void {
  if (!isLayout(layout)) {
    throw new TypeError(`${what} takes a layout, got ${describe(layout)}`);
  }
}

/** Throws a `RangeError` unless `align` is a power of two that C compilers accept. */
export function checkAlignment(align: unknown, what: string): number {
  if (
    typeof align === "number" && align <= LARGEST_ALIGNMENT && Number.isInteger(Math.log2(align))
  ) {
    if (align >= 1) return align;
  }
  const Refusal = typeof align === "number" ? RangeError : TypeError;
  throw new Refusal(
    `${what} takes a power of two up to ${LARGEST_ALIGNMENT}, got ${describe(align)}`,
  );
}

/** Whether this word has another meaning in C or C++. */
export function isTaken(name: string): boolean {
  return TAKEN.has(name);
}

/** Throws a `TypeError` unless `name` can be declared in C and C++. */
export function checkName(name: unknown, what: string): void {
  if (typeof name !== "string" || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new TypeError(`${what} is a C identifier, got ${describe(name)}`);
  }
  // An object literal uses a value of this name as its prototype, so no object could hold the field.
  if (name === "__proto__") throw new TypeError(`${what} cannot be "__proto__"`);
  if (isTaken(name)) {
    throw new TypeError(`${what} cannot be "${name}": it means something in C or C++ already`);
  }
}
