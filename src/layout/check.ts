/**
 * Checks for layouts: they refuse what is not possible in C. Internal: used by `array`, `aligned`,
 * `struct` and `declare`.
 */

import type { Layout } from "./layout.ts";
import { describe } from "./refusal.ts";

/** The largest alignment gcc accepts, in bytes. */
const LARGEST_ALIGNMENT = 2 ** 28;

/** Words with a meaning in C11 to C23, or in the declarations that `declare` writes. */
const TAKEN_IN_C = new Set(
  `alignas alignof asm auto bool break case char const constexpr continue default do double else enum
  extern false float for goto if inline int long nullptr register restrict return short signed sizeof
  static static_assert struct switch thread_local true typedef typeof typeof_unqual union unsigned void
  volatile while _Alignas _Alignof _Atomic _BitInt _Bool _Complex _Decimal128 _Decimal32 _Decimal64
  _Generic _Imaginary _Noreturn _Static_assert _Thread_local
  int8_t uint8_t int16_t uint16_t int32_t uint32_t int64_t uint64_t offsetof NULL
  linux unix`.split(/\s+/),
);

/** Words with a meaning only in C++11 to C++23: C has fields of these names. */
const TAKEN_IN_CPP = new Set(
  `and and_eq bitand bitor catch char8_t char16_t char32_t class co_await co_return co_yield compl concept
  const_cast consteval constinit decltype delete dynamic_cast explicit export friend mutable namespace new
  noexcept not not_eq operator or or_eq private protected public reinterpret_cast requires static_cast
  template this throw try typeid typename using virtual wchar_t xor xor_eq`.split(/\s+/),
);

/** Names that compilers or the headers of a declaration define as macros, and gcc's own keywords. */
const MACRO = new RegExp(
  `^(__[A-Z0-9_]*|__\\w*__|_[A-Z][A-Z0-9_]*|(U?INT(MAX|PTR|(_FAST|_LEAST)?[0-9]+)|PTRDIFF|SIZE|WCHAR|WINT|
  SIG_ATOMIC)_(MAX|MIN|C)|__(linux|unix|amd64|k8|x86_64|size_t|wur|flexarr|restrict_arr|bitwise|ptr_t|
  always_inline|extern_inline|extern_always_inline|fortify_function|aligned_[a-z]+64|kernel_old_[a-z]+_t|
  intptr_t_defined|bool_true_false_are_defined|returns_nonnull|attr_dealloc_free|stub_\\w+|glibc_\\w+|
  DEFINED_\\w+|va_arg_pack(_len)?|errordecl|seg_[fg]s|_int_\\w+_h|FP_FAST_FMAF32x|attribute|const|volatile|
  inline|restrict|signed|unsigned|asm|typeof|thread|int128|alignof|label|real|imag|complex|auto_type|null|
  is_\\w+|has_\\w+|builtin_\\w+|decltype|underlying_type|bases|direct_bases))$`.replaceAll(
    /\s+/g,
    "",
  ),
);

/** Types of the headers of a declaration: a struct of such a name would be a second type. */
const HEADER_TYPE =
  /^(__\w*|size_t|ptrdiff_t|max_align_t|nullptr_t|u?int((_least|_fast)[0-9]+|max|ptr)_t)$/;

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

/** Throws a `TypeError` unless `layout` can be the element of an array. */
export function checkElement(layout: unknown, what: string): void {
  checkLayout(layout, what);
  const { kind } = layout as Layout;
  if (kind !== "bits" && kind !== "flexible") return;
  throw new TypeError(
    `${what}: C has no arrays of ${kind === "bits" ? "bit-fields" : "flexible arrays"}`,
  );
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

/** Whether no struct can be declared with this name in C and C++. */
export function isTaken(name: string): boolean {
  return TAKEN_IN_C.has(name) || TAKEN_IN_CPP.has(name) || HEADER_TYPE.test(name) || isMacro(name);
}

/** Whether compilers or headers define this name, so that no field can be declared with it. */
export function isMacro(name: string): boolean {
  return MACRO.test(name);
}

/** Throws a `TypeError` unless `name` can be the name of a field in C. */
export function checkName(name: unknown, what: string): void {
  if (typeof name !== "string" || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new TypeError(`${what} is a C identifier, got ${describe(name)}`);
  }
  // An object literal uses a value of this name as its prototype, so no object could hold the field.
  if (name === "__proto__") throw new TypeError(`${what} cannot be "__proto__"`);
  if (TAKEN_IN_C.has(name)) {
    throw new TypeError(`${what} cannot be "${name}": it means something in C already`);
  }
}
