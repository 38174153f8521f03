#!/usr/bin/env python3
"""A peer of the mailbox and of the channel in Python, with nothing but the standard library.

It is written from docs/wire_format.md alone, and the step numbers below are those of that page.
Linux only. One object belongs to one thread at a time, and not to a child of fork.

    python3 shm_peer.py server  [--key K] [--count N] [--keep] [--recreate]      prints what it receives
    python3 shm_peer.py client  [--key K] [--timeout S] [TEXT ...]               else: lines of stdin
    python3 shm_peer.py consume [--key K] [--count N] [--keep] [--discard] ...   prints what it receives
    python3 shm_peer.py produce [--key K] [--lanes L] [--capacity C] ... [TEXT ...]
"""

import argparse
import ctypes
import errno
import os
import platform
import signal
import struct
import sys
import time

# ---------------------------------------------------------------- the kernel

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
libc.shmdt.argtypes = [ctypes.c_void_p]
libc.shmget.argtypes = [ctypes.c_int, ctypes.c_size_t, ctypes.c_int]
libc.syscall.restype = ctypes.c_long

IPC_CREAT, IPC_EXCL, IPC_NOWAIT, SEM_UNDO = 0o1000, 0o2000, 0o4000, 0x1000
IPC_RMID, IPC_STAT = 0, 2
SHM_DEST = 0o1000
GETPID, GETVAL, GETALL, SETVAL = 11, 12, 13, 16
GONE = (errno.EIDRM, errno.EINVAL)  # what the kernel says of an object that was removed

MACHINE = platform.machine()
SYS_FUTEX = {"x86_64": 202, "aarch64": 98}[MACHINE]
SEM_NSEMS = {"x86_64": 80, "aarch64": 64}[MACHINE]  # offset of sem_nsems in struct semid_ds
FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAKE_OP, INT_MAX = 0, 1, 5, 0x7FFFFFFF
OP_SET, OP_ANDN, CMP_NE = 0, 3, 1
SLICE = 0.1  # no wait is longer than this before it looks again


class ShmError(Exception):
    """A call that these rules refuse. A call that the kernel refuses raises OSError."""


class Removed(ShmError):
    """The segment or the set was removed while in use."""


class StartOver(Exception):
    """Joining goes back to step 1; with `wait`, after a pause."""

    def __init__(self, why, wait=False):
        super().__init__(why)
        self.wait = wait


class SemBuf(ctypes.Structure):
    _fields_ = [("num", ctypes.c_ushort), ("op", ctypes.c_short), ("flg", ctypes.c_short)]


class TimeSpec(ctypes.Structure):
    _fields_ = [("sec", ctypes.c_long), ("nsec", ctypes.c_long)]

    @classmethod
    def of(cls, seconds):
        return cls(int(seconds), int(seconds % 1 * 1e9))


class Deadline:
    """A point in time; None means never."""

    def __init__(self, seconds):
        self.end = None if seconds is None else time.monotonic() + seconds

    def over(self):
        return self.end is not None and time.monotonic() >= self.end

    def slice(self):
        return SLICE if self.end is None else max(0.0, min(SLICE, self.end - time.monotonic()))


def fail(code, what):
    raise OSError(code, f"{what}: {os.strerror(code)}")


def call(what, result, allowed=()):
    """The result of a call into the kernel, or minus the errno if that is one of `allowed`."""
    if result != -1:
        return result
    code = ctypes.get_errno()
    if code not in allowed:
        fail(code, what)
    return -code


class SegmentFacts:
    """The result of IPC_STAT for a segment. `gone` is true if the segment was removed."""

    def __init__(self, id):
        buf = (ctypes.c_uint8 * 128)()
        self.id = id
        self.gone = call("shmctl(IPC_STAT)", libc.shmctl(id, IPC_STAT, buf), GONE) < 0
        raw = bytes(buf)
        self.uid, self.cuid = (int.from_bytes(raw[at : at + 4], "little") for at in (4, 12))
        self.removed = self.gone or bool(int.from_bytes(raw[20:22], "little") & SHM_DEST)
        self.size = int.from_bytes(raw[48:56], "little")
        self.cpid = int.from_bytes(raw[80:84], "little")
        self.attached = int.from_bytes(raw[88:96], "little")


class SetFacts:
    """The result of IPC_STAT for a semaphore set."""

    def __init__(self, id):
        buf = (ctypes.c_uint8 * 128)()
        self.id = id
        self.gone = call("semctl(IPC_STAT)", libc.semctl(id, 0, IPC_STAT, buf), GONE) < 0
        raw = bytes(buf)
        self.uid, self.cuid = (int.from_bytes(raw[at : at + 4], "little") for at in (4, 12))
        self.count = int.from_bytes(raw[SEM_NSEMS : SEM_NSEMS + 8], "little")


def find_segment(key):
    id = call("shmget", libc.shmget(key, 0, 0), (errno.ENOENT,))
    return None if id < 0 else SegmentFacts(id)


def find_set(key):
    id = call("semget", libc.semget(key, 0, 0), (errno.ENOENT,))
    return None if id < 0 else SetFacts(id)


def semop(id, ops, seconds=0.0):
    """All operations or none, as one step. False: not possible now, or not within the time."""
    array = (SemBuf * len(ops))(*[SemBuf(*op) for op in ops])
    while True:
        result = libc.semtimedop(id, array, ctypes.c_size_t(len(ops)), ctypes.byref(TimeSpec.of(seconds)))
        result = call("semop", result, (errno.EAGAIN, errno.EINTR))
        if result != -errno.EINTR:
            return result == 0


