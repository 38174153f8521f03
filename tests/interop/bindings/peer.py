"""sysv_ipc for bindings_test.ts: does what its input says, and answers each line with one."""
import struct, sys, sysv_ipc
key = int(sys.argv[1])
for line in sys.stdin:
    word, *values = line.split()
    answer = "ok"
    if word == "create":
        memory = sysv_ipc.SharedMemory(key, sysv_ipc.IPC_CREX, size=16)
    elif word == "open":
        memory = sysv_ipc.SharedMemory(key)
        answer = memory.size
    elif word == "write":
        memory.write(struct.pack("@id", int(values[0]), float(values[1])))
    elif word == "read":
        answer = "%d %g" % struct.unpack("@id", memory.read(16))
    elif word == "remove":
        memory.detach()
        memory.remove()
    elif word == "semaphore":
        semaphore = sysv_ipc.Semaphore(key, sysv_ipc.IPC_CREAT, initial_value=1)
        semaphore.undo = True
    elif word == "try":
        try:
            semaphore.acquire(0)
            answer = "acquired"
        except sysv_ipc.BusyError:
            answer = "not acquired"
    elif word == "release":
        semaphore.release()
    print(answer, flush=True)
