/** The file of a recording, with errors that name it. Internal: used by the recorder and the player. */

import { ERRNO } from "../../ffi/errno.ts";
import { ShmError } from "../../ffi/shm_error.ts";

/** Deno's permissions for files. */
const FLAGS = { read: "--allow-read", write: "--allow-write" } as const;

/** What a failure is about. */
type Access = keyof typeof FLAGS;

/** What helps where a file cannot be written, by errno. */
const WRITE_REMEDIES: Readonly<Record<number, string>> = {
  [ERRNO.EEXIST]: "a recording replaces no file: choose another name, or remove it",
  [ERRNO.ENOSPC]: "the disk is full: make room, or choose a file on another one",
};

/** The error for a call of Deno that failed. */
function failed(action: string, path: string, access: Access, cause: unknown): unknown {
  if (cause instanceof Deno.errors.NotCapable) {
    return new ShmError(`${action} ${path}`, undefined, ERRNO.EACCES, {
      remedy: `Deno runs without the permission: add ${FLAGS[access]}=${path}`,
      cause,
    });
  }
  const [, errno] = /\(os error ([0-9]+)\)/.exec(cause instanceof Error ? cause.message : "") ?? [];
  if (errno === undefined) return cause;
  const remedy = access === "write" ? WRITE_REMEDIES[Number(errno)] : undefined;
  return new ShmError(`${action} ${path}`, undefined, Number(errno), { remedy, cause });
}

/** A file that is written from its beginning to its end. */
export class NewFile implements Disposable {
  readonly path: string;
  readonly #file: Deno.FsFile;
  #size = 0;

  private constructor(path: string, file: Deno.FsFile) {
    this.path = path;
    this.#file = file;
  }

  /**
   * Creates the file, with the mode 0600: as private as the memory whose contents it gets.
   *
   * @throws {ShmError} `EEXIST` it exists; `EACCES`; another errno value
   */
  static async create(path: string): Promise<NewFile> {
    try {
      return new NewFile(
        path,
        await Deno.open(path, { write: true, createNew: true, mode: 0o600 }),
      );
    } catch (cause) {
      throw failed("create", path, "write", cause);
    }
  }

  /** Bytes that were appended. */
  get size(): number {
    return this.#size;
  }

  /**
   * Appends all of the bytes, or none.
   *
   * @throws {ShmError} `ENOSPC` the disk is full, or another errno value
   */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
    } catch (cause) {
      // A part of a record at the end would do no harm, but it takes room
      await this.#file.truncate(this.#size).catch(() => {});
      throw failed("write to", this.path, "write", cause);
    }
    this.#size += bytes.length;
  }

  /** Waits until the disk has all. */
  async sync(): Promise<void> {
    try {
      await this.#file.sync();
    } catch (cause) {
      throw failed("write to", this.path, "write", cause);
    }
  }

  /** Removes the file, if that is possible. */
  async discard(): Promise<void> {
    await Deno.remove(this.path).catch(() => {});
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** A file that is read from its beginning to its end. */
export class RecordedFile implements Disposable {
  readonly path: string;
  /** Its size when it was opened. */
  readonly size: number;
  readonly #file: Deno.FsFile;

  private constructor(path: string, file: Deno.FsFile, size: number) {
    this.path = path;
    this.#file = file;
    this.size = size;
  }

  /**
   * Opens the file.
   *
   * @throws {ShmError} `ENOENT`, `EACCES`, or another errno value; `EFORMAT` it is no file with a size
   */
  static async open(path: string): Promise<RecordedFile> {
    let file: Deno.FsFile | undefined;
    try {
      // To open a pipe would wait for a process that writes to it
      if ((await Deno.stat(path)).isFile) {
        file = await Deno.open(path);
        return new RecordedFile(path, file, (await file.stat()).size);
      }
    } catch (cause) {
      file?.close();
      throw failed("read", path, "read", cause);
    }
    throw new ShmError(`read ${path}`, undefined, "EFORMAT", { facts: "it is no regular file" });
  }

  /** Reads `length` bytes at `offset`; fewer at the end of the file. */
  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - offset)));
    let used = 0;
    try {
      await this.#file.seek(offset, Deno.SeekMode.Start);
      while (used < bytes.length) {
        const count = await this.#file.read(bytes.subarray(used));
        if (count === null) break;
        used += count;
      }
    } catch (cause) {
      throw failed("read", this.path, "read", cause);
    }
    return bytes.subarray(0, used);
  }

  /** The error for contents that cannot be replayed. */
  refused(facts: string, remedy?: string): ShmError {
    return new ShmError(`replay ${this.path}`, undefined, "EFORMAT", { facts, remedy });
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
