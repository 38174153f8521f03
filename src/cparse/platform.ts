/**
 * What is certain about the compiler and the headers: macros that gcc and clang define on Linux on x86-64
 * and aarch64, macros that they do not define, and constants of headers. Internal.
 *
 * A name that is in none of these lists is not known: whether it is defined is for the user to say.
 */

function table(text: string): Map<string, string> {
  return new Map(
    text.trim().split(/\s+/).map((pair) =>
      [pair.split("=")[0]!, pair.split("=")[1] ?? ""] as const
    ),
  );
}

/** Macros with their values. */
export const DEFINED: ReadonlyMap<string, string> = table(`
  __linux__=1 __linux=1 linux=1 __unix__=1 __unix=1 unix=1 __ELF__=1 __LP64__=1 _LP64=1 __STDC__=1
  __STDC_HOSTED__=1 __WORDSIZE=64 __CHAR_BIT__=8
  __SIZEOF_SHORT__=2 __SIZEOF_INT__=4 __SIZEOF_LONG__=8 __SIZEOF_LONG_LONG__=8 __SIZEOF_POINTER__=8
  __SIZEOF_SIZE_T__=8 __SIZEOF_PTRDIFF_T__=8 __SIZEOF_WCHAR_T__=4 __SIZEOF_FLOAT__=4 __SIZEOF_DOUBLE__=8
  __SIZEOF_LONG_DOUBLE__=16 __SIZEOF_INT128__=16
  __SCHAR_MAX__=127 __SHRT_MAX__=32767 __INT_MAX__=2147483647 __LONG_MAX__=9223372036854775807L
  __LONG_LONG_MAX__=9223372036854775807LL __SIZE_MAX__=18446744073709551615UL
  __ORDER_LITTLE_ENDIAN__=1234 __ORDER_BIG_ENDIAN__=4321 __ORDER_PDP_ENDIAN__=3412 __BYTE_ORDER__=1234
  __FLOAT_WORD_ORDER__=1234 __LITTLE_ENDIAN_BITFIELD=1
  __BEGIN_DECLS __END_DECLS G_BEGIN_DECLS G_END_DECLS
`);

/** Macros that are defined, with the least value that a compiler gives them. */
export const AT_LEAST: ReadonlyMap<string, bigint> = new Map([
  ["__GNUC__", 4n],
  ["__GNUC_MINOR__", 0n],
  ["__GNUC_PATCHLEVEL__", 0n],
  ["__STDC_VERSION__", 201112n],
]);

/** Macros of headers: their values are certain, and whether the header is included is not. */
export const VALUES: ReadonlyMap<string, string> = table(`
  __LITTLE_ENDIAN=1234 __BIG_ENDIAN=4321 __PDP_ENDIAN=3412 __BYTE_ORDER=1234 __FLOAT_WORD_ORDER=1234
  __BITS_PER_LONG=64 LITTLE_ENDIAN=1234 BIG_ENDIAN=4321 PDP_ENDIAN=3412 BYTE_ORDER=1234
`);

/** Macros that are not defined. */
export const NOT_DEFINED: ReadonlySet<string> = new Set(
  `__cplusplus __KERNEL__ __ASSEMBLER__ __ASSEMBLY__ __OBJC__ __ILP32__ _ILP32 __BIG_ENDIAN_BITFIELD
  _WIN32 _WIN64 WIN32 WIN64 _WIN32_WCE __WIN32__ _MSC_VER __CYGWIN__ __CYGWIN32__ __MINGW32__ __MINGW64__
  __APPLE__ __MACH__ __FreeBSD__ __FreeBSD_kernel__ __NetBSD__ __OpenBSD__ __DragonFly__ __HAIKU__ __BEOS__
  __ANDROID__ __sun __sun__ sun __SVR4 __svr4__ __hpux _AIX __AIX__ __sgi __osf__ __QNX__ __VMS VMS __MSDOS__
  MSDOS __DJGPP__ __OS2__ __EMX__ __CYGNUS__ __EMSCRIPTEN__ __wasm__ __GNU__ __minix __vxworks __VXWORKS__
  __i386__ __i386 i386 _M_IX86 _M_X64 _M_ARM _M_ARM64 __arm__ __powerpc__ __powerpc64__ __PPC__ __ppc__
  __s390__ __s390x__ __mips__ __mips __sparc__ __sparc __alpha__ __ia64__ __hppa__ __riscv __m68k__ __sh__
  __loongarch__ __arc__ __nios2__ __BORLANDC__ __TURBOC__ __WATCOMC__ __SUNPRO_C __SUNPRO_CC __INTEL_COMPILER
  __xlC__ __IBMC__ __CUDACC__ __TINYC__ __LCLINT__ SWIG DOXYGEN __DOXYGEN__ DOXYGEN_SHOULD_SKIP_THIS
  __GTK_DOC_IGNORE__ __GI_SCANNER__ __CHECKER__ lint __lint __lint__ S_SPLINT_S`.split(/\s+/),
);

/** Constants of headers that have one value on Linux, for expressions of C. */
export const CONSTANTS: ReadonlyMap<string, string> = table(`
  CHAR_BIT=8 SCHAR_MAX=127 UCHAR_MAX=255 SHRT_MAX=32767 USHRT_MAX=65535 INT_MAX=2147483647
  UINT_MAX=4294967295U LONG_MAX=9223372036854775807L ULONG_MAX=18446744073709551615UL
  INT8_MAX=127 UINT8_MAX=255 INT16_MAX=32767 UINT16_MAX=65535 INT32_MAX=2147483647 UINT32_MAX=4294967295U
  INT64_MAX=9223372036854775807L UINT64_MAX=18446744073709551615UL SIZE_MAX=18446744073709551615UL
  PATH_MAX=4096 NAME_MAX=255 HOST_NAME_MAX=64 IFNAMSIZ=16 IF_NAMESIZE=16 ETH_ALEN=6 INET_ADDRSTRLEN=16
  INET6_ADDRSTRLEN=46
`);
