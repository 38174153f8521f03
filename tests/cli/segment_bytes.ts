/** Segments with known bytes, and our command as another user: for tests of what shows and changes them. */

import { Segment } from "../../mod.ts";
import { asNobody } from "../support/other_user.ts";
import { type Ended, PROJECT } from "../support/peer.ts";

/** A segment of this process, marked for removal: it is found by its id and goes by itself. */
export function segmentOf(content: Uint8Array | string): Segment {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const segment = Segment.create({ size: bytes.length });
  segment.remove();
  segment.write(bytes);
  return segment;
}

/** Runs the command with the rights of nobody, its input left open. Needs root. */
export async function runAsNobody(...args: readonly string[]): Promise<Ended> {
  await using peer = asNobody(`
    import { main } from "file://${PROJECT}cli.ts";
    Deno.exit(await main(${JSON.stringify(args)}));`);
  return await peer.ended();
}
