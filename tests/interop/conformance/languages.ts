/** The languages of the conformance suite: what each needs, and how its peer starts. */

import type { Needs } from "../../support/needs.ts";
import { PROJECT, type TestFolder } from "../../support/peer.ts";

const FOLDER = `${PROJECT}tests/interop/conformance`;
const PYTHON = "/usr/bin/python3";

/** A language with a peer. */
export interface Language {
  readonly name: string;
  /** The name in the head of the matrix. */
  readonly short: string;
  readonly needs: Needs;
  /** The command that starts the peer; what must be compiled is compiled into the folder. */
  readonly command: (folder: TestFolder) => readonly string[];
}

/** The peers of this project. */
export const LANGUAGES: readonly Language[] = [
  {
    name: "TypeScript",
    short: "TS",
    needs: { tools: ["deno"] },
    command: () => [
      Deno.execPath(),
      ...["run", "--quiet", "--no-check", "--allow-ffi", `${FOLDER}/peer.ts`],
    ],
  },
  {
    name: "C",
    short: "C",
    needs: { tools: ["gcc"], files: true },
    command: (folder) => {
      const flags = ["-std=gnu11", "-Og", "-Wall", "-Wextra", "-Werror", `-I${PROJECT}c`];
      const args = [...flags, "-DSHM_SLICE_MS=slice_ms", `${FOLDER}/peer.c`];
      return [folder.compile("gcc", "conformance", args)];
    },
  },
  {
    name: "Python",
    short: "Python",
    needs: { tools: [PYTHON], files: true },
    // What it compiles stays in the folder of the test, and is there at the next start
    command: ({ path }) => [PYTHON, "-X", `pycache_prefix=${path}`, `${FOLDER}/peer.py`],
  },
];
