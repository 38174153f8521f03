/**
 * A latest value that this process has open, with the errors that its readers and its writer have in
 * common. Internal: used by `latest.ts`.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { HeadedObject, type HeadedOptions } from "../sync/headed_object.ts";
import { memoryOf } from "../sysv/segment.ts";
import { type CellMemory, cellMemory, CONTROL_WORD } from "./cell_memory.ts";
import type { CellErrors } from "./cell_reader.ts";
import { LATEST } from "./protocol.ts";
import type { Shape } from "./shape.ts";

/** An open latest value. */
export class LatestObject extends HeadedObject<Shape> implements CellErrors {
  readonly memory: CellMemory;
  /** The length of the shortest value: if it holds a struct, here or there, all have the same. */
  readonly least: number;

  constructor(options: HeadedOptions<Shape>) {
    super(LATEST, options);
    this.memory = cellMemory(memoryOf(this.segment, "use the cells").buffer, this.shape);
    const holdsStruct = options.layout !== undefined || this.memory.words[CONTROL_WORD.TYPE] !== 0;
    this.least = holdsStruct ? this.shape.size : 0;
  }

  /** The error for an impossible value in memory. */
  corrupt(what: string): ShmError {
    return new ShmError("go on using the Latest", undefined, "ECORRUPT", {
      key: this.segment.key,
      id: this.segment.id,
      facts: `${what}; another program writes into this memory`,
      remedy: "remove it and start its programs again",
    });
  }

  /** The error for a read that was overtaken each time. */
  overtaken(attempts: number): ShmError {
    return new ShmError("read the newest value", undefined, ERRNO.EAGAIN, {
      key: this.segment.key,
      id: this.segment.id,
      facts: `the writer overtook each of ${attempts} copies`,
      remedy: "try again, or create it with more cells",
      option: "cells",
    });
  }

  /** The error for a function that closes what it is shown. */
  gone(): ShmError {
    return this.closed("the reader", false);
  }

  /** The error for an action that a read-only object does not allow. */
  unwritable(action: string): ShmError {
    return new ShmError(action, undefined, "EREADONLY", {
      key: this.segment.key,
      id: this.segment.id,
      remedy: "open it without readOnly",
    });
  }
}
