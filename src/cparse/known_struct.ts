/**
 * The structs of system headers that have one layout on Linux, and are used in other structs most.
 * Internal. Numbers in the order of the network keep the types of their headers: `in_addr_t` is a `u32`.
 */

import { array } from "../layout/array.ts";
import { cString } from "../layout/c_string.ts";
import type { AnyStructLayout } from "../layout/layout.ts";
import { i32, i64, u16, u32, u64, u8 } from "../layout/scalar.ts";
import { struct } from "../layout/struct.ts";

const timespec = (): AnyStructLayout => known("timespec")!;
const timeval = (): AnyStructLayout => known("timeval")!;

const MAKERS: Readonly<Record<string, () => AnyStructLayout>> = {
  timespec: () => struct({ tv_sec: i64, tv_nsec: i64 }),
  timeval: () => struct({ tv_sec: i64, tv_usec: i64 }),
  itimerspec: () => struct({ it_interval: timespec(), it_value: timespec() }),
  itimerval: () => struct({ it_interval: timeval(), it_value: timeval() }),
  timezone: () => struct({ tz_minuteswest: i32, tz_dsttime: i32 }),
  in_addr: () => struct({ s_addr: u32 }),
  // In its header a union of bytes, 16-bit and 32-bit numbers, whose names differ between C libraries
  in6_addr: () => struct({ s6_addr: array(u8, 16) }, { align: 4 }),
  sockaddr: () => struct({ sa_family: u16, sa_data: cString(14) }),
  sockaddr_in: () =>
    struct({ sin_family: u16, sin_port: u16, sin_addr: known("in_addr")!, sin_zero: array(u8, 8) }),
  sockaddr_in6: () =>
    struct({
      sin6_family: u16,
      sin6_port: u16,
      sin6_flowinfo: u32,
      sin6_addr: known("in6_addr")!,
      sin6_scope_id: u32,
    }),
  sockaddr_un: () => struct({ sun_family: u16, sun_path: cString(108) }),
  sockaddr_storage: () => struct({ ss_family: u16, __ss_padding: cString(118), __ss_align: u64 }),
  iovec: () => struct({ iov_base: u64, iov_len: u64 }),
  winsize: () => struct({ ws_row: u16, ws_col: u16, ws_xpixel: u16, ws_ypixel: u16 }),
};

const made = new Map<string, AnyStructLayout>();

/** The names of those that were used so far. */
export function namesOfKnown(): Map<AnyStructLayout, string> {
  return new Map([...made].map(([tag, layout]) => [layout, tag]));
}

/** Returns the struct with this tag, made at its first use. */
export function known(tag: string): AnyStructLayout | undefined {
  const layout = made.get(tag) ?? (Object.hasOwn(MAKERS, tag) ? MAKERS[tag]!() : undefined);
  if (layout !== undefined) made.set(tag, layout);
  return layout;
}