def all_values(id, count):
    values = (ctypes.c_ushort * count)()
    call("semctl(GETALL)", libc.semctl(id, 0, GETALL, values))
    return list(values)


def is_gone(pid):
    """True if the process ended. A pid of 0 is unknown: not gone."""
    if pid == 0:
        return False
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except (ProcessLookupError, FileNotFoundError):
        return True
    except OSError:
        return False


# ---------------------------------------------------------------- the memory


class Memory:
    """The attached segment. Loads and stores of one aligned word are atomic, as ctypes does each with
    one instruction. On x86-64 a load acquires and a store releases; elsewhere a fence does that.
    Python has no exchange and no fence of its own. FUTEX_WAKE_OP is both: the kernel changes the word
    by one atomic instruction that is a full fence, and wakes the processes that wait on it in the same call."""

    def __init__(self, address, size):
        self.address, self.size = address, size
        self._spare = ctypes.c_uint32(0)

    def load8(self, at):
        return self._acquired(ctypes.c_uint8.from_address(self.address + at).value)

    def load32(self, at):
        return self._acquired(ctypes.c_uint32.from_address(self.address + at).value)

    def store8(self, at, value):
        self._release()
        ctypes.c_uint8.from_address(self.address + at).value = value

    def store32(self, at, value):
        self._release()
        ctypes.c_uint32.from_address(self.address + at).value = value

    def read(self, at, length):
        return ctypes.string_at(self.address + at, length)

    def write(self, at, data):
        ctypes.memmove(self.address + at, bytes(data), len(data))

    def _acquired(self, value):
        if MACHINE != "x86_64":
            self._wake_op(ctypes.addressof(self._spare), OP_SET, 0)
        return value

    def _release(self):
        if MACHINE != "x86_64":
            self._wake_op(ctypes.addressof(self._spare), OP_SET, 0)

    def _wake_op(self, address, op, argument):
        """word = word `op` argument; wakes all processes that wait on it if the word was not 0 before."""
        code = op << 28 | CMP_NE << 24 | argument << 12
        spare, two = ctypes.c_void_p(ctypes.addressof(self._spare)), ctypes.c_void_p(address)
        many = ctypes.c_void_p(INT_MAX)  # this argument counts the sleepers on the second word
        call("futex", libc.syscall(SYS_FUTEX, spare, FUTEX_WAKE_OP, 1, many, two, ctypes.c_uint32(code)))

    def set_asleep(self, at):
        """Stores 1. Loads that come after it really come after it."""
        self._wake_op(self.address + at, OP_SET, 1)

    def wake_if_asleep(self, at):
        """Exchanges the word for 0, after all stores before it, and wakes the processes that wait if it was 1."""
        self._wake_op(self.address + at, OP_SET, 0)

    def round_down(self, at):
        """Clears the low three bits of a word; a word that has none of them is left as it is."""
        self._wake_op(self.address + at, OP_ANDN, 7)

    def wait(self, at, expected, seconds):
        word, limit = ctypes.c_void_p(self.address + at), TimeSpec.of(seconds)
        result = libc.syscall(SYS_FUTEX, word, FUTEX_WAIT, ctypes.c_uint32(expected), ctypes.byref(limit), None, 0)
        call("futex", result, (errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT))

    def wake_all(self, at):
        call("futex", libc.syscall(SYS_FUTEX, ctypes.c_void_p(self.address + at), FUTEX_WAKE, INT_MAX, None, None, 0))


# ---------------------------------------------------------------- joining and leaving


