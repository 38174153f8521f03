/** C: a forked child has none of its parent's handles at a latest value. */

import assert from "node:assert/strict";
import { Latest } from "../../mod.ts";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();

/** `KEY`: writes 1, forks a child that tries everything, and writes 2 when the child has ended. */
const forker = new CProgram(`
  #include "shm_latest.h"
  #include <sys/wait.h>
  static struct ShmLatest latest;
  static struct ShmLatestWriter writer;
  static struct ShmLatestReader reader;
  static void must(bool right, const char *what) {
    if (right) return;
    fprintf(stderr, "not so: %s\\n", what);
    _exit(1);
  }
  static void try_everything(void) {
    struct ShmLatestValue value;
    struct ShmLatestReader other;
    struct ShmLatestWriter second;
    char line[800];
    void *place;
    must(shm_latest_write(&writer, "x", 1) == SHM_FORKED, "write");
    must(shm_latest_begin(&writer, &place) == SHM_FORKED && place == NULL, "begin");
    must(shm_latest_commit(&writer, 1) == SHM_FORKED, "commit");
    shm_describe(&writer.error, line, sizeof line);
    must(strstr(line, "opened it, and fork passes on none") != NULL, line);
    must(shm_latest_read(&reader, line, sizeof line, &value) == SHM_FORKED, "read");
    must(shm_latest_wait(&reader, NULL) == SHM_FORKED, "wait");
    must(shm_latest_next(&reader, line, sizeof line, &value, NULL) == SHM_FORKED, "next");
    must(shm_latest_open_reader(&other, &latest) == SHM_FORKED, "open_reader");
    must(shm_latest_open_writer(&second, &latest) == SHM_FORKED, "open_writer");
    must(shm_latest_remove(&latest) == SHM_FORKED, "remove");
    shm_latest_close_writer(&writer);
    shm_latest_close_reader(&reader);
    must(shm_latest_leave(&latest) == SHM_IN_USE, "leave");
    /* by its own handles it is a peer like any other */
    struct ShmLatest anew;
    const struct ShmLatestOptions options = shm_latest_options(latest.options.key);
    must(shm_latest_open(&anew, &options, NULL) == SHM_OK, "open anew");
    must(shm_latest_open_writer(&second, &anew) == SHM_BUSY, "the role is its parent's");
    must(shm_latest_open_reader(&other, &anew) == SHM_OK, "a reader of its own");
    must(shm_latest_read(&other, line, sizeof line, &value) == SHM_OK, "reads");
    must(value.version == 1, "the value of its parent");
    must(shm_latest_leave(&anew) == SHM_IN_USE, "leave anew");
  }
  int main(int count, char **words) {
    struct ShmLatestOptions options = shm_latest_options((key_t)strtoul(words[count - 1], NULL, 0));
    int end;
    options.size = 8;
    must(shm_latest_open(&latest, &options, NULL) == SHM_OK, latest.error.what);
    must(shm_latest_open_writer(&writer, &latest) == SHM_OK, writer.error.what);
    must(shm_latest_open_reader(&reader, &latest) == SHM_OK, reader.error.what);
    must(shm_latest_write(&writer, "1", 1) == SHM_OK, writer.error.what);
    const pid_t child = fork();
    if (child == 0) {
      try_everything();
      _exit(0);
    }
    waitpid(child, &end, 0);
    must(end == 0, "the child's end");
    must(shm_latest_writer_pid(&latest) == getpid(), "still the writer");
    must(shm_latest_write(&writer, "2", 1) == SHM_OK, writer.error.what);
    shm_latest_close_writer(&writer);
    must(shm_latest_leave(&latest) == SHM_IN_USE, "leave");
    return 0;
  }`);

testWith(C_NEEDS, "shm_latest.h: every call with an inherited handle is refused", async () => {
  using latest = Latest.openOrCreate({ key: freshKey(), size: 8 });
  await using program = forker.start(latest.key);
  const { code, stderr } = await program.ended();
  assert.deepEqual([code, stderr], [0, ""]);
  assert.deepEqual(latest.reader().read(), { value: new TextEncoder().encode("2"), version: 2 });
  assert.equal(latest.writerPid, undefined);
});
