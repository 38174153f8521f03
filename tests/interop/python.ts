/** The peer in Python (`examples/python/shm_peer.py`) and programs that import it, for the tests beside this file. */

import { Peer, PROJECT } from "../support/peer.ts";

/** What a test needs that runs Python. */
export const NEEDS = { tools: ["deno", "python3"], files: true } as const;

const FOLDER = `${PROJECT}examples/python`;

/** Starts `shm_peer.py` in one of its roles. */
export function shmPeer(role: string, key: number, ...args: readonly string[]): Peer {
  return Peer.start("python3", [`${FOLDER}/shm_peer.py`, role, "--key", `${key}`, ...args]);
}

/**
 * A program in Python that has `key` and all of `shm_peer`. `stand(text)` prints a line and stands still until the
 * test kills the program or ends its input; `step(text)` prints a line and goes on at the next line of its input.
 * `copy_in_halves(memory)` does that in the middle of the next copy.
 */
export function python(key: number, program: string): Peer {
  const source = `import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from shm_peer import *
key = int(sys.argv[2])
def stand(message, *_):
    print(message.decode() if isinstance(message, bytes) else message, flush=True)
    sys.stdin.read()
def step(text):
    print(text, flush=True)
    sys.stdin.readline()
def copy_in_halves(memory):
    """The next copy from shared memory stands still in the middle, as step does."""
    read = memory.read
    def halves(at, length):
        memory.read = read
        half = read(at, length // 2)
        step("half")
        return half + read(at + length // 2, length - length // 2)
    memory.read = halves
${program}`;
  return Peer.start("python3", ["-c", source, FOLDER, `${key}`]);
}

/** The struct of the tests, and another one that differs in its last field. */
export const POINT = "id:i32@0;x:f64@8;y:f64@16;24";
export const OTHER = "id:i32@0;x:f64@8;y:f32@16;24";
