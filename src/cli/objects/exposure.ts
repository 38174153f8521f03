/** Warns about shared memory that other users can write to. Internal: used by commands for messages. */

import { formatKey } from "../../../ffi/shm_error.ts";
import { formatMode } from "../../sysv/object_stat.ts";
import { statSegment } from "../../sysv/segment_stat.ts";

/** A segment, or an object in one. */
interface Exposed {
  readonly id: number;
  readonly key: number;
  readonly othersMayWrite: boolean;
}

/** Prints a warning about memory that other users may write to, unless the user asked for it. */
export function tellExposure(
  { id, key, othersMayWrite }: Exposed,
  { open, tell }: {
    readonly open: { readonly mode?: number };
    readonly tell: (line: string) => void;
  },
): void {
  if (!othersMayWrite) return;
  const { mode, uid } = statSegment(id);
  if (open.mode === mode) return;
  tell(
    `warning: segment ${id} (key ${formatKey(key)}, owner uid ${uid}) has mode ` +
      `${formatMode(mode)}: other users may read and forge messages`,
  );
}
