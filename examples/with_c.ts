/**
 * A C struct shared with a C program.
 *
 *     deno run --allow-ffi examples/with_c.ts --declare > particle.h    the struct, for C
 *     gcc -o with_c -I. examples/with_c.c                               checks every offset
 *     ./with_c &
 *     deno run --allow-ffi examples/with_c.ts
 *
 * The C program creates the segment and moves the particle, this one watches it. The size of the
 * segment is the kernel's word, and one too small for the struct is refused.
 */

import { array, AtomicInt32, f64, i32, Segment, struct } from "../mod.ts";

const KEY = 0x5eed1002;
const Particle = struct({ step: i32, position: array(f64, 2) });

if (Deno.args[0] === "--declare") {
  console.log(Particle.declare("Particle"));
} else {
  using segment = Segment.open(KEY, { minSize: Particle.size });
  const particle = segment.view(Particle);
  const step = new AtomicInt32(segment, Particle.fields.step.offset);
  for (let seen = 0; seen < 3;) {
    // The C program stores the step last: a process that sees it sees the position that belongs to it
    seen = await step.wait(seen);
    const [x, y] = particle.position;
    console.log(`step ${seen}: ${x}, ${y}`);
  }
}
