/** The test files of the project. */

import { PROJECT } from "./peer.ts";

/** All test files below `folder` of `tests`, as paths from there. */
export function testFiles(folder = ""): string[] {
  return [...Deno.readDirSync(`${PROJECT}tests/${folder}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? testFiles(`${folder}${name}/`) : name.endsWith("_test.ts") ? [folder + name] : []
  );
}
