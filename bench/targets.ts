/** What the channel has to reach, and whether a result shows it. */

import { numberText, rateText, ratioText, shareText, timeText } from "./figures_text.ts";
import { findCase, type Measure, type Result } from "./result.ts";
import { median } from "./statistics.ts";

/** One target. `met` is `undefined` where the run has no figure for it. */
export interface Target {
  readonly target: string;
  readonly figure: string;
  readonly met: boolean | undefined;
}

/** The C twin's rate at which the absolute figure is asked for. */
const TWIN_RATE = 60e6;
const LEAST_RATE = 25e6;
const TWIN_ROUND_TRIP_NS = 300;
const MOST_ROUND_TRIP_NS = 1_000;
const MOST_PROMISES_NS = 3_000;
const SOCKET_RATIO = 50;
const MOST_IDLE = 0.01;
/** An object a message would be 16 bytes at least. */
const MOST_ALLOCATED = 1;

/** All targets against a result's medians. */
export function checkTargets(result: Result): Target[] {
  const value = (measure: Measure, peer: string, variant: string): number =>
    median(findCase(result, measure, peer, variant)?.figures ?? []);
  const rate = (peer: string, size: number): number => value("throughput", peer, String(size));
  const trip = (peer: string): number => value("roundTrip", peer, "64");

  const besideTwin = (name: string, size: number, least: number): Target => {
    const [ours, twin] = [rate("channel-ts-ts", size), rate("channel-c-c", size)];
    return judge(
      `TS to TS, ${name}: at least ${least}x the C twin`,
      `${ratioText(ours / twin)} (${rateText(ours)} beside ${rateText(twin)})`,
      ours / twin,
      (ratio) => ratio >= least,
    );
  };
  const absolute = (size: number): Target => {
    const [ours, twin] = [rate("channel-ts-ts", size), rate("channel-c-c", size)];
    const fast = twin >= TWIN_RATE;
    return judge(
      `TS to TS, ${size} B: at least 25 M msg/s where the C twin does 60 M`,
      `${rateText(ours)}` + (fast || !(twin > 0) ? "" : `; the C twin does ${rateText(twin)} here`),
      fast ? ours : NaN,
      (figure) => figure >= LEAST_RATE,
    );
  };
  const [ts, c, bare] = [trip("channel-ts-ts"), trip("channel-c-c"), trip("node-shm")];
  const [socketRate, socketTrip] = [rate("deno-unix", 64), trip("deno-unix")];
  const promises = trip("channel-await");
  const [woken, socketWoken] = [
    value("wake", "channel-await", "64"),
    value("wake", "deno-unix", "64"),
  ];
  const idle = value("idle", "channel-await", "-");
  const allocated = (what: string): Target => {
    const bytes = value("allocation", "channel-ts-ts", what);
    return judge(
      `${what}: no allocation a message (under ${MOST_ALLOCATED} byte: an object has 16)`,
      `${numberText(bytes)} bytes a message`,
      bytes,
      (figure) => figure < MOST_ALLOCATED,
    );
  };
  return [
    besideTwin("8 B, batched drain", 8, 0.5),
    absolute(8),
    besideTwin("64 B, batched drain", 64, 0.5),
    absolute(64),
    besideTwin("1 KiB", 1024, 0.5),
    besideTwin("64 KiB", 65536, 0.95),
    judge(
      "round trip, both spinning: at most 1.5x Node's bare spin over the same memory",
      `${ratioText(ts / bare)} (${timeText(ts)} beside ${timeText(bare)})`,
      ts / bare,
      (ratio) => ratio <= 1.5,
    ),
    judge(
      "round trip, both spinning: at most 1 us where C needs at most 0.3 us",
      `${timeText(ts)}; C ${timeText(c)}`,
      c <= TWIN_ROUND_TRIP_NS ? ts : NaN,
      (figure) => figure <= MOST_ROUND_TRIP_NS,
    ),
    judge(
      "round trip by await and for await, traffic flowing: median at most 3 us",
      timeText(promises),
      promises,
      (figure) => figure <= MOST_PROMISES_NS,
    ),
    judge(
      "woken after a pause: no slower than a Unix socket in Deno",
      `${timeText(woken)} beside ${timeText(socketWoken)}`,
      woken / socketWoken,
      (ratio) => ratio <= 1,
    ),
    judge(
      "throughput, 64 B: at least 50x a Unix socket in Deno",
      ratioText(rate("channel-ts-ts", 64) / socketRate),
      rate("channel-ts-ts", 64) / socketRate,
      (ratio) => ratio >= SOCKET_RATIO,
    ),
    judge(
      "round trip, 64 B, spinning: at least 50x shorter than by a Unix socket in Deno",
      ratioText(socketTrip / ts),
      socketTrip / ts,
      (ratio) => ratio >= SOCKET_RATIO,
    ),
    judge(
      "idle consumer: under 1% of a core",
      shareText(idle),
      idle,
      (share) => share < MOST_IDLE,
    ),
    allocated("drain"),
    allocated("claim"),
  ];
}

function judge(
  target: string,
  figure: string,
  value: number,
  holds: (value: number) => boolean,
): Target {
  return { target, figure, met: Number.isNaN(value) ? undefined : holds(value) };
}