class Peer:
    """What the mailbox and the channel have in common. A subclass sets LOCK, USERS and DISPOSABLE."""

    def __init__(self, key, create, persistent, mode, timeout, trust_others, recreate=False):
        self.key, self.create, self.persistent, self.mode = key, create, persistent, mode
        self.trust_others, self.recreate, self.timeout = trust_others, recreate, timeout
        self.set = self.memory = None
        if key == 0:
            raise ShmError("the key 0 is IPC_PRIVATE: no other process could find what is created")
        deadline, pause, made = Deadline(timeout), 0.001, set()
        while True:
            try:
                return self._try_join(deadline, made)
            except StartOver as again:
                if deadline.over():
                    raise ShmError(f"not joined in time: {again}") from None
                if again.wait:
                    time.sleep(pause)
                    pause = min(pause * 2, SLICE)

    def _trust(self, facts, what):
        trusted = (os.geteuid(), 0)
        if not self.trust_others and not (facts.uid in trusted and facts.cuid in trusted):
            raise ShmError(f"the {what} belongs to another user (owner {facts.uid}, creator {facts.cuid})")

    def _try_join(self, deadline, made):
        # 1. The segment, looked at from outside.
        segment, unfit = find_segment(self.key), None
        if segment:
            if segment.gone:
                raise StartOver("the segment was removed")
            self._trust(segment, "segment")
            if not self._size_fits(segment.size):
                if not (self.recreate and segment.attached == 0):
                    raise ShmError(f"a segment of {segment.size} bytes holds something else")
                segment, unfit = None, segment
        # 2. To open only, there must be one.
        if not segment and not self.create:
            raise ShmError("there is no segment")
        # 3. The set, looked at from outside, or created.
        found = find_set(self.key)
        if found:
            if found.gone:
                raise StartOver("the set was removed")
            self._trust(found, "set")
            self._adopt_count(found.count, segment)
            self.set = found.id
        else:
            if segment and not self._segment_alone():
                again = find_segment(self.key)
                if again and again.id == segment.id and not again.removed:
                    raise ShmError("the segment has no semaphore set, so it is no channel")
                raise StartOver("the segment was removed")
            self._adopt_none()
            flags = IPC_CREAT | IPC_EXCL | self.mode
            self.set = call("semget", libc.semget(self.key, self._count(), flags), (errno.EEXIST,))
            if self.set < 0:
                raise StartOver("another process created the set")
            made.add(self.set)
        if unfit:
            if found:
                self._check_unused(unfit)
            call("shmctl(IPC_RMID)", libc.shmctl(unfit.id, IPC_RMID, None), GONE)
        # 4. Enter.
        self._enter(segment, deadline)
        # 5. and 6. Whatever fails from here on is undone.
        created = False
        try:
            id = call("shmget", libc.shmget(self.key, 0, 0), (errno.ENOENT,))
            if id < 0:
                if not self.create:
                    raise ShmError("there is no segment")
                flags = IPC_CREAT | IPC_EXCL | self.mode
                id = call("shmget", libc.shmget(self.key, self._size(), flags), (errno.EEXIST,))
                if id < 0:
                    raise StartOver("another process created the segment")
                created = True
            self.segment = id
            address = libc.shmat(id, None, 0)
            if address == ctypes.c_void_p(-1).value:
                code = ctypes.get_errno()
                if code in GONE:
                    raise StartOver("the segment was removed")
                fail(code, "shmat")
            self.memory = Memory(address, 0)
            facts = SegmentFacts(id)
            if facts.removed:
                raise StartOver("the segment was removed")
            self._trust(facts, "segment")
            if not self._size_fits(facts.size):
                raise ShmError(f"a segment of {facts.size} bytes holds something else")
            self.memory.size = facts.size
            if created:
                self._setval(self.DISPOSABLE, 0 if self.persistent else 1)
            self._ready(created, deadline)
        except BaseException:
            self._undo(created, made)
            raise
        # 7.
        self._release(self.LOCK)

    def _enter(self, segment, deadline):
        lock, users = (self.LOCK, 1, SEM_UNDO), (self.USERS, 1, SEM_UNDO)
        try:
            if segment:
                while not semop(self.set, [(self.LOCK, 0, 0), lock, users], deadline.slice()):
                    if deadline.over():
                        raise ShmError(f"process {self._getpid(self.LOCK)} does not release the entry lock")
                return
            zeros = [(n, 0, IPC_NOWAIT) for n in range(self._count())]
            if semop(self.set, zeros + [lock, users]):
                return
        except OSError as error:
            if error.errno in GONE:
                raise StartOver("the set was removed") from None
            self._remove_unused(made)
            raise
        except ShmError:
            self._remove_unused(made)
            raise
        self._check_unused(None)
        raise StartOver("another process was joining")

    def _check_unused(self, segment):
        """Of a set whose segment is not there, or does not fit: what is done where its values are not 0."""
        last = self._last_to_lock()
        values = self._values()
        if not any(values):
            return
        if values[self.LOCK] <= 1 and values[self.USERS] >= 1:
            raise StartOver("another process is joining or leaving", wait=True)
        now = find_segment(self.key)
        same = (now and now.id) == (segment and segment.id) and self._values() == values
        if not same or self._last_to_lock() != last:
            raise StartOver("another process joined in the meantime")
        raise ShmError("the semaphore set is another program's")

    def _values(self):
        return self._while_there(lambda: all_values(self.set, self._count()))

    def _last_to_lock(self):
        return self._while_there(lambda: call("semctl", libc.semctl(self.set, self.LOCK, GETPID, 0)))

    def _while_there(self, ask):
        try:
            return ask()
        except OSError as error:
            if error.errno in GONE:
                raise StartOver("the set was removed") from None
            raise

    def _remove_unused(self, made):
        if self.set in made and not any(self._values()):
            libc.semctl(self.set, 0, IPC_RMID, 0)

    def _undo(self, created, made):
        try:
            if created:
                facts = SegmentFacts(self.segment)
                if facts.attached <= (1 if self.memory else 0):
                    self._setval(self.DISPOSABLE, 0)
                    libc.shmctl(self.segment, IPC_RMID, None)
            self._detach()
            alone = self.set in made and self._getval(self.USERS) == 1
            if alone and (self._segment_alone() or not find_segment(self.key)):
                libc.semctl(self.set, 0, IPC_RMID, 0)
            else:
                self._uncount()
        except (Removed, OSError):
            self._detach()

    def leave(self):
        """Leaves; the last one out removes what is empty. Returns "not ours" if only its owner may."""
        if self.memory is None:
            return None
        result = None
        try:
            self._release_roles()
            limit = 1 if self.timeout is None else min(1, self.timeout)
            if not self._take(self.LOCK, Deadline(limit), check=False):
                self._detach()
                self._release(self.USERS)
                return None
            alone, removed = False, False
            try:
                alone = self._getval(self.USERS) == 1
                kept = self._kept(alone)
                facts = SegmentFacts(self.segment)
                if alone and facts.attached == 1 and not kept and self._empty(facts):
                    self._setval(self.DISPOSABLE, 0)
                    if call("shmctl(IPC_RMID)", libc.shmctl(self.segment, IPC_RMID, None), (errno.EPERM,)) < 0:
                        self._setval(self.DISPOSABLE, 1)
                        result = "not ours"
                    else:
                        removed = True
            finally:
                self._detach()
                last = alone if self._segment_alone() else removed
                if not last or libc.semctl(self.set, 0, IPC_RMID, 0) != 0:
                    self._uncount()
        except Removed:
            pass  # the set is gone, and with it all that we held
        finally:
            self._detach()
        return result

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()

    def _detach(self):
        if self.memory:
            libc.shmdt(self.memory.address)
            self.memory = None

    def _uncount(self):
        users, lock = (self.USERS, -1, IPC_NOWAIT | SEM_UNDO), (self.LOCK, -1, IPC_NOWAIT | SEM_UNDO)
        if not self._semop([users, lock]):
            self._semop([users])
            self._semop([lock])

    # What a subclass may say otherwise. A mailbox's segment may stand without a set.
    def _segment_alone(self):
        return False

    # ------------------------------------------------------------ semaphores

    def _set_call(self, function, *arguments):
        """A call on the set. Raises Removed if the set is gone."""
        try:
            return function(*arguments)
        except OSError as error:
            if error.errno in GONE:
                raise Removed("the semaphore set was removed") from None
            raise

    def _semctl(self, n, command, value=0):
        return self._set_call(lambda: call("semctl", libc.semctl(self.set, n, command, value)))

    def _getval(self, n):
        return self._semctl(n, GETVAL)

    def _getpid(self, n):
        return self._semctl(n, GETPID)

    def _setval(self, n, value):
        self._semctl(n, SETVAL, value)

    def _semop(self, ops, seconds=0.0):
        return self._set_call(semop, self.set, ops, seconds)

    def _try_take(self, n):
        return self._semop([(n, 0, IPC_NOWAIT), (n, 1, IPC_NOWAIT | SEM_UNDO)])

    def _take(self, n, deadline, check=True):
        while not self._semop([(n, 0, 0), (n, 1, SEM_UNDO)], deadline.slice()):
            if check:
                self._check()
            if deadline.over():
                return False
        return True

    def _release(self, n, by=1):
        return self._semop([(n, -by, IPC_NOWAIT | SEM_UNDO)])

    def _check(self):
        """Each wait calls this once a slice."""
        if SegmentFacts(self.segment).removed:
            raise Removed("the segment was removed")
        self._getval(self.LOCK)


