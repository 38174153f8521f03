/** Texts of C and C++ that compilers accept: what the tests of parseStruct compare with them. */

/** The spellings of scalars, as fields. */
const SCALARS = `bool; _Bool; char; signed char; char signed; unsigned char; char unsigned;
  short; short int; int short; signed short; short signed int; unsigned short; int unsigned short;
  int; signed; signed int; int signed; unsigned; unsigned int; int unsigned;
  long; long int; int long; signed long; long signed int; unsigned long; long unsigned; unsigned long int;
  long long; long int long; signed long long int; unsigned long long; long unsigned int long;
  float; double; __signed__ int;
  int8_t; int16_t; int32_t; int64_t; uint8_t; uint16_t; uint32_t; uint64_t;
  int_least8_t; int_least16_t; int_least32_t; int_least64_t;
  uint_least8_t; uint_least16_t; uint_least32_t; uint_least64_t;
  u_int8_t; u_int16_t; u_int32_t; u_int64_t; u_char; u_short; u_int; u_long; ushort; uint; ulong;
  __s8; __s16; __s32; __s64; __u8; __u16; __u32; __u64;
  intmax_t; uintmax_t; intptr_t; uintptr_t; size_t; ssize_t; ptrdiff_t;
  off_t; time_t; suseconds_t; clock_t; blkcnt_t; dev_t; ino_t; pthread_t;
  pid_t; uid_t; gid_t; id_t; mode_t; key_t; clockid_t; sig_atomic_t; socklen_t; useconds_t;
  in_port_t; in_addr_t; sa_family_t; char16_t; char32_t;
  atomic_bool; atomic_char; atomic_schar; atomic_uchar; atomic_short; atomic_ushort; atomic_int;
  atomic_uint; atomic_long; atomic_ulong; atomic_llong; atomic_ullong; atomic_size_t; atomic_ptrdiff_t;
  atomic_intptr_t; atomic_uintptr_t; atomic_intmax_t; atomic_uintmax_t;
  _Atomic int; _Atomic(unsigned short); _Atomic(char *); const volatile double; long const;
  void *; const char *; char *const *volatile; struct Nobody *; FILE *`
  .split(";").map((type, i) => `  char before${i}; ${type.trim()} f${i};`).join("\n")
  .replace("FILE *", "void *");

