/** The facts of a latest value, the stable contract of `latest --json`, as tables and as lines. */

import { formatProcess } from "../../../ffi/shm_error.ts";
import { type LatestStat, listLatests, statLatest } from "../../latest/latest_stat.ts";
import { formatSize } from "../text/size.ts";
import { formatRate, pidText, plural, sizeInWords } from "../text/wording.ts";
import { columnsOf, type FactsOf, factsOf, factTable } from "./facts.ts";
import { LIBRARY_FACTS, type LibraryObject, usersLine } from "./library_object.ts";
import { AccountNames } from "./object_facts.ts";

const LATEST_FACTS = {
  ...LIBRARY_FACTS,
  ...factTable<{ readonly object: LatestStat }>()({
    /** The most bytes of a value, and how many values the cells hold at a time. */
    valueSize: { title: "VALUE", sized: true, value: ({ object }) => object.size },
    cells: { title: "CELLS", right: true, value: ({ object }) => object.cells },
    /** The number of the newest value, 0 before the first, and its bytes. */
    version: { title: "VERSION", right: true, value: ({ object }) => object.version },
    length: { title: "LENGTH", sized: true, value: ({ object }) => object.length },
    /** The process that may write, and how many writers there were so far. */
    writer: { title: "WRITER", right: true, value: ({ object }) => object.writerPid ?? null },
    writers: { title: "WRITERS", right: true, value: ({ object }) => object.opened },
  }),
};

/** A latest value in `--json`. Numbers are numbers; null is unknown or no process. */
export type LatestFacts = FactsOf<typeof LATEST_FACTS>;

/** Latest values. Reading is harmless, even if another user created one. */
export const LATEST: LibraryObject<LatestStat, LatestFacts> = {
  name: "latest value",
  list: () => listLatests({ trust: true }),
  look: (id) => statLatest(id, { trust: true }),
  facts: (object, names = new AccountNames()) =>
    factsOf(LATEST_FACTS, { stat: object.segment, names, object }),
  columns: (style) => columnsOf(LATEST_FACTS, style),
  shown: [
    ...["key", "id", "owner", "valueSize", "cells"] as const,
    ...["version", "length", "writer", "users", "kept"] as const,
  ],
  content: ({ version, persistent }) => ({ depth: null, kept: persistent, count: version }),
  summary: ({ size, version }) =>
    `at most ${formatSize(size)}, ${version === 0 ? "never written" : `version ${version}`}`,
  peers: ({ writerPid }) => writerPid === undefined ? [] : [`${formatProcess(writerPid)} writes`],
  lines: (object, rate = null) => [
    [
      "value",
      object.typeHash === 0
        ? `at most ${sizeInWords(object.size)}`
        : `a struct of ${sizeInWords(object.size)}`,
    ],
    ["cells", String(object.cells)],
    [
      "version",
      object.version === 0
        ? "none: nothing was written yet"
        : `${object.version}, ${plural(object.length, "byte")}` +
          (rate === null ? "" : `, ${formatRate(rate)}/s`),
    ],
    ["writer", pidText(object.writerPid)],
    ["writers ever", String(object.opened)],
    usersLine(object),
  ],
  details: () => ({ json: {}, lines: [] }),
};