# ---------------------------------------------------------------- the mailbox

MESSAGE = 2048


class Mailbox(Peer):
    LOCK, USERS, SERVER, SENDER, IN_FLIGHT, DISPOSABLE = range(6)

    def _count(self):
        return 6

    def _size(self):
        return 1 + MESSAGE

    def _size_fits(self, size):
        return size == 1 + MESSAGE

    def _segment_alone(self):
        return True

    def _adopt_count(self, count, _segment):
        if count != 6:
            raise ShmError(f"a set of {count} semaphores is not a mailbox's")

    def _adopt_none(self):
        pass

    def _ready(self, _created, _deadline):
        pass

    def _empty(self, _facts):
        return self.memory.load8(0) == 0

    def _wait_flag(self, full, deadline):
        """Waits until can_read is as asked. The word waited on is the flag and the first three bytes."""
        while True:
            word = self.memory.load32(0)
            if (word & 0xFF != 0) == full:
                return True
            if deadline.over():
                return False
            self.memory.wait(0, word, deadline.slice())
            self._check()


class MailboxServer(Mailbox):
    def __init__(self, key=1111, persistent=False, recreate=False, mode=0o600, timeout=5.0, trust_others=False):
        self.serving = False
        super().__init__(key, True, persistent, mode, timeout, trust_others, recreate)
        try:
            if not self._try_take(self.SERVER):
                raise ShmError(f"process {self._getpid(self.SERVER)} is the server already")
            self.serving = True
        except BaseException:
            self.leave()
            raise

    def _kept(self, alone):
        if not self.serving:  # we never had the role, so we leave as a client does
            return self._getval(self.DISPOSABLE) != 1
        if not alone:
            self._setval(self.DISPOSABLE, 0 if self.persistent else 1)
        return self.persistent

    def _release_roles(self):
        if self.serving:
            self._release(self.SERVER)

    def receive(self, handler, timeout=None):
        """Calls handler(text, pid of the sender or None) with one message. It is taken when the handler
        returns; if the handler raises, or the process dies, the message stays for the next call."""
        deadline = Deadline(timeout)
        while True:
            if not self._wait_flag(True, deadline):
                return False
            if not self._try_take(self.IN_FLIGHT):  # its sender is withdrawing it
                if deadline.over():
                    return False
                time.sleep(deadline.slice())
                self._check()
                continue
            try:
                if self.memory.load8(0) == 0:
                    continue
                text = self.memory.read(1, MESSAGE).partition(b"\0")[0].decode("utf-8", "replace")
                before, value, after = self._getpid(self.SENDER), self._getval(self.SENDER), self._getpid(self.SENDER)
                handler(text, before if value == 2 and before == after and before != 0 else None)
                self.memory.store8(0, 0)
                self.memory.wake_all(0)
                return True
            finally:
                self._release(self.IN_FLIGHT)