/** Texts that are C as they stand and define `struct S`, or `S` by typedef. */
export const C_TEXTS: Readonly<Record<string, string>> = {
  "every spelling of a scalar": `struct S {\n${SCALARS}\n};`,
  "the task's own example": "struct S { int32_t id; double x, y; char name[16]; uint8_t tag[4]; };",
  "the classic entry": "struct S { bool can_read; char msg[2048]; };",
  "a typedef without a tag": "typedef struct { char c; double d; } S;",
  "a typedef before the struct":
    "typedef struct S S; struct S { S *next, *const previous; short n; };",
  "a typedef with several names": "typedef struct S { char c; int *p; } S, *PS, LS[4];",
  "a mode before and after the name": `typedef int word_t __attribute__((__mode__(__word__)));
    typedef unsigned int byte_t __attribute__((mode(__QI__))), plain_t;
    struct S { char a; word_t b; byte_t c; plain_t d; int e __attribute__((mode(DI))); char f;
      unsigned g __attribute__((mode(HI))), h; __attribute__((mode(DI))) int i, j; };`,
  "constants of enums that no int holds":
    `enum { E1 = -2, E2 = 0x90000000 }; enum { F1 = 0x90000000 }; enum { G1 = 0x90000000L, G2 };
    enum { H1 = -2, H2 = 0x90000000, H3 = ~H2 <= 0x7f ? 1 : 2 };
    enum { I1 = 0x90000000L, I2 = ~I1 <= 0x7f ? 1 : 2 }; enum { J1 = 1UL << 40, J2 = 0x90000000, J3 };
    struct S { char a[~E2 <= 0x7f ? 1 : 2], b[~F1 <= 0x7f ? 1 : 2], c[~G1 <= 0x7f ? 1 : 2]; char d[H3];
      char e[I2], f[~J2 <= 0x7f ? 1 : 2], g[~J3 <= 0x7f ? 1 : 2], h[(E1 < 0) + 1]; };`,
  "several declarators": "struct S { int a, b[3], *c, **d[2]; char e, f[5]; };",
  "arrays of arrays": "struct S { char c; short m[3][4][5]; char names[7][9]; char *argv[4][2]; };",
  "typedefs of arrays": `typedef char name_t[6]; typedef int row[3];
    struct S { char c; name_t one, many[4]; row grid[2][5]; };`,
  "a typedef in a typedef": `typedef unsigned short id; typedef id ids[4]; typedef ids grid[2];
    struct S { char c; grid g; const id *p; id last; };`,
  "structs in structs": `struct A { char c; int i; };
    struct S { char before; struct A one, many[2]; struct { short s; struct A deep[3]; } in; char after; };`,
  "a tag defined inside":
    `struct S { char c; struct In { double d; } a; struct In b[2]; struct In *p; };`,
  "a C struct before its use":
    `typedef struct B later; struct A { struct B *b; later *c; }; struct B { struct A a[2]; int n; };
    struct S { struct B b; struct A *a; later d[2]; };`,
  "enums": `enum plain { A, B = 5, C }; enum negative { M = -1, N };
    enum wide { W = 0xffffffff };
    struct S { char c; enum plain p; enum negative n; enum wide w; enum { X, Y } here; char t[C + Y]; };`,
  "sizes that are computed": `#define BITS 4
    #define LINE (1 << BITS) /* bytes
       of a line */
    #define NAME char name[LINE - 1]
    enum { COUNT = LINE / 4, MORE };
    typedef struct { short a; char b; } item;
    struct S {
      NAME; char a[1 << 10]; char b[0x10]; char c[010]; char d[64 - 8 * 2 + 1]; char e[(3 | 4) & ~1];
      char f[17 % 5 ^ 8]; char g[-(-3)]; char h[MORE]; char i[sizeof(item)]; char j[sizeof(int) * 2];
      char k[sizeof(struct { char c; long l; })]; char l[sizeof(char *[3])]; char m[_Alignof(double)];
      char n[100u / 7]; char o[1ull << 20]; char p[10UL - 3]; char q[1 << 2 << 1 + 1]; char r[20 - 5 - 5];
      char s[+ - + -2]; char t[~0u >> 28]; char u[sizeof(item[3]) >> 1];
    };`,
  "comments and continued lines": `struct /* a
    comment */ S { // one line \\
      char not_there;
      int a; /* char b; */ char /**/ c; // short d;
    } \\
    ;`,
  "alignment of fields": `struct S {
      char a; int b __attribute__((aligned(64))); char c; _Alignas(32) short d, e;
      alignas(double) char f; __attribute__((aligned(16))) char g, h[3]; char i;
      int __attribute__((__aligned__(8))) j; _Alignas(0) char k;
      char l __attribute__((aligned(4), unused)), m __attribute__((aligned(2)));
      __attribute__((aligned(16))) int n __attribute__((aligned(128))), o; _Alignas(64) int *p;
      int q __attribute__((aligned(64))) __attribute__((aligned(8)));
      _Alignas(16) struct { char c; } r; const char s[2] __attribute__((aligned(sizeof(int))));
    };`,
  "alignment of structs": `struct __attribute__((aligned(32))) A { char c; };
    typedef struct { int i; } __attribute__((aligned(16))) B;
    struct S { char c; struct A a; B b[2]; struct { char d; } __attribute__((aligned(8))) e; char f; };`,
  "packed structs": `struct A { char c; double d; };
    struct __attribute__((packed)) B { char c; struct A a; int i; };
    typedef struct { char c; struct B b; struct { char c; long l; } in; short s[3]; }
      __attribute__((packed, aligned(4))) S;`,
  "pragma pack": `struct A { char c; double d; };
    #pragma pack(push, 2)
    struct B { char c; double d; struct A a; int n __attribute__((aligned(8))); };
    #pragma pack(push)
    #pragma pack(1)
    struct C { char c; double d; struct { char c; int i; } in; };
    #pragma pack(pop)
    struct D { char c; double d; struct C e; };
    #pragma pack(pop)
    struct E { char c; double d; };
    #pragma pack(4)
    struct F { char c; double d; struct E e; };
    #pragma pack()
    struct S { char a; struct A b; char c; struct B d; char e; struct C f; char g; struct D h; char i;
      struct E j; char k; struct F l; };`,
  "a header with its guard": `#ifndef COMMON_H
#define COMMON_H
#pragma GCC diagnostic push
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#define PACKED __attribute__((packed))
#define VERSION "1.0 /* not a comment */"
#define SQUARE(x) ((x) * (x))
#ifndef SLOTS
#define SLOTS 8
#endif
#if 0
struct S { what ever };
#else
struct PACKED head { char kind; uint32_t length; };
#endif
_Static_assert(sizeof(struct head) == 5, "of a ) packet");
struct S { struct head head; uint64_t slots[SLOTS]; };
#ifdef __cplusplus
}
#endif
#pragma GCC diagnostic pop
#endif /* COMMON_H */`,
  "atomics":
    `struct S { char a; _Atomic uint32_t b; _Atomic(uint64_t) c; char d; atomic_int e; _Atomic char f[8];
      _Atomic(void *) g; _Atomic enum { X } h; struct P *_Atomic i; };`,
  "a name that is also a type": "struct S { char c; pid_t pid_t; unsigned uid_t; long off_t; };",
  "names that JavaScript knows":
    "struct S { char constructor; int toString, length; short hasOwnProperty; };",
  "a struct that cannot be copied":
    "struct A { char big[1L << 40]; }; struct S { char c; struct A many[1000]; long last; };",
};

