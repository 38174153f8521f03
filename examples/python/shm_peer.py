#!/usr/bin/env python3
"""A peer of the mailbox, the channel, the Latest and the Topic in Python, with nothing but the standard library.

It is written from docs/wire_format.md alone, and the step numbers below are those of that page.
Linux only. One object belongs to one thread at a time, and not to a child of fork.

    python3 shm_peer.py server  [--key K] [--count N] [--keep] [--recreate]      prints what it receives
    python3 shm_peer.py client  [--key K] [--timeout S] [TEXT ...]               else: lines of stdin
    python3 shm_peer.py consume [--key K] [--count N] [--keep] [--discard] ...   prints what it receives
    python3 shm_peer.py produce [--key K] [--lanes L] [--capacity C] ... [TEXT ...]
    python3 shm_peer.py latest-set   --key K [--size S] [--cells N] ... [TEXT ...]
    python3 shm_peer.py latest-get   --key K [--read-only] ...                 prints the newest value
    python3 shm_peer.py latest-watch --key K [--count N] [--read-only] ...     prints each value that it finds
    python3 shm_peer.py publish   [--key K] [--lanes L] [--capacity C] ... [TEXT ...]
    python3 shm_peer.py subscribe [--key K] [--history N] [--read-only] ...      prints what it receives
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
SHM_DEST, SHM_RDONLY = 0o1000, 0o10000
GETPID, GETVAL, GETALL, SETVAL = 11, 12, 13, 16
GONE = (errno.EIDRM, errno.EINVAL)  # what the kernel says of an object that was removed

MACHINE = platform.machine()
SYS_FUTEX = {"x86_64": 202, "aarch64": 98}[MACHINE]
SEM_NSEMS = {"x86_64": 80, "aarch64": 64}[MACHINE]  # offset of sem_nsems in struct semid_ds
FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAKE_OP, INT_MAX = 0, 1, 5, 0x7FFFFFFF
OP_SET, OP_ADD, OP_OR, OP_ANDN, CMP_EQ, CMP_NE = 0, 1, 2, 3, 0, 1
OVERFLOW_ID, ALL_IDS = 65534, "4294967295"  # user_namespaces(7): the id of users without a mapping; a map of all
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
        self.mode = int.from_bytes(raw[20:22], "little")
        self.removed = self.gone or bool(self.mode & SHM_DEST)
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
        self.mode = int.from_bytes(raw[20:22], "little")
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


def maps_all_users():
    """True if the user namespace gives each user an id of its own."""
    try:
        with open("/proc/self/uid_map") as file:
            return any(line.split()[2] == ALL_IDS for line in file)
    except OSError:
        return False


def is_trusted(id, mode):
    """True if a user is root or this one. The id of users that are not mapped may be another user than this
    one, which has it too; but then a mode without rights for others gives no access."""
    if id == 0 or id != os.geteuid():
        return id == 0
    return id != OVERFLOW_ID or mode & 0o066 == 0 or maps_all_users()


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
            self.fence()
        return value

    def _release(self):
        if MACHINE != "x86_64":
            self.fence()

    def fence(self):
        """Loads and stores before it come before the loads and stores after it."""
        self._wake_op(ctypes.addressof(self._spare), OP_SET, 0)

    def _wake_op(self, address, op, argument, compare=CMP_NE):
        """word = word `op` argument; wakes all processes that wait on it if the word was not 0 before
        (with CMP_EQ: if it was 0)."""
        code = op << 28 | compare << 24 | argument << 12
        spare, two = ctypes.c_void_p(ctypes.addressof(self._spare)), ctypes.c_void_p(address)
        many = ctypes.c_void_p(INT_MAX)  # this argument counts the sleepers on the second word
        call("futex", libc.syscall(SYS_FUTEX, spare, FUTEX_WAKE_OP, 1, many, two, ctypes.c_uint32(code)))

    def set_asleep(self, at):
        """Stores 1. Loads that come after it really come after it."""
        self._wake_op(self.address + at, OP_SET, 1)

    def wake_if_asleep(self, at):
        """Exchanges the word for 0, after all stores before it, and wakes the processes that wait if it was 1."""
        self._wake_op(self.address + at, OP_SET, 0)

    def ask_to_wake(self, at):
        """Sets bit 0 of an event count, and returns the odd value to wait for. FUTEX_WAKE_OP does not tell
        what was there before, so the word is loaded after it: if a peer has cleared the bit, it is set again.
        CMP_EQ: a process that sleeps waits for another value than 0, and must not be woken by this."""
        while True:
            self._wake_op(self.address + at, OP_OR, 1, CMP_EQ)
            value = self.load32(at)
            if value & 1:
                return value

    def wake_if_odd(self, at):
        """After all stores before it: adds 1 to an event count that is odd, and wakes the processes that wait."""
        self.fence()
        if self.load32(at) & 1:
            self._wake_op(self.address + at, OP_ADD, 1)

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
    """What all protocols share. A subclass sets LOCK, USERS and DISPOSABLE."""

    EMPTY_WHILE_ATTACHED = False  # True: it is removed also if other processes are attached

    def __init__(self, key, create, persistent, mode, timeout, trust_others, recreate=False, read_only=False):
        self.key, self.create, self.persistent, self.mode = key, create and not read_only, persistent, mode
        self.trust_others, self.recreate, self.timeout, self.read_only = trust_others, recreate, timeout, read_only
        self.set = self.memory = None
        if key == 0:
            raise ShmError("the key 0 is IPC_PRIVATE: no other process could find what is created")
        deadline, pause, made = Deadline(timeout), 0.001, set()
        while True:
            try:
                return self._try_open(deadline) if read_only else self._try_join(deadline, made)
            except StartOver as again:
                if deadline.over():
                    raise ShmError(f"not joined in time: {again}") from None
                if again.wait:
                    time.sleep(pause)
                    pause = min(pause * 2, SLICE)

    def _trust(self, facts, what):
        if not self.trust_others and not all(is_trusted(id, facts.mode) for id in (facts.uid, facts.cuid)):
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
                    raise ShmError("the segment has no semaphore set, so it is another program's")
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
        self._enter(segment, deadline, made)
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
            self._attach(id, 0)
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

    def _attach(self, id, flags):
        address = libc.shmat(id, None, flags)
        if address == ctypes.c_void_p(-1).value:
            code = ctypes.get_errno()
            if code in GONE:
                raise StartOver("the segment was removed")
            fail(code, "shmat")
        self.segment, self.memory = id, Memory(address, 0)

    def _enter(self, segment, deadline, made):
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
        if self.read_only:
            return self._detach()
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
                unused = facts.attached == 1 or self.EMPTY_WHILE_ATTACHED
                if alone and unused and not kept and self._empty(facts):
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
        self.serving = self.in_flight = False
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
        self.nack()
        if self.serving:
            self._release(self.SERVER)

    def receive(self, timeout=None):
        """The next message as (text, pid of its sender or None), or None when the time is over. It stays in the
        slot until `ack`, or the next `receive`; after `nack`, or if the process dies, it is received again."""
        self.ack()
        deadline = Deadline(timeout)
        while True:
            if not self._wait_flag(True, deadline):
                return None
            if not self._try_take(self.IN_FLIGHT):  # its sender is withdrawing it
                if deadline.over():
                    return None
                time.sleep(deadline.slice())
                self._check()
                continue
            self.in_flight = True
            if self.memory.load8(0) != 0:
                break
            self.nack()
        text = self.memory.read(1, MESSAGE).partition(b"\0")[0].decode("utf-8", "replace")
        before, value, after = self._getpid(self.SENDER), self._getval(self.SENDER), self._getpid(self.SENDER)
        return text, before if value == 2 and before == after and before != 0 else None

    def ack(self):
        if self.in_flight:
            self.memory.store8(0, 0)
            self.memory.wake_all(0)
            self.nack()

    def nack(self):
        if self.in_flight:
            self.in_flight = False
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


# ---------------------------------------------------------------- objects with a header

VERSION = 1
CHANNEL, LATEST, TOPIC = 0x434D4853, 0x4C4D4853, 0x544D4853
KINDS = {CHANNEL: "channel", LATEST: "Latest", TOPIC: "Topic"}
HEADER, TYPE, FINGERPRINTS = 128, 32, 46
PADDING, MASK = 0xFFFFFFFF, 0xFFFFFFFF


def is_power(n, least, most):
    return least <= n <= most and n & (n - 1) == 0


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


class Headed(Peer):
    """A channel, a Latest or a Topic. A subclass sets MAGIC and LAYOUT_HASH, and knows its shape:
    `_first_shape` are the three words at 12 of a new one, `_adopt_shape` checks and takes those it found."""

    def __init__(self, key, create, persistent, mode, timeout, trust_others, message_type, read_only=False):
        self.kind, self.type = KINDS[self.MAGIC], MessageType(message_type)
        super().__init__(key, create, persistent, mode, timeout, trust_others, read_only=read_only)

    def _try_open(self, deadline):
        """Opens it for reading only, without joining. The steps are those of "Read-only"."""
        # 1.
        segment = find_segment(self.key)
        if not segment:
            raise ShmError(f"there is no {self.kind}")
        if segment.gone:
            raise StartOver("the segment was removed")
        self._trust(segment, "segment")
        if not self._size_fits(segment.size):
            raise ShmError(f"a segment of {segment.size} bytes holds something else")
        found = find_set(self.key)
        if not found:
            again = find_segment(self.key)
            if again and again.id == segment.id and not again.removed:
                raise ShmError("the segment has no semaphore set, so it is another program's")
            raise StartOver("the segment was removed")
        if found.gone:
            raise StartOver("the set was removed")
        self._trust(found, "set")
        self._adopt_count(found.count, segment)
        self.set = found.id
        # 2.
        self._attach(segment.id, SHM_RDONLY)
        self.memory.size = segment.size
        try:
            if self.memory.load32(0) != 0:
                return self._check_header()
            # 3.
            facts = SegmentFacts(self.segment)
            if not facts.removed and facts.attached == 1 and is_gone(facts.cpid):
                raise ShmError(f"there is no {self.kind}: its creator died")
            raise StartOver("it is not initialised", wait=True)
        except BaseException:
            self._detach()
            raise

    def _ready(self, created, deadline):
        memory = self.memory
        while not created and memory.load32(0) == 0:
            facts = SegmentFacts(self.segment)
            if facts.removed:
                raise StartOver("the segment was removed")
            if not self.create and facts.attached == 1:
                raise ShmError(f"there is no {self.kind}: its creator died")
            abandoned = facts.attached == 1 and not any(memory.read(HEADER, memory.size - HEADER))
            if self.create and abandoned:
                if memory.size == self._size():
                    self._setval(self.DISPOSABLE, 0 if self.persistent else 1)
                    created = True
                    break
                values = all_values(self.set, self._count())
                others = [v for n, v in enumerate(values) if n not in (self.LOCK, self.USERS, self.DISPOSABLE)]
                clean = not any(others) and values[self.LOCK] == values[self.USERS] == 1
                if clean and is_gone(facts.cpid):
                    self._setval(self.DISPOSABLE, 0)
                    call("shmctl(IPC_RMID)", libc.shmctl(self.segment, IPC_RMID, None))
                    self._detach()
                    libc.semctl(self.set, 0, IPC_RMID, 0)
                    raise StartOver("an abandoned segment of another size was removed")
            if deadline.over():
                raise ShmError(f"the {self.kind} was not initialised in time")
            time.sleep(0.002)
        if created:
            memory.store32(8, self.LAYOUT_HASH)
            memory.write(12, struct.pack("<3IQ", *self._first_shape(), memory.size) + self.type.encode())
            memory.store32(4, VERSION)
            memory.store32(0, self.MAGIC)  # SYNC ready
        self._check_header()

    def _check_header(self):
        memory = self.memory
        magic, version, layout, *shape, size = struct.unpack("<6IQ", memory.read(0, TYPE))
        if magic in KINDS and magic != self.MAGIC:
            raise ShmError(f"the key belongs to a {KINDS[magic]}, not to a {self.kind}")
        if (magic, version, layout, size) != (self.MAGIC, VERSION, self.LAYOUT_HASH, memory.size):
            raise ShmError(f"the header is not that of a {self.kind} of this version")
        self.type.check(memory.read(TYPE, HEADER - TYPE))
        self.type_hash = memory.load32(TYPE)
        self._adopt_shape(*shape)

    def _agree(self, **there):
        """Refuses an object that has another shape than this peer asks for."""
        for name, value in there.items():
            asked = getattr(self, "asked_" + name)
            if asked not in (None, value):
                raise ShmError(f"the {self.kind}'s {name} is {value}, not {asked}")
            setattr(self, name, value)

    def _kept(self, _alone):
        return self._getval(self.DISPOSABLE) != 1

    def _empty(self, _facts):
        return True

    def _release_roles(self):
        pass

    def _add(self, at, n=1):
        self.memory.store32(at, (self.memory.load32(at) + n) & MASK)


class LaneError(ShmError):
    def __init__(self, lane, why):
        super().__init__(f"lane {lane}: {why}")
        self.lane = lane


class Lanes(Headed):
    """A channel or a Topic: lanes, each with a ring. A subclass sets FIRST_LANE, LANE (bytes of a lane),
    END (bytes behind the rings), LEAST (bytes of a ring), OTHERS (semaphores that are not of lanes)."""

    def __init__(self, key, create, persistent, lanes, capacity, message_size, mode, timeout, trust_others,
                 message_type, read_only=False):
        if lanes is not None and not 1 <= lanes <= 256:
            raise ShmError("there are 1 to 256 lanes")
        if capacity is not None and not is_power(capacity, self.LEAST, 1 << 30):
            raise ShmError(f"a capacity is a power of two from {self.LEAST} to 2^30")
        if message_type is not None:
            message_size = MessageType(message_type).size
        self.asked_lanes, self.asked_capacity, self.asked_message_size = lanes, capacity, message_size
        super().__init__(key, create, persistent, mode, timeout, trust_others, message_type, read_only)

    def _set_lanes(self, lanes):
        self.lanes = lanes
        self.LOCK, self.USERS, self.DISPOSABLE = (lanes + self.OTHERS - 3 + n for n in range(3))

    def _adopt_none(self):
        self._set_lanes(self.asked_lanes or 8)

    def _count(self):
        return self.lanes + self.OTHERS

    def _size(self):
        return self.FIRST_LANE + self.lanes * (self.LANE + (self.asked_capacity or 1 << 20)) + self.END

    def _capacity_of(self, size, lanes):
        """The capacity of a lane in a segment of this size with this many lanes, or None."""
        share, rest = divmod(size - self.FIRST_LANE - self.END, lanes)
        capacity = share - self.LANE
        return capacity if rest == 0 and is_power(capacity, self.LEAST, 1 << 30) else None

    def _size_fits(self, size):
        return any(self._capacity_of(size, lanes) for lanes in range(1, 257))

    def _adopt_count(self, count, segment):
        lanes = count - self.OTHERS
        if not 1 <= lanes <= 256 or segment and self._capacity_of(segment.size, lanes) is None:
            raise ShmError(f"a set of {count} semaphores is not this {self.kind}'s")
        if not segment and self.asked_lanes not in (None, lanes):
            raise ShmError(f"the set without a segment is for {lanes} lanes, not {self.asked_lanes}")
        self._set_lanes(lanes)

    def _lane(self, i):
        return self.FIRST_LANE + self.LANE * i

    def _ring(self, i):
        return self.FIRST_LANE + self.LANE * self.lanes + i * self.capacity

    def _first_shape(self):
        capacity, size = self._capacity_of(self.memory.size, self.lanes), self.asked_message_size or 0
        if size > self._largest(capacity):
            raise ShmError(f"a message has at most {self._largest(capacity)} bytes")
        return self.lanes, capacity, size

    def _adopt_shape(self, lanes, capacity, message_size):
        if lanes != self.lanes or capacity != self._capacity_of(self.memory.size, lanes):
            raise ShmError(f"the {self.kind} has another shape than its segment and set")
        self.largest = self._largest(capacity)
        if message_size > self.largest:
            raise ShmError("the header has an impossible message size")
        self._agree(lanes=lanes, capacity=capacity, message_size=message_size)

    def _fits(self, length):
        return length == self.message_size if self.message_size else length <= self.largest


# ---------------------------------------------------------------- the channel

ASLEEP, OPENED, IDENTITY = 128, 132, 136  # the consumer's line
TAIL, LANE_ASLEEP, LANE_OPENED, CLOSED, FULL_WAITS, TAIL_TALLIES = 0, 4, 8, 12, 16, 20
HEAD, HEAD_TALLIES = 128, 132
END_OF_STREAM = "end of stream"


class Channel(Lanes):
    MAGIC, LAYOUT_HASH = CHANNEL, 0x9208E356
    FIRST_LANE, LANE, END, LEAST, OTHERS = 256, 256, 0, 64, 4

    def _largest(self, capacity):
        return capacity // 2 - 8

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
        if not self._fits(len(payload)):
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
        self.consuming, self.held = False, None
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

    def _one(self, i):
        """The next message of lane i, which it holds from now on; None if there is none."""
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
            if not self._fits(length) or size > there or size > to_end:
                raise LaneError(i, f"it has a record of {length} bytes")
            tag = self.memory.load32(self._ring(i) + index + 4)
            self.held = i, (head + size) & MASK
            return self.memory.read(self._ring(i) + index + 8, length), tag, i
        return None

    def _free(self, i, head, messages):
        at = self._lane(i)
        self._advance(at + HEAD, at + HEAD_TALLIES, self.heads[i], head, messages)  # SYNC head
        self.heads[i] = head
        self.memory.wake_if_asleep(at + LANE_ASLEEP)

    def receive(self, timeout=None, until_end=False):
        """The next message as (payload, tag, lane), or None when the time is over, or END_OF_STREAM. It stays in
        its lane until `ack`, or the next `receive`; after `nack`, or if the process dies, it is received again.
        A lane that cannot be read raises LaneError; the next call goes on with the next lane."""
        self.ack()
        deadline = Deadline(timeout)
        try:
            while True:
                for _ in range(self.lanes):
                    i, self.next = self.next, (self.next + 1) % self.lanes
                    message = self._one(i)
                    if message:
                        self.seen = True
                        return message
                if until_end and self._ended():
                    return END_OF_STREAM
                self.memory.set_asleep(ASLEEP)
                if any(self._tail(i) != self.heads[i] for i in range(self.lanes)):
                    continue
                if until_end and self._ended():
                    return END_OF_STREAM
                for i in range(self.lanes):
                    if self.memory.load32(self._lane(i) + HEAD) != self.heads[i]:
                        raise ShmError(f"lane {i}: another program changed its head")
                if deadline.over():
                    return None
                self.memory.wait(ASLEEP, 1, deadline.slice())
                self._check()
        finally:
            self.memory.store32(ASLEEP, 0)

    def ack(self):
        if self.held:
            (i, head), self.held = self.held, None
            self._free(i, head, 1)

    def nack(self):
        if self.held:
            self.next, self.held = self.held[0], None

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
        if self.held and self.held[0] == i:
            self.held = None
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


# ---------------------------------------------------------------- Latest

PUBLISHED, WRITER_OPENED, LATEST_WAITING, FIRST_CELL = 128, 132, 256, 384
CELL_LENGTH, CELL_VALUE, MOST_NUMBER = 8, 16, 1 << 53


def stride_of(value_size):
    return CELL_VALUE + value_size + 127 & ~127


class Pauses:
    """How long a reader sleeps at most before it looks again. The writer may not wake a read-only one."""

    def __init__(self, read_only):
        self.longest, self.next = (0.01, 0.001) if read_only else (SLICE, SLICE)

    def take(self, deadline):
        pause, self.next = self.next, min(self.next * 2, self.longest)
        return min(pause, deadline.slice())


class Latest(Headed):
    """A reader, and what the writer has in common with it."""

    MAGIC, LAYOUT_HASH, EMPTY_WHILE_ATTACHED = LATEST, 0x89657DDA, True
    WRITER, LOCK, USERS, DISPOSABLE = range(4)

    def __init__(self, key, create=True, persistent=False, size=None, cells=None, mode=0o600, timeout=5.0,
                 trust_others=False, message_type=None, read_only=False):
        if message_type is not None:
            size = MessageType(message_type).size
        if size is None and create and not read_only:
            raise ShmError("a Latest that does not exist needs the size of its values, or their type")
        if size is not None and not 1 <= size <= 1 << 30:
            raise ShmError("a value has 1 to 2^30 bytes")
        if cells is not None and not is_power(cells, 2, 4096):
            raise ShmError("the number of cells is a power of two from 2 to 4096")
        self.asked_size, self.asked_cells = size, cells
        super().__init__(key, create, persistent, mode, timeout, trust_others, message_type, read_only)

    def _count(self):
        return 4

    def _adopt_none(self):
        pass

    def _adopt_count(self, count, _segment):
        if count != 4:
            raise ShmError(f"a set of {count} semaphores is not a Latest's")

    def _size_fits(self, size):
        strides = [divmod(size - FIRST_CELL, 1 << n) for n in range(1, 13)]
        return any(rest == 0 and stride % 128 == 0 and 128 <= stride <= stride_of(1 << 30) for stride, rest in strides)

    def _first_cells(self):
        return self.asked_cells or (4 if stride_of(self.asked_size) > 65536 else 16)

    def _size(self):
        return FIRST_CELL + self._first_cells() * stride_of(self.asked_size)

    def _first_shape(self):
        return self._first_cells(), self.asked_size, 0

    def _adopt_shape(self, cells, size, reserved):
        possible = is_power(cells, 2, 4096) and 1 <= size <= 1 << 30 and reserved == 0
        if not possible or self.memory.size != FIRST_CELL + cells * stride_of(size):
            raise ShmError("the Latest has another shape than its segment")
        self._agree(size=size, cells=cells)
        self.stride = stride_of(size)

    def _cell(self, number):
        return FIRST_CELL + (number & self.cells - 1) * self.stride

    def _fits(self, length):
        return length == self.size if self.type_hash else length <= self.size

    def read(self):
        """The number of the newest value and its bytes; the number is 0 if there is none yet."""
        memory, most = self.memory, self.cells - 2
        while True:
            v = memory.load32(PUBLISHED)  # 1. SYNC published
            cell = self._cell(v)
            high = memory.load32(cell + 4)  # 2.
            p1 = memory.load32(PUBLISHED)  # 3.
            low, length = memory.load32(cell), memory.load32(cell + CELL_LENGTH)  # 4.
            possible = self._fits(length)
            data = memory.read(cell + CELL_VALUE, length) if possible else b""
            memory.fence()  # 5.
            p2 = memory.load32(PUBLISHED)  # 6.
            high2 = memory.load32(cell + 4)
            if (p1 - v) & MASK > most or (p2 - v) & MASK > most or high != high2:
                continue
            number = high << 32 | low
            if number == 0 == v:
                return 0, b""
            if low != v or number >= MOST_NUMBER or not possible:
                raise ShmError("the newest value is impossible: another program writes to this Latest")
            return number, data

    def wait(self, number=0, timeout=None):
        """Like read, once the newest value is not that of `number` any more. None: not in time."""
        deadline, pauses = Deadline(timeout), Pauses(self.read_only)
        while True:
            load = self.memory.load32 if self.read_only else self.memory.ask_to_wake
            word = load(LATEST_WAITING)  # 1.
            newest = self.read()  # 2. It compares all 64 bits each time.
            if newest[0] != number:
                return newest
            if deadline.over():
                return None
            self.memory.wait(LATEST_WAITING, word, pauses.take(deadline))  # 3.
            self._check()


class LatestWriter(Latest):
    def __init__(self, key, **options):
        self.writing = False
        super().__init__(key, **options)
        try:
            if not self._try_take(self.WRITER):
                raise ShmError(f"process {self._getpid(self.WRITER)} is the writer already")
            self.writing = True
            published = self.memory.load32(PUBLISHED)
            cell = self._cell(published)
            low, high = self.memory.load32(cell), self.memory.load32(cell + 4)
            self.number = high << 32 | low
            if low != published or self.number >= MOST_NUMBER:
                raise ShmError("the newest value is impossible: another program has written to this Latest")
            self._add(WRITER_OPENED)
        except BaseException:
            self.leave()
            raise

    def write(self, data):
        """Makes this the newest value, and returns its number."""
        if not self._fits(len(data)):
            raise ShmError(f"a value of {len(data)} bytes does not fit this Latest of {self.size} bytes")
        if self.memory.load32(PUBLISHED) != self.number & MASK:  # 1.
            raise ShmError("another program writes to this Latest")
        number = self.number + 1
        cell = self._cell(number)
        self.memory.write(cell, struct.pack("<QI", number, len(data)))  # 2.
        self.memory.write(cell + CELL_VALUE, data)
        self.memory.store32(PUBLISHED, number & MASK)  # 3. SYNC published
        self.number = number
        self.memory.wake_if_odd(LATEST_WAITING)  # 4. Its fence is that of SYNC reuse, too.
        return number

    def _release_roles(self):
        if self.writing:
            self._release(self.WRITER)
            self.writing = False


# ---------------------------------------------------------------- Topic

TOPIC_WAITING = 128
INTENT, TOPIC_TAIL, TOPIC_OPENED, TOPIC_CLOSED, STATES = 0, 4, 8, 12, (16, 36)
RECORD = 16


class State:
    """What one of the two states of a lane says: positions in 64 bits, and the count of messages."""

    def __init__(self, words):
        self.tail, self.last, low, high, self.tail_high = words
        self.count, self.position = high << 32 | low, self.tail_high << 32 | self.tail
        possible = self.tail % 8 == 0 and self.last % 8 == 0
        self.possible = possible and self.count < MOST_NUMBER and self.position < MOST_NUMBER


class Topic(Lanes):
    MAGIC, LAYOUT_HASH, EMPTY_WHILE_ATTACHED = TOPIC, 0xF337A0CC, True
    FIRST_LANE, LANE, END, LEAST, OTHERS = 256, 128, 32, 256, 3

    def __init__(self, key, create=True, persistent=False, lanes=None, capacity=None, message_size=None,
                 mode=0o600, timeout=5.0, trust_others=False, message_type=None, read_only=False):
        super().__init__(key, create, persistent, lanes, capacity, message_size, mode, timeout, trust_others,
                         message_type, read_only)

    def _largest(self, capacity):
        return capacity // 4 - RECORD

    def _state(self, i):
        """The state of the present tail."""
        at, load = self._lane(i), self.memory.load32
        while True:
            tail = load(at + TOPIC_TAIL)
            there = next((at + state for state in STATES if load(at + state) == tail), None)
            if there is None:
                if load(at + TOPIC_TAIL) == tail:
                    raise LaneError(i, "no state has its tail")
                continue
            high = load(there + 16)
            words = [tail] + [load(there + n) for n in (4, 8, 12)] + [high]
            if load(at + TOPIC_TAIL) != tail or load(there + 16) != high:
                continue
            state = State(words)
            if not state.possible:
                raise LaneError(i, "its state is impossible")
            return state


class Publisher(Topic):
    def __init__(self, key, **options):
        self.lane = None
        super().__init__(key, **options)
        try:
            self._claim()
        except BaseException:
            self.leave()
            raise

    def _claim(self):
        for i in range(self.lanes):
            if not self._try_take(i):
                continue
            try:
                state, intent = self._state(i), self.memory.load32(self._lane(i) + INTENT)
            except LaneError:
                state = None
            if not state or intent % 8 or (intent - state.tail) & MASK > self.capacity:
                self._release(i)
                continue
            self.lane, self.at, self.ring, self.intent = i, self._lane(i), self._ring(i), intent
            self.position, self.count, self.last = state.position, state.count, state.last
            self._add(self.at + TOPIC_OPENED)
            return
        raise ShmError("no lane is free")

    def publish(self, payload, tag=0):
        """Publishes one message, and returns its number. It never waits."""
        if not self._fits(len(payload)):
            raise ShmError(f"a message of {len(payload)} bytes does not fit this Topic")
        memory, tail = self.memory, self.position & MASK
        index, size = tail & (self.capacity - 1), RECORD + (len(payload) + 7 & ~7)
        pad = self.capacity - index if index + size > self.capacity else 0
        start, position, number = self.position + pad, self.position + pad + size, self.count + 1
        end = position & MASK
        # 1. On x86 the next stores come after this one. Elsewhere the fence sees to it.
        if 0 < (end - self.intent) & MASK < 1 << 31:
            memory.store32(self.at + INTENT, end)  # SYNC overwrite
            memory.fence()
            self.intent = end
        # 2.
        if pad:
            memory.write(self.ring + index, PADDING.to_bytes(4, "little"))
        back = (start - self.last) & MASK if self.count else 0
        record = struct.pack("<4I", len(payload), tag, number & MASK, back) + bytes(payload)
        memory.write(self.ring + (start & (self.capacity - 1)), record)
        # 3.
        first, second = (self.at + state for state in STATES)
        state = second if memory.load32(first) == tail else first
        words = (end, start & MASK, number & MASK, number >> 32, position >> 32)
        for n, word in enumerate(words):
            memory.store32(state + 4 * n, word)
        # 4.
        memory.store32(self.at + TOPIC_TAIL, end)  # SYNC tail
        self.position, self.count, self.last = position, number, start & MASK
        # 5.
        memory.wake_if_odd(TOPIC_WAITING)
        return number

    def _release_roles(self):
        if self.lane is not None:
            self._add(self.at + TOPIC_CLOSED)
            self._release(self.lane)
            self.lane = None


class Message:
    """`missed` messages of this lane were overwritten before this subscriber read them and after the one before."""

    def __init__(self, payload, tag, lane, number, missed):
        self.payload, self.tag, self.lane, self.number, self.missed = payload, tag, lane, number, missed


class Subscriber(Topic):
    """Gets the messages that come, and up to `history` older ones of each lane."""

    OVERRUNS = 3  # after so many in sequence it goes on at the tail

    def __init__(self, key, history=0, **options):
        super().__init__(key, **options)
        self.next, self.queues = 0, [[] for _ in range(self.lanes)]
        self.places, self.missed, self.overruns = ([0] * self.lanes for _ in range(3))
        self.expected, self.told = [None] * self.lanes, [False] * self.lanes
        for i in range(self.lanes):
            try:
                self._go_to_oldest(i, history)
            except LaneError:
                self.places[i] = None  # the first receive tells

    def _go_to_oldest(self, i, limit):
        """Goes to the oldest message that can still be read, but at most `limit` back. None: no limit."""
        state = self._state(i)
        at, capacity, memory = self._lane(i), self.capacity, self.memory
        position = state.position - ((state.tail - state.last) & MASK)
        number, oldest, steps = state.count, (state.position, state.count + 1), 0
        intent = memory.load32(at + INTENT)
        while steps != limit and number and (intent - position) & MASK <= capacity - capacity // 8:
            index = position & (capacity - 1)
            if position < 0 or index + RECORD > capacity:
                raise LaneError(i, "its newest record has an impossible position")
            _, _, low, back = struct.unpack("<4I", memory.read(self._ring(i) + index, RECORD))
            memory.fence()
            intent = memory.load32(at + INTENT)
            if (intent - position) & MASK > capacity:
                break
            if low != number & MASK or number > 1 and (back % 8 or not RECORD <= back <= capacity):
                if self._state(i).position > state.position + capacity:
                    break
                raise LaneError(i, f"message {number} is not where it should be")
            oldest, steps = (position, number), steps + 1
            position, number = position - back, number - 1
        self.places[i] = oldest

    def _overrun(self, i, position, number):
        self.overruns[i] += 1
        self._go_to_oldest(i, 0 if self.overruns[i] > self.OVERRUNS else None)
        new_position, new_number = self.places[i]
        if new_number < number or new_position < position:
            raise LaneError(i, "it went back")
        self.missed[i] += new_number - number

    def _look(self, i):
        """Reads what is new in lane i into its queue. An error is told once; what is skipped for it is missed."""
        try:
            if self.places[i] is None:
                self._go_to_tail(i)
            else:
                self._look_once(i)
        except LaneError:
            told, self.told[i] = self.told[i], True
            if self.places[i]:
                self.expected[i], self.places[i] = self.places[i][1], None
            try:
                self._go_to_tail(i)
            except LaneError:
                pass  # there is no place to go on at until its state is possible again
            if not told:
                raise

    def _go_to_tail(self, i):
        self._go_to_oldest(i, 0)
        if self.expected[i]:
            self.missed[i] += max(0, self.places[i][1] - self.expected[i])
        self.told[i] = False

    def _look_once(self, i):
        memory, at, capacity = self.memory, self._lane(i), self.capacity
        position, number = self.places[i]
        s, state = position & MASK, self._state(i)
        if state.position == position:
            return None
        there = (state.tail - s) & MASK  # 1. SYNC tail
        if there > capacity:
            return self._overrun(i, position, number)
        index = s & (capacity - 1)
        copy = memory.read(self._ring(i) + index, min(there, capacity - index))  # 2.
        memory.fence()  # 3.
        intent = memory.load32(at + INTENT)  # 4.
        now = self._state(i).position
        if (intent - s) & MASK > capacity or not position <= now <= position + capacity:  # 5. SYNC overwrite
            return self._overrun(i, position, number)
        self.overruns[i] = 0
        self._parse(i, copy, index, there)  # 6.

    def _parse(self, i, copy, index, there):
        at, (position, number), queue = 0, self.places[i], self.queues[i]
        while at < len(copy):
            length = int.from_bytes(copy[at : at + 4], "little")
            if length == PADDING:
                to_end = self.capacity - index - at
                wrong = index + at == 0 or to_end > there - at
                size = to_end
            else:
                size = RECORD + (length + 7 & ~7)
                wrong = not self._fits(length) or size > len(copy) - at
            if not wrong and length != PADDING:
                _, tag, low, _ = struct.unpack_from("<4I", copy, at)
                wrong = low != number & MASK
            if wrong and queue:
                return  # the next call finds it again, as the first record, and tells
            if wrong:
                raise LaneError(i, f"the record of message {number} is impossible")
            if length != PADDING:
                payload = copy[at + RECORD : at + RECORD + length]
                queue.append(Message(payload, tag, i, number, self.missed[i]))
                self.missed[i], number = 0, number + 1
            at, position = at + size, position + size
            self.places[i] = position, number

    def receive(self, timeout=None):
        """The next message, or None when the time is over. A lane that cannot be read raises LaneError;
        the next call goes on with the other lanes, and with this one at its tail."""
        deadline, pauses = Deadline(timeout), Pauses(self.read_only)
        while True:
            load = self.memory.load32 if self.read_only else self.memory.ask_to_wake
            word, old = load(TOPIC_WAITING), None
            while self.places != old:  # padding and overruns change a place, but are no messages
                old = list(self.places)
                for _ in range(self.lanes):
                    i, self.next = self.next, (self.next + 1) % self.lanes
                    if not self.queues[i]:
                        self._look(i)
                    if self.queues[i]:
                        return self.queues[i].pop(0)
            if deadline.over():
                return None
            self.memory.wait(TOPIC_WAITING, word, pauses.take(deadline))
            self._check()


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
            message = server.receive(options.timeout)
            if message is None:
                raise ShmError("no message in time")
            show(message[0].encode())
            server.ack()
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
                message = consumer.receive(options.timeout, left is None)
            except LaneError as error:
                if not options.discard:
                    raise
                print(error, file=sys.stderr, flush=True)
                consumer.discard(error.lane)
                continue
            if message is END_OF_STREAM:
                return
            if message is None:
                raise ShmError("no message in time")
            show(message[0])
            consumer.ack()
            left = None if left is None else left - 1


def run_produce(options):
    with Producer(options.key, **shape(options)) as producer:
        print("ready", file=sys.stderr, flush=True)
        for text in messages(options):
            if not producer.send(text.encode(), options.tag, options.timeout):
                raise ShmError("no room in time")
            if options.echo:
                show(text.encode())


def run_latest_set(options):
    with LatestWriter(options.key, **latest_shape(options)) as writer:
        print("ready", file=sys.stderr, flush=True)
        for text in messages(options):
            writer.write(text.encode())
            if options.echo:
                show(text.encode())


def latest_shape(options):
    create = not options.open and (options.size or options.type) is not None
    return dict(create=create, persistent=options.keep, size=options.size, cells=options.cells,
                message_type=options.type)


def run_latest_get(options):
    with Latest(options.key, read_only=options.read_only, **latest_shape(options)) as latest:
        number, data = latest.read() if options.timeout is None else latest.wait(0, options.timeout) or (0, b"")
        if number == 0:
            raise ShmError("there is no value yet")
        show(data)


def run_latest_watch(options):
    with Latest(options.key, read_only=options.read_only, **latest_shape(options)) as latest:
        print("ready", file=sys.stderr, flush=True)
        number, left = 0, options.count
        while left is None or left > 0:
            newest = latest.wait(number, options.timeout)
            if newest is None:
                raise ShmError("no value in time")
            number, data = newest
            show(data)
            left = None if left is None else left - 1


def run_publish(options):
    with Publisher(options.key, **shape(options)) as publisher:
        print("ready", file=sys.stderr, flush=True)
        for text in messages(options):
            publisher.publish(text.encode(), options.tag)
            if options.echo:
                show(text.encode())


def run_subscribe(options):
    with Subscriber(options.key, options.history, read_only=options.read_only, **shape(options)) as subscriber:
        print("ready", file=sys.stderr, flush=True)
        left = options.count
        while left is None or left > 0:
            message = subscriber.receive(options.timeout)
            if message is None:
                raise ShmError("no message in time")
            if message.missed:
                print(f"lane {message.lane}: missed {message.missed}", file=sys.stderr, flush=True)
            show(message.payload)
            left = None if left is None else left - 1


ROLES = {
    "server": (run_server, 1111, "--count --keep --recreate"),
    "client": (run_client, 1111, "text --open --no-wait"),
    "consume": (run_consume, 2222, "--count --keep --open --lanes --capacity --message-size --type --discard"),
    "produce": (run_produce, 2222, "text --keep --open --lanes --capacity --message-size --type --tag --echo"),
    "latest-set": (run_latest_set, None, "text --keep --open --size --cells --type --echo"),
    "latest-get": (run_latest_get, None, "--keep --open --size --cells --type --read-only"),
    "latest-watch": (run_latest_watch, None, "--count --keep --open --size --cells --type --read-only"),
    "publish": (run_publish, 3333, "text --keep --open --lanes --capacity --message-size --type --tag --echo"),
    "subscribe": (run_subscribe, 3333,
                  "--count --keep --open --lanes --capacity --message-size --type --history --read-only"),
}


def main():
    parser = argparse.ArgumentParser(description="A peer of the mailbox, the channel, the Latest and the Topic.")
    roles = parser.add_subparsers(dest="role", required=True)
    number = lambda text: int(text, 0)
    on = dict(action="store_true")
    arguments = {
        "text": dict(nargs="*", help="messages or values; default: lines of the standard input"),
        "--count": dict(type=int, help="end after so many messages or values"),
        "--keep": dict(on, help="leave segment and set when done"),
        "--recreate": dict(on, help="replace an unused segment of another size"),
        "--no-wait": dict(on, help="do not wait until the server took it"),
        "--open": dict(on, help="create nothing"),
        "--read-only": dict(on, help="join nothing; permission to read is enough"),
        "--lanes": dict(type=number),
        "--capacity": dict(type=number, help="bytes of the ring of a lane"),
        "--message-size": dict(type=number),
        "--size": dict(type=number, help="bytes of the longest value; a Latest is created only with this or a type"),
        "--cells": dict(type=number),
        "--type": dict(help="the canonical text of the struct of every message, or of the value"),
        "--history": dict(type=number, default=0, help="begin with up to so many older messages of each lane"),
        "--discard": dict(on, help="drop what cannot be read"),
        "--tag": dict(type=number, default=0),
        "--echo": dict(on, help="print each message or value once it is written"),
    }
    for name, (run, key, names) in ROLES.items():
        role = roles.add_parser(name)
        role.set_defaults(run=run)
        role.add_argument("--key", type=number, default=key, required=key is None)
        role.add_argument("--timeout", type=float, help="seconds for each message; default: for ever")
        for argument in names.split():
            role.add_argument(argument, **arguments[argument])
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