class MailboxClient(Mailbox):
    def __init__(self, key=1111, create=True, mode=0o600, timeout=5.0, trust_others=False):
        super().__init__(key, create, False, mode, timeout, trust_others)

    def _kept(self, _alone):
        return self._getval(self.DISPOSABLE) != 1

    def _release_roles(self):
        pass  # send releases SENDER itself

    def send(self, text, timeout=None, wait=True):
        """Returns "taken", "withdrawn" (no server took it in time), "unknown" (a server has received it),
        "busy" (the slot was not free in time), or "left" if it does not wait for the server."""
        data = text.encode("utf-8")
        if len(data) >= MESSAGE or 0 in data:
            raise ShmError("a message has at most 2047 bytes and no NUL")
        deadline, held = Deadline(timeout), 1
        if not self._take(self.SENDER, deadline):
            return "busy"
        try:
            if not self._wait_flag(False, deadline):
                return "busy"
            self.memory.write(1, data.ljust(MESSAGE, b"\0"))
            self._semop([(self.SENDER, 1, SEM_UNDO)])
            held = 2
            self.memory.store8(0, 1)
            self.memory.wake_all(0)
            if not wait:
                return "left"
            if self._wait_flag(False, deadline):
                return "taken"
            return self._withdraw()
        finally:
            self._release(self.SENDER, held)

    def _withdraw(self):
        if not self._take(self.IN_FLIGHT, Deadline(SLICE)):
            return "unknown"
        # The page asks for an exchange. We hold SENDER and IN_FLIGHT, so only a classic program can change
        # the flag between these two lines, and it may print what its sender withdraws in any case.
        there = self.memory.load8(0) != 0
        self.memory.store8(0, 0)
        self.memory.wake_all(0)
        self._release(self.IN_FLIGHT)
        return "withdrawn" if there else "taken"


# ---------------------------------------------------------------- the channel

MAGIC, VERSION, LAYOUT_HASH = 0x434D4853, 1, 0x9208E356
OTHER_MAGICS = {0x4C4D4853: "a Latest", 0x544D4853: "a Topic"}
HEADER, TYPE, FINGERPRINTS = 128, 32, 46
PADDING, MASK = 0xFFFFFFFF, 0xFFFFFFFF
ASLEEP, OPENED, IDENTITY = 128, 132, 136  # the consumer's line
TAIL, LANE_ASLEEP, LANE_OPENED, CLOSED, FULL_WAITS, TAIL_TALLIES = 0, 4, 8, 12, 16, 20
HEAD, HEAD_TALLIES = 128, 132


def capacity_of(size, lanes):
    """The capacity of a lane in a segment of this size with this many lanes, or None."""
    share, rest = divmod(size - 256, lanes)
    capacity = share - 256
    fits = rest == 0 and 64 <= capacity <= 1 << 30 and capacity & (capacity - 1) == 0
    return capacity if fits else None


class MessageType:
    """A message type from its canonical text, such as "id:i32@0;x:f64@8;16"; without one it has hash 0."""

    def __init__(self, text=None):
        *self.leaves, size = (text or "0").split(";")
        self.size, self.hash, self.fields = int(size), 0, []
        if text is None:
            return
        state = 0x811C9DC5
        for byte in text.encode("ascii"):
            state = ((state ^ byte) * 0x01000193) & MASK
            if byte == ord(";"):
                self.fields.append((state ^ state >> 16) & 0xFFFF)
        self.hash = state or 1

    def encode(self):
        fields = (self.fields + [0] * FINGERPRINTS)[:FINGERPRINTS]
        return struct.pack(f"<I{FINGERPRINTS}H", self.hash, *fields)

    def check(self, there):
        """Refuses another type, unless one of the two is none."""
        there_hash, *fields = struct.unpack(f"<I{FINGERPRINTS}H", there)
        if self.hash in (0, there_hash) or there_hash == 0:
            return
        for leaf, mine, its in zip(self.leaves, self.fields, fields):
            if mine != its:
                raise ShmError(f"it holds another struct: the first field that differs is {leaf} here")
        raise ShmError(f"it holds another struct after {(self.leaves + ['no field'])[:FINGERPRINTS][-1]} here")