/** Texts that only C++ compilers take; each defines `struct S`. */
export const CPP_TEXTS: Readonly<Record<string, string>> = {
  "std and atomics":
    `struct S { char a; std::atomic<uint32_t> b; std::atomic<unsigned long> c; std::uint16_t d;
      std::atomic<bool> e; std::size_t f; std::atomic<char *> g; std::atomic_int h; std::atomic_uint8_t i;
      std::atomic_flag j; char8_t k; char32_t l; std::atomic<double> m[3]; };`,
  "enums with a type":
    `enum Small : uint8_t { A, B }; enum class Scoped { X }; enum struct Long : int64_t { L };
    struct S { char a; Small b; Scoped c; char d; enum Small e; Long f; enum Late : short; enum Late g; };`,
  "names without struct": "struct A { double d; char c; }; struct S { char c; A a[2]; A *p; };",
  "a struct inside that is no field":
    "struct S { char c; struct In { double d; }; In e; struct Only; struct Only *p; };",
  "alignas": `struct alignas(64) A { char c; };
    struct S { char a; alignas(32) char b; alignas(double) char c; A d; alignas(8) std::atomic<int> e; };`,
  "pragma pack and atomics": `#pragma pack(push, 1)
    struct A { char c; std::atomic<uint32_t> a; long l; };
    #pragma pack(pop)
    struct S { char c; A a; };`,
};

/** Texts with gcc's answer to what precedes the struct; each defines `struct S` or `union S`. */
export const DECIDED: Readonly<Record<string, string>> = {
  "size 16": "#define N 4\n#if N > 3\nstruct S { int a[N]; };\n#endif",
  "size 12": `struct S { int a;
#ifdef __linux__
int b;
#endif
#if defined(__linux__) && __WORDSIZE == 64
int c;
#elif 1
char d[99];
#endif
};`,
  "size 4": "#undef X\nstruct S { int a;\n#ifdef X\nint b;\n#endif\n};",
  "size 16 ": "struct S { unsigned char b[2*((8) >= (sizeof(int)) ? (8) : (sizeof(int)))]; };",
  "size 72": "enum cmd { READ = 'R' }; struct S { enum cmd c; char b['A' + 2]; };",
  "size 112":
    `struct S { long uptime; unsigned long loads[3], totalram, freeram, sharedram, bufferram,
    totalswap, freeswap; unsigned short procs, pad; unsigned long totalhigh, freehigh; unsigned mem_unit;
    char _f[20-2*sizeof(unsigned long)-sizeof(unsigned)]; };`,
  "size 8": "struct S { unsigned a:3, b:5; int c:20; unsigned char d; };",
  "size 5": "struct __attribute__((packed)) S { unsigned a:3, b:5; int c:20; unsigned char d; };",
  "size 16  ": "struct S { int kind; union { float f; unsigned char b[6]; }; short s; };",
  "size 12 ": "struct __attribute__((packed)) S { unsigned events; unsigned long data; };",
  "size 4 ": "\ufeffstruct S { int a; };",
  "size 64":
    "struct S { char a; int class __attribute__((aligned(32))); short new __attribute__((unused)), and; };",
};
