/** Users and groups: names, ids, and the user of this process. Internal: for `src/sysv`, `src/cli`. */

import { ERRNO } from "./errno.ts";
import { accountIds, accountNames, libc, platform } from "./libc.ts";

/** The two kinds of accounts that own objects. */
export type AccountKind = "user" | "group";

/** Returns the name of a user or group, or `undefined`. Source: getpwuid_r(3), getgrgid_r(3). */
export function accountName(kind: AccountKind, id: number): string | undefined {
  const { symbols } = accountNames();
  const call = kind === "user" ? symbols.getpwuid_r : symbols.getgrgid_r;
  return lookUp(kind, (entry, text, found) => call(id, entry, text, BigInt(text.length), found))
    ?.name;
}

/** Returns the id of a user or group, or `undefined`. Source: getpwnam_r(3), getgrnam_r(3). */
export function accountId(kind: AccountKind, name: string): number | undefined {
  if (name.includes("\0")) return undefined;
  const { symbols } = accountIds();
  const call = kind === "user" ? symbols.getpwnam_r : symbols.getgrnam_r;
  const cName = new TextEncoder().encode(name + "\0");
  return lookUp(kind, (entry, text, found) => call(cName, entry, text, BigInt(text.length), found))
    ?.id;
}

/** The buffer size in bytes for the texts of one account: the first try and the largest. */
const ACCOUNT_TEXT = { first: 1024, most: 1 << 20 } as const;

function lookUp(
  kind: AccountKind,
  call: (
    entry: Uint8Array<ArrayBuffer>,
    text: Uint8Array<ArrayBuffer>,
    found: BigUint64Array<ArrayBuffer>,
  ) => number,
): { readonly name: string; readonly id: number } | undefined {
  const { passwd, group } = platform().structs;
  const { size, fields } = kind === "user"
    ? { size: passwd.size, fields: { name: passwd.fields.pw_name, id: passwd.fields.pw_uid } }
    : { size: group.size, fields: { name: group.fields.gr_name, id: group.fields.gr_gid } };
  const entry = new Uint8Array(size);
  const found = new BigUint64Array(1);
  for (let room: number = ACCOUNT_TEXT.first; room <= ACCOUNT_TEXT.most; room *= 2) {
    const text = new Uint8Array(room);
    const result = call(entry, text, found);
    if (result === ERRNO.ERANGE) continue;
    if (result !== 0 || found[0] === 0n) return undefined;
    const data = new DataView(entry.buffer);
    // The name is a pointer into `text`
    const start = Deno.UnsafePointer.value(Deno.UnsafePointer.of(text));
    const rest = text.subarray(Number(data.getBigUint64(fields.name.offset, true) - start));
    return {
      name: new TextDecoder().decode(rest.subarray(0, rest.indexOf(0))),
      id: data.getUint32(fields.id.offset, true),
    };
  }
  return undefined;
}

/** Returns the effective user id of this process. */
export function geteuid(): number {
  return libc().symbols.geteuid();
}