class Channel(Peer):
    def __init__(self, key, create, persistent, lanes, capacity, message_size, mode, timeout, trust_others,
                 message_type):
        if lanes is not None and not 1 <= lanes <= 256:
            raise ShmError("a channel has 1 to 256 lanes")
        if capacity is not None and capacity_of(256 + 256 + capacity, 1) is None:
            raise ShmError("a capacity is a power of two from 64 to 2^30")
        self.type = MessageType(message_type)
        if message_type is not None:
            message_size = self.type.size
        self.asked_lanes, self.asked_capacity, self.asked_message_size = lanes, capacity, message_size
        super().__init__(key, create, persistent, mode, timeout, trust_others)

    def _set_lanes(self, lanes):
        self.lanes = lanes
        self.LOCK, self.USERS, self.DISPOSABLE = lanes + 1, lanes + 2, lanes + 3

    def _adopt_none(self):
        self._set_lanes(self.asked_lanes or 8)

    def _count(self):
        return self.lanes + 4

    def _size(self):
        return 256 + self.lanes * (256 + (self.asked_capacity or 1 << 20))

    def _size_fits(self, size):
        return any(capacity_of(size, lanes) for lanes in range(1, 257))

    def _adopt_count(self, count, segment):
        lanes = count - 4
        if not 1 <= lanes <= 256 or segment and capacity_of(segment.size, lanes) is None:
            raise ShmError(f"a set of {count} semaphores is not this channel's")
        if not segment and self.asked_lanes not in (None, lanes):
            raise ShmError(f"the set without a segment is for {lanes} lanes, not {self.asked_lanes}")
        self._set_lanes(lanes)

    def _lane(self, i):
        return 256 + 256 * i

    def _ring(self, i):
        return 256 + 256 * self.lanes + i * self.capacity

    # ------------------------------------------------------------ ready

    def _ready(self, created, deadline):
        memory = self.memory
        self.capacity = capacity_of(memory.size, self.lanes)
        if self.capacity is None:
            raise ShmError("no channel with this number of lanes has a segment of this size")
        pause = 0.002
        while not created and memory.load32(0) == 0:
            facts = SegmentFacts(self.segment)
            if facts.removed:
                raise StartOver("the segment was removed")
            if not self.create and facts.attached == 1:
                raise ShmError("there is no channel: its creator died")
            abandoned = facts.attached == 1 and not any(memory.read(HEADER, memory.size - HEADER))
            if self.create and abandoned:
                if memory.size == self._size():
                    self._setval(self.DISPOSABLE, 0 if self.persistent else 1)
                    created = True
                    break
                values = all_values(self.set, self.lanes + 4)
                others = [v for n, v in enumerate(values) if n not in (self.LOCK, self.USERS, self.DISPOSABLE)]
                clean = not any(others) and values[self.LOCK] == values[self.USERS] == 1
                if clean and is_gone(facts.cpid):
                    self._setval(self.DISPOSABLE, 0)
                    call("shmctl(IPC_RMID)", libc.shmctl(self.segment, IPC_RMID, None))
                    self._detach()
                    libc.semctl(self.set, 0, IPC_RMID, 0)
                    raise StartOver("an abandoned segment of another size was removed")
            if deadline.over():
                raise ShmError("the channel was not initialised in time")
            time.sleep(pause)
        if created:
            size = self.asked_message_size or 0
            if size > self.capacity // 2 - 8:
                raise ShmError(f"a message has at most {self.capacity // 2 - 8} bytes")
            for at, value in ((8, LAYOUT_HASH), (12, self.lanes), (16, self.capacity), (20, size)):
                memory.store32(at, value)
            memory.write(24, memory.size.to_bytes(8, "little") + self.type.encode())
            memory.store32(4, VERSION)
            memory.store32(0, MAGIC)  # SYNC ready
        if memory.load32(0) in OTHER_MAGICS:
            raise ShmError(f"the key belongs to {OTHER_MAGICS[memory.load32(0)]}, not to a channel")
        found = [memory.load32(at) for at in (0, 4, 8, 12, 16)] + [int.from_bytes(memory.read(24, 8), "little")]
        if found != [MAGIC, VERSION, LAYOUT_HASH, self.lanes, self.capacity, memory.size]:
            raise ShmError("the header is not that of a channel of this version")
        self.type.check(memory.read(TYPE, HEADER - TYPE))
        self.message_size = memory.load32(20)
        self.largest = self.capacity // 2 - 8
        if self.message_size > self.largest:
            raise ShmError("the header has an impossible message size")
        for name in ("lanes", "capacity", "message_size"):
            asked = getattr(self, "asked_" + name)
            if asked not in (None, getattr(self, name)):
                raise ShmError(f"the channel's {name} is {getattr(self, name)}, not {asked}")

    def _kept(self, _alone):
        return self._getval(self.DISPOSABLE) != 1

    def _empty(self, facts):
        lanes = map(self._lane, range(self.lanes))
        return facts.removed or all(self.memory.load32(at + HEAD) == self.memory.load32(at + TAIL) for at in lanes)

    def _count_at(self, tallies, position):
        """How many messages there were up to a position; 0 if neither tally has it."""
        for at in (tallies, tallies + 12):
            if self.memory.load32(at) == position:
                return int.from_bytes(self.memory.read(at + 4, 8), "little")
        return 0

    def _advance(self, at, tallies, present, coming, messages):
        """Fills in the tally that does not have the present position, then stores the coming one."""
        count = (self._count_at(tallies, present) + messages) % (1 << 64)
        tally = tallies + 12 if self.memory.load32(tallies) == present else tallies
        self.memory.store32(tally + 4, count & MASK)
        self.memory.store32(tally + 8, count >> 32)
        self.memory.store32(tally, coming)
        self.memory.store32(at, coming)

    def _add(self, at, n=1):
        self.memory.store32(at, (self.memory.load32(at) + n) & MASK)


