/** What a recording says of its lanes, and the struct of their messages. Internal: used by `replay.ts`. */

import { McapReader, type RecordedChannel } from "./mcap_reader.ts";
import { ENCODING } from "./message_json.ts";
import { RecordedFile } from "./recording_file.ts";

/** The name of the metadata that say that a file is a recording of this library. */
export const RECORDING = "sysv-shm";

/** The name of the metadata at its end, and their text that says how many messages it has. */
export const RECORDING_END = "sysv-shm-end";
export const MESSAGES_TEXT = "messages";

/** The texts of a channel of the file. `STRUCT` declares the struct in C, `TYPE` is its canonical text. */
export const LANE_TEXT = { LANE: "lane", STRUCT: "struct", TYPE: "message_type" } as const;

/** The lane of a channel of the file; `undefined` if it is not one of a recording. */
export function laneOf({ encoding, metadata }: RecordedChannel): number | undefined {
  const lane = metadata.get(LANE_TEXT.LANE) ?? "";
  return encoding === ENCODING && /^[0-9]{1,5}$/.test(lane) ? Number(lane) : undefined;
}

/** The declaration in C of the struct of a recording, which is named `message`; `undefined` if it has none. */
export async function recordedStruct(path: string): Promise<string | undefined> {
  using file = await RecordedFile.open(path);
  for await (const group of new McapReader(file).groups()) {
    for (const recorded of group) {
      if (recorded.kind === "channel") return recorded.channel.metadata.get(LANE_TEXT.STRUCT);
    }
  }
  return undefined;
}
