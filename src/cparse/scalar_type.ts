/**
 * The scalar types of C by their names, with their sizes on 64-bit Linux. Internal: used by the parser of
 * declarations. A name whose size differs between the supported platforms or C libraries
 * (`int_fast16_t`, `nlink_t`, `pthread_mutex_t`) is left out on purpose.
 */

import type { ScalarLayout } from "../layout/layout.ts";
import { u16be, u32be, u64be } from "../layout/big_endian.ts";
import { bool, char, f32, f64, i16, i32, i64, i8, u16, u32, u64, u8 } from "../layout/scalar.ts";

/** The keywords of C's basic types, which may come in any order. */
const BASIC_WORDS = new Set([
  "void",
  "char",
  "short",
  "int",
  "long",
  "float",
  "double",
  "signed",
  "__signed__",
  "unsigned",
  "_Float32",
  "_Float64",
  "_Float32x",
]);

/** Words that do not change the layout of a type. */
const QUALIFIERS = new Set(
  `const __const volatile __volatile __volatile__ restrict __restrict __restrict__
  __extension__ mutable`.split(/\s+/),
);

/** The meaning of the basic keywords, sorted and joined. */
const BASIC: readonly (readonly [pattern: RegExp, layout: ScalarLayout])[] = [
  [/^char$/, char],
  [/^char signed$/, i8],
  [/^char unsigned$/, u8],
  [/^(int )?short( signed)?$/, i16],
  [/^(int )?short unsigned$/, u16],
  [/^(int( signed)?|signed)$/, i32],
  [/^(int )?unsigned$/, u32],
  [/^(int )?long( long)?( signed)?$/, i64],
  [/^(int )?long( long)? unsigned$/, u64],
  [/^(float|Float32)$/, f32],
  [/^(double|Float64|Float32x)$/, f64],
];

const NAMES: readonly (readonly [layout: ScalarLayout, names: string])[] = [
  [bool, "bool _Bool atomic_bool atomic_flag"],
  [char, "atomic_char"],
  [i8, "int8_t int_least8_t __s8 atomic_schar atomic_int8_t __int8_t"],
  [
    u8,
    `uint8_t uint_least8_t u_int8_t __u8 u_char char8_t atomic_uchar atomic_uint8_t __uint8_t __u_char cc_t
    BYTE CARD8`,
  ],
  [i16, "int16_t int_least16_t __s16 atomic_short atomic_int16_t __int16_t"],
  [
    u16,
    `uint16_t uint_least16_t u_int16_t __u16 u_short ushort char16_t atomic_ushort atomic_uint16_t
    in_port_t sa_family_t __uint16_t __u_short __le16 CARD16`,
  ],
  [
    i32,
    `int32_t int_least32_t __s32 atomic_int atomic_int32_t pid_t key_t clockid_t sig_atomic_t __int32_t
    __pid_t __key_t __clockid_t __kernel_pid_t __kernel_key_t __kernel_clockid_t`,
  ],
  [
    u32,
    `uint32_t uint_least32_t u_int32_t __u32 u_int uint char32_t atomic_uint uid_t gid_t id_t mode_t
    atomic_uint32_t socklen_t useconds_t in_addr_t __uint32_t __u_int __uid_t __gid_t __mode_t __socklen_t
    __useconds_t __kernel_uid32_t __kernel_gid32_t speed_t tcflag_t wint_t __le32 CARD32`,
  ],
  [
    i64,
    `int64_t int_least64_t __s64 intmax_t ssize_t ptrdiff_t intptr_t atomic_long atomic_llong
    atomic_int64_t atomic_ptrdiff_t atomic_intptr_t atomic_intmax_t off_t off64_t loff_t time_t
    suseconds_t clock_t blkcnt_t __int64_t __off_t __off64_t __time_t __suseconds_t __ssize_t __clock_t
    __intptr_t __syscall_slong_t __kernel_long_t __kernel_ssize_t __kernel_ptrdiff_t __kernel_off_t
    __kernel_loff_t __kernel_time_t __kernel_time64_t __kernel_suseconds_t __kernel_clock_t __aligned_s64`,
  ],
  [
    u64,
    `uint64_t uint_least64_t u_int64_t __u64 uintmax_t size_t uintptr_t ulong u_long atomic_ulong
    atomic_ullong atomic_uint64_t atomic_size_t atomic_uintptr_t atomic_uintmax_t dev_t ino_t pthread_t
    __uint64_t __dev_t __ino_t __syscall_ulong_t __kernel_ulong_t __kernel_size_t rlim_t fsblkcnt_t fsfilcnt_t
    nfds_t __le64 __aligned_u64 __aligned_le64`,
  ],
  [u16be, "__be16"],
  [u32be, "__be32"],
  [u64be, "__be64 __aligned_be64"],
];

/** The scalars that have a name in headers. */
export const NAMED_SCALARS: ReadonlyMap<string, ScalarLayout> = new Map(
  NAMES.flatMap(([layout, names]) => names.split(/\s+/).map((name) => [name, layout] as const)),
);

/** Whether this word is a keyword of C's basic types. */
export function isBasicWord(word: string): boolean {
  return BASIC_WORDS.has(word);
}

/** Whether this word, such as `const`, does not change a layout. */
export function isQualifier(word: string): boolean {
  return QUALIFIERS.has(word);
}

/** Returns the scalar of basic keywords, such as `unsigned long`, or `undefined`. */
export function basicScalar(words: readonly string[]): ScalarLayout | undefined {
  const name = words.map((word) => word.replaceAll("_", "")).sort().join(" ");
  return BASIC.find(([pattern]) => pattern.test(name))?.[1];
}