class Producer(Channel):
    def __init__(self, key, create=True, persistent=False, lanes=None, capacity=None, message_size=None,
                 mode=0o600, timeout=5.0, trust_others=False, message_type=None):
        self.lane = None
        super().__init__(key, create, persistent, lanes, capacity, message_size, mode, timeout, trust_others,
                         message_type)
        try:
            self._claim()
        except BaseException:
            self.leave()
            raise

    def _claim(self):
        for i in range(self.lanes):
            if not self._try_take(1 + i):
                continue
            at = self._lane(i)
            tail, head = self.memory.load32(at + TAIL), self.memory.load32(at + HEAD)
            if tail % 8 or head % 8 or (tail - head) & MASK > self.capacity:
                self._release(1 + i)
                continue
            self.lane, self.at, self.ring = i, at, self._ring(i)
            self.published = self.tail = tail  # up to `tail` it is written, up to `published` it is seen
            self.head, self.written = head, 0
            self._add(at + LANE_OPENED)
            self.memory.store32(at + LANE_ASLEEP, 0)
            return
        raise ShmError("no lane is free")

    def send(self, payload, tag=0, timeout=None, flush=True):
        """Writes one message; False if there was no room in time. With flush=False it is published later."""
        if len(payload) > self.largest or self.message_size and len(payload) != self.message_size:
            raise ShmError(f"a message of {len(payload)} bytes does not fit this channel")
        index, size = self.tail & (self.capacity - 1), 8 + (len(payload) + 7 & ~7)
        pad = self.capacity - index if index + size > self.capacity else 0
        if not self._has_room(pad + size):
            self.flush()
            if not self._wait_room(pad + size, Deadline(timeout)):
                return False
        if pad:
            self.memory.write(self.ring + index, PADDING.to_bytes(4, "little"))
            index = 0
        record = len(payload).to_bytes(4, "little") + tag.to_bytes(4, "little") + bytes(payload)
        self.memory.write(self.ring + index, record)
        self.tail = (self.tail + pad + size) & MASK
        self.written += 1
        if flush:
            self.flush()
        return True

    def _has_room(self, size):
        if (self.tail + size - self.head) & MASK <= self.capacity:
            return True
        head = self.memory.load32(self.at + HEAD)  # SYNC head
        if head % 8 or (self.tail - head) & MASK > self.capacity:
            raise ShmError(f"lane {self.lane}: its head is impossible")
        self.head = head
        return (self.tail + size - head) & MASK <= self.capacity

    def _wait_room(self, size, deadline):
        asleep = self.at + LANE_ASLEEP
        counted = False
        try:
            while True:
                self.memory.set_asleep(asleep)
                if self._has_room(size):
                    return True
                if not counted:
                    self._add(self.at + FULL_WAITS)
                counted = True
                if self.memory.load32(self.at + TAIL) != self.published:
                    raise ShmError(f"lane {self.lane}: another program changed its tail")
                if deadline.over():
                    return False
                self.memory.wait(asleep, 1, deadline.slice())
                self._check()
        finally:
            self.memory.store32(asleep, 0)

    def flush(self):
        """Publishes what was written."""
        if self.tail != self.published:
            self._advance(self.at + TAIL, self.at + TAIL_TALLIES, self.published, self.tail, self.written)
            self.published, self.written = self.tail, 0
            self.memory.wake_if_asleep(ASLEEP)

    def _release_roles(self):
        if self.lane is not None:
            self.flush()
            self._add(self.at + CLOSED)
            self._release(1 + self.lane)
            self.lane = None
            self.memory.wake_if_asleep(ASLEEP)


class Consumer(Channel):
    def __init__(self, key, create=True, persistent=False, lanes=None, capacity=None, message_size=None,
                 mode=0o600, timeout=5.0, trust_others=False, message_type=None):
        self.consuming = False
        super().__init__(key, create, persistent, lanes, capacity, message_size, mode, timeout, trust_others,
                         message_type)
        try:
            if not self._try_take(0):
                raise ShmError(f"process {self._getpid(0)} is the consumer already")
            self.consuming, self.next = True, 0
            at = [self._lane(i) for i in range(self.lanes)]
            self.heads = [self.memory.load32(a + HEAD) for a in at]
            self.memory.store32(ASLEEP, 0)
            self._add(OPENED)
            self.opened = [self.memory.load32(a + LANE_OPENED) for a in at]
            self.seen = self._producer_present()
        except BaseException:
            self.leave()
            raise

    def _tail(self, i):
        return self.memory.load32(self._lane(i) + TAIL)

    def _one(self, i, handler):
        """Hands over the next message of lane i; False if it has none."""
        head, tail = self.heads[i], self._tail(i)  # SYNC tail
        if head % 8 or tail % 8 or (tail - head) & MASK > self.capacity:
            raise LaneError(i, "its positions are impossible")
        while head != tail:
            there, index = (tail - head) & MASK, head & (self.capacity - 1)
            length = self.memory.load32(self._ring(i) + index)
            to_end = self.capacity - index
            if length == PADDING:
                if index == 0 or to_end > there:
                    raise LaneError(i, "its padding is impossible")
                head = (head + to_end) & MASK
                if head == tail:
                    self._free(i, head, 0)
                continue
            size = 8 + (length + 7 & ~7)
            fits = length == self.message_size if self.message_size else length <= self.largest
            if not fits or size > there or size > to_end:
                raise LaneError(i, f"it has a record of {length} bytes")
            tag = self.memory.load32(self._ring(i) + index + 4)
            handler(self.memory.read(self._ring(i) + index + 8, length), tag, i)
            self._free(i, (head + size) & MASK, 1)
            return True
        return False

    def _free(self, i, head, messages):
        at = self._lane(i)
        self._advance(at + HEAD, at + HEAD_TALLIES, self.heads[i], head, messages)  # SYNC head
        self.heads[i] = head
        self.memory.wake_if_asleep(at + LANE_ASLEEP)

    def receive(self, handler, timeout=None, until_end=False):
        """Calls handler(payload, tag, lane) with one message; it is taken when the handler returns.
        Returns True, or False when the time is over, or None at the end of the stream. A lane that
        cannot be read raises LaneError; the next call goes on with the next lane."""
        deadline = Deadline(timeout)
        try:
            while True:
                for _ in range(self.lanes):
                    i, self.next = self.next, (self.next + 1) % self.lanes
                    if self._one(i, handler):
                        self.seen = True
                        return True
                if until_end and self._ended():
                    return None
                self.memory.set_asleep(ASLEEP)
                if any(self._tail(i) != self.heads[i] for i in range(self.lanes)):
                    continue
                if until_end and self._ended():
                    return None
                for i in range(self.lanes):
                    if self.memory.load32(self._lane(i) + HEAD) != self.heads[i]:
                        raise ShmError(f"lane {i}: another program changed its head")
                if deadline.over():
                    return False
                self.memory.wait(ASLEEP, 1, deadline.slice())
                self._check()
        finally:
            self.memory.store32(ASLEEP, 0)

    def _producer_present(self):
        return any(self._getval(1 + i) for i in range(self.lanes))

    def _ended(self):
        """Counts openings first, then owners, then messages: no producer that opens in between is missed."""
        came = [self.memory.load32(self._lane(i) + LANE_OPENED) for i in range(self.lanes)] != self.opened
        there = self._producer_present()
        self.seen = self.seen or came or there
        return self.seen and not there and all(self._tail(i) == self.heads[i] for i in range(self.lanes))

    def discard(self, i):
        """Drops what is in lane i, because it cannot be read. Its owner's tally knows how many they were."""
        at = self._lane(i)
        if self._tail(i) % 8:
            self.memory.round_down(at + TAIL)
        for at_word in (IDENTITY, IDENTITY + 4):
            self.memory.store32(at_word, 0)  # a number may be given twice now
        head = self._tail(i) & ~7 & MASK
        sent = self._count_at(at + TAIL_TALLIES, head)
        self._free(i, head, max(0, sent - self._count_at(at + HEAD_TALLIES, self.heads[i])))

    def _release_roles(self):
        if self.consuming:
            self.memory.store32(ASLEEP, 0)
            self._release(0)
            self.consuming = False


