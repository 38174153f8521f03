/**
 * A parser of C declarations: the text of a C struct becomes a layout. It needs no permission and no Linux.
 *
 * @example
 * ```ts
 * import { parseStruct } from "@sysv/shm/cparse";
 * import assert from "node:assert/strict";
 *
 * const Job = parseStruct("struct Job { int done; char name[28]; };");
 * assert.equal(Job.size, 32);
 * ```
 *
 * @module
 */

export { type ParsedStruct, type ParseOptions, parseStruct } from "./parse_struct.ts";
