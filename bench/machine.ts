/** The machine a run is made on, and the versions of what takes part. */

import type { Machine } from "./result.ts";

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

/** `0-2,5` as numbers. */
export function parseCores(list: string): number[] {
  return list.trim().split(",").filter((part) => part !== "").flatMap((part) => {
    const [first, last = first] = part.split("-").map(Number) as [number, number?];
    return Array.from({ length: last! - first + 1 }, (_, i) => first + i);
  });
}

function siblingsOf(core: number): number[] | undefined {
  const list = readText(`/sys/devices/system/cpu/cpu${core}/topology/thread_siblings_list`);
  return list === undefined ? undefined : parseCores(list);
}

function hasTaskset(): boolean {
  return version("taskset", "--version") !== undefined;
}

/** Two cores to pin to, of different cores where there are any; none if that cannot be done. */
function choosePinned(): number[] {
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(readText("/proc/self/status") ?? "")?.[1];
  const [first, ...others] = parseCores(allowed ?? "");
  if (first === undefined || others.length === 0 || !hasTaskset()) return [];
  const siblings = siblingsOf(first) ?? [];
  return [first, others.find((core) => !siblings.includes(core)) ?? others[0]!];
}

/** Looks at this machine. */
export function describeMachine(): Machine {
  const info = readText("/proc/cpuinfo") ?? "";
  const pinned = choosePinned();
  const siblings = pinned.length === 0 ? undefined : siblingsOf(pinned[0]!);
  return {
    cpu: /^(?:model name|Model)\s*:\s*(.*)$/m.exec(info)?.[1] ?? "unknown",
    cores: navigator.hardwareConcurrency,
    kernel: Deno.osRelease(),
    arch: Deno.build.arch,
    memoryBytes: Deno.systemMemoryInfo().total,
    load: Deno.loadavg()[0]!,
    virtual: /^flags\s*:.*\bhypervisor\b/m.test(info),
    pinned,
    siblings: siblings === undefined ? null : siblings.includes(pinned[1]!),
  };
}

/** The first line a program prints about itself; `undefined` if it is not there. */
export function version(command: string, ...args: readonly string[]): string | undefined {
  try {
    const { success, stdout } = new Deno.Command(command, { args: [...args], stderr: "null" })
      .outputSync();
    return success ? new TextDecoder().decode(stdout).split("\n")[0]!.trim() : undefined;
  } catch {
    return undefined;
  }
}