class LaneError(ShmError):
    def __init__(self, lane, why):
        super().__init__(f"lane {lane}: {why}")
        self.lane = lane


# ---------------------------------------------------------------- the command line


def messages(options):
    return options.text or (line.rstrip("\n") for line in sys.stdin)


def show(data):
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()


def run_server(options):
    with MailboxServer(options.key, options.keep, options.recreate) as server:
        print("ready", file=sys.stderr, flush=True)
        left = options.count
        while left is None or left > 0:
            if not server.receive(lambda text, _pid: show(text.encode()), options.timeout):
                raise ShmError("no message in time")
            left = None if left is None else left - 1


def run_client(options):
    with MailboxClient(options.key, not options.open) as client:
        for text in messages(options):
            outcome = client.send(text, options.timeout, not options.no_wait)
            print(outcome, flush=True)
            if outcome not in ("taken", "left"):
                raise ShmError(f"not taken: {outcome}")


def shape(options):
    return dict(persistent=options.keep, create=not options.open, lanes=options.lanes, capacity=options.capacity,
                message_size=options.message_size, message_type=options.type)


def run_consume(options):
    with Consumer(options.key, **shape(options)) as consumer:
        print("ready", file=sys.stderr, flush=True)
        left = options.count
        while left is None or left > 0:
            try:
                got = consumer.receive(lambda payload, _tag, _lane: show(payload), options.timeout, left is None)
            except LaneError as error:
                if not options.discard:
                    raise
                print(error, file=sys.stderr, flush=True)
                consumer.discard(error.lane)
                continue
            if got is None:
                return
            if not got:
                raise ShmError("no message in time")
            left = None if left is None else left - 1


def run_produce(options):
    with Producer(options.key, **shape(options)) as producer:
        print("ready", file=sys.stderr, flush=True)
        for text in messages(options):
            if not producer.send(text.encode(), options.tag, options.timeout):
                raise ShmError("no room in time")
            if options.echo:
                show(text.encode())


def main():
    parser = argparse.ArgumentParser(description="A peer of the mailbox and the channel.")
    roles = parser.add_subparsers(dest="role", required=True)
    number = lambda text: int(text, 0)
    for name, run, key in (("server", run_server, 1111), ("client", run_client, 1111),
                           ("consume", run_consume, 2222), ("produce", run_produce, 2222)):
        role = roles.add_parser(name)
        role.set_defaults(run=run)
        role.add_argument("--key", type=number, default=key)
        role.add_argument("--timeout", type=float, help="seconds for each message; default: for ever")
        if name in ("server", "consume"):
            role.add_argument("--count", type=int, help="end after so many messages")
        else:
            role.add_argument("text", nargs="*", help="messages; default: lines of the standard input")
        if name != "client":
            role.add_argument("--keep", action="store_true", help="leave segment and set when done")
        if name == "server":
            role.add_argument("--recreate", action="store_true", help="replace an unused segment of another size")
        if name == "client":
            role.add_argument("--no-wait", action="store_true", help="do not wait until the server took it")
        if name != "server":
            role.add_argument("--open", action="store_true", help="create nothing")
        if name in ("consume", "produce"):
            for option in ("--lanes", "--capacity", "--message-size"):
                role.add_argument(option, type=number)
            role.add_argument("--type", help="the canonical text of the struct of every message")
        if name == "consume":
            role.add_argument("--discard", action="store_true", help="drop what cannot be read")
        if name == "produce":
            role.add_argument("--tag", type=number, default=0)
            role.add_argument("--echo", action="store_true", help="print each message once it is sent")
    options = parser.parse_args()
    # A signal ends the process by way of the `with` above, so that it leaves what it joined.
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda n, _frame: sys.exit(128 + n))
    try:
        options.run(options)
    except (ShmError, OSError, KeyboardInterrupt) as error:
        sys.exit(f"shm_peer: {error or 'interrupted'}")


if __name__ == "__main__":
    main()
