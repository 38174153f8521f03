/** Where the examples are that `deno task test:doc` runs. */

import { PROJECT } from "./peer.ts";

/** Files and folders, from the root of the project. */
export function withExamples(): string[] {
  const pages = [...Deno.readDirSync(`${PROJECT}docs`)].filter(({ isFile }) => isFile)
    .map(({ name }) => `docs/${name}`).filter((name) => name.endsWith(".md"));
  return ["mod.ts", "cli.ts", "ffi", "src", "README.md", "SECURITY.md", ...pages];
}
