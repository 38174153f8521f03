/** The calls for segments, and the mapping calls that they need. Internal: used by `src/sysv`. */

import { MMAP } from "./constants.ts";
import { ERRNO } from "./errno.ts";
import { attaching, libc, memory, MINUS_ONE, others, ring } from "./libc.ts";

/** Returns the id of the segment, or -errno. */
export function shmget(key: number, size: number, flags: number): number {
  const { symbols, errno } = attaching();
  const id = symbols.shmget(key, BigInt(size), flags);
  return id === -1 ? -errno[0]! : id;
}

/** Returns the address of the attached segment, or -errno. */
export function shmat(
  id: number,
  address: Deno.PointerValue,
  flags: number,
): Deno.PointerObject | number {
  attaching();
  const { symbols, errno } = memory();
  const pointer = symbols.shmat(id, address, flags);
  const failed = errno[0]!;
  // A failure is (void *)-1, which Deno returns as a normal pointer
  if (pointer === null || Deno.UnsafePointer.value(pointer) === MINUS_ONE) return -failed;
  return pointer;
}

/** Returns 0, or -errno. */
export function shmdt(address: Deno.PointerObject): number {
  const { symbols, errno } = memory();
  return symbols.shmdt(address) === -1 ? -errno[0]! : 0;
}

/** Returns the result of the command (0, an index or an id), or -errno. */
export function shmctl(
  id: number,
  command: number,
  buffer: Uint8Array<ArrayBuffer> | null,
): number {
  const { symbols, errno } = libc();
  const result = symbols.shmctl(id, command, buffer);
  return result === -1 ? -errno[0]! : result;
}

/** Returns the key for a path and a project id. A valid key can be -1, so an error has its own field. */
export function ftok(
  path: string,
  projectId: number,
): { readonly key: number } | { readonly errno: number } {
  const { symbols, errno } = others();
  const cPath = new TextEncoder().encode(path + "\0");
  errno[0] = 0;
  const key = symbols.ftok(cPath, projectId);
  const failed = errno[0]!;
  return key === -1 && failed !== 0 ? { errno: failed } : { key };
}

/**
 * Replaces an attached segment with new private zero pages. This detaches it, and the addresses stay
 * valid for code that still holds them. Returns 0, or -errno.
 */
export function replaceWithZeroPages(address: Deno.PointerObject, size: number): number {
  const { symbols, errno } = memory();
  const flags = MMAP.PRIVATE | MMAP.FIXED | MMAP.ANONYMOUS | MMAP.NORESERVE;
  for (const access of [MMAP.PROT_READ | MMAP.PROT_WRITE, MMAP.PROT_READ]) {
    const result = symbols.mmapFixed(address, BigInt(size), access, flags, -1, 0n);
    if (result !== MINUS_ONE) return 0;
    // Without overcommit (vm.overcommit_memory=2) the kernel may refuse writable pages
    if (errno[0] !== ERRNO.ENOMEM) break;
  }
  return -errno[0]!;
}

/** Unmaps memory of {@linkcode mapRing} or zero pages. No view of it may be used after that. */
export function unmap(address: Deno.PointerObject, size: number): number {
  const { symbols, errno } = ring();
  return symbols.munmap(address, BigInt(size)) === -1 ? -errno[0]! : 0;
}
