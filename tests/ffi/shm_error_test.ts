/** The one-line form of every error. */

import assert from "node:assert/strict";
import { ERRNO, errnoName, errnoText } from "../../ffi/errno.ts";
import { formatKey, ShmError } from "../../ffi/shm_error.ts";

Deno.test("ShmError: names action, call, object, reason and remedy in one line", () => {
  const error = new ShmError("open the segment", "shmget", ERRNO.ENOENT, {
    key: 1111,
    id: 5,
    remedy: "create it",
  });
  assert.equal(
    error.message,
    "cannot open the segment: shmget for key 1111 (0x457), id 5: ENOENT, " +
      "no such file, key or object; create it",
  );
  assert.deepEqual(
    [error.name, error.code, error.errno, error.call, error.key, error.id],
    ["ShmError", "ENOENT", 2, "shmget", 1111, 5],
  );
  assert(error instanceof Error);
});

Deno.test("ShmError.lane: the lane of a channel, or undefined", () => {
  const lane = 3;
  assert.equal(new ShmError("receive", undefined, "ECORRUPT", { lane }).lane, 3);
  assert.equal(new ShmError("receive", undefined, "ECORRUPT", { lane: 0 }).lane, 0);
  assert.equal(new ShmError("detach", "shmdt", ERRNO.EINVAL).lane, undefined);
});

Deno.test("ShmError: unknown details are left out", () => {
  assert.equal(
    new ShmError("detach", "shmdt", ERRNO.EINVAL).message,
    "cannot detach: shmdt: EINVAL, invalid argument",
  );
  assert.match(new ShmError("x", "shmget", 22, { key: 0 }).message, /for a private key:/);
});

Deno.test("ShmError: without a call it names the object alone, without both only the reason", () => {
  const busy = new ShmError("send", undefined, ERRNO.EBUSY, { key: 1111, id: 5, remedy: "wait" });
  assert.equal(busy.message, "cannot send: key 1111 (0x457), id 5: EBUSY, it is in use; wait");
  assert.equal(busy.call, undefined);
  assert.equal(
    new ShmError("send", undefined, "EDETACHED").message,
    "cannot send: EDETACHED, it was detached",
  );
});

Deno.test("ShmError: an error of the library itself has errno 0, and keeps its cause", () => {
  const cause = new Error("why");
  const error = new ShmError("read", undefined, "EDETACHED", { cause });
  assert.deepEqual([error.code, error.errno, error.cause], ["EDETACHED", 0, cause]);
});

Deno.test("ShmError.is: a ShmError with one of the codes, or with any code", () => {
  const error: unknown = new ShmError("open", "shmget", ERRNO.ENOENT);
  assert(ShmError.is(error, "EACCES", "ENOENT"));
  assert(ShmError.is(error));
  assert(!ShmError.is(error, "EACCES"));
  for (const other of [undefined, null, "ENOENT", { code: "ENOENT" }, new Error("ENOENT")]) {
    assert(!ShmError.is(other) && !ShmError.is(other, "ENOENT"));
  }
});

Deno.test("errnoName: an unknown errno has its number", () => {
  assert.equal(errnoName(9999), "E9999");
  assert.equal(new ShmError("x", "semop", 9999).code, "E9999");
  assert.equal(errnoName(ERRNO.EIDRM), "EIDRM");
  for (const errno of Object.values(ERRNO)) assert.doesNotMatch(errnoText(errno), /\.$|no name/);
});

Deno.test("formatKey: decimal, and hexadecimal as in ipcs", () => {
  assert.equal(formatKey(1111), "1111 (0x457)");
  assert.equal(formatKey(-1), "-1 (0xffffffff)");
});
