/** Being somebody else for a while: a program that gives up root before it uses the library. */

import { Peer } from "./peer.ts";

/** The user and group without rights, as on every Linux. */
export const NOBODY = 65534;

/**
 * Runs `program` (TypeScript that may import `@sysv/shm`) with the rights of nobody. Needs root.
 * The effective ids are what the kernel checks, and changing only those needs no readable files.
 * `asRoot` is done before.
 */
export function asNobody(program: string, asRoot = ""): Peer {
  const imports = program.match(/^\s*import .*$/gm) ?? [];
  const rest = program.replace(/^\s*import .*$/gm, "");
  return Peer.typescript(`
    ${imports.join("\n")}
    ${asRoot}
    const libc = Deno.dlopen("libc.so.6", {
      setgroups: { parameters: ["usize", "pointer"], result: "i32" },
      setegid: { parameters: ["u32"], result: "i32" },
      seteuid: { parameters: ["u32"], result: "i32" },
    });
    libc.symbols.setgroups(0n, null);
    libc.symbols.setegid(${NOBODY});
    libc.symbols.seteuid(${NOBODY});
    ${rest}
  `);
}
