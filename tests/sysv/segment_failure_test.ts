/** The messages when the system refuses: each names the limit or the object, and the remedy. */

import assert from "node:assert/strict";
import { Segment } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { asNobody, NOBODY } from "../support/other_user.ts";
import { IN_NAMESPACE, inNamespace } from "../support/own_namespace.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();

const REPORT = `(action) => { try { action(); console.log("done"); } catch (error) {
  console.log(error.code + " " + error.message); } }`;

testWith(
  IN_NAMESPACE,
  "Segment.create: ENOSPC says that shmmni is the limit",
  async () => {
    const printed = await inNamespace(
      { shmmni: 2 },
      `import { Segment } from "@sysv/shm";
      const report = ${REPORT};
      for (let i = 0; i < 3; i++) report(() => Segment.create({ size: 1 }));`,
    );
    assert.match(
      printed,
      /^done\ndone\nENOSPC cannot create a segment of 1 bytes: .*limit of 2 segments .*kernel\.shmmni.*ipcrm/,
    );
  },
);

testWith(
  IN_NAMESPACE,
  "Segment.create: ENOSPC says that shmall is the limit",
  async () => {
    const printed = await inNamespace(
      { shmall: 10 },
      `import { Segment } from "@sysv/shm";
      const report = ${REPORT};
      report(() => Segment.create({ size: 8 * 4096 }));
      report(() => Segment.create({ size: 8 * 65536 }));`,
    );
    assert.match(printed, /^done\nENOSPC .*; 8 of the 10 pages .*kernel\.shmall/);
  },
);

testWith(
  IN_NAMESPACE,
  "Segment.create: EINVAL says which sizes are allowed",
  async () => {
    const printed = await inNamespace(
      { shmmax: 5000 },
      `import { Segment } from "@sysv/shm";
      const report = ${REPORT};
      report(() => Segment.create({ size: 5000 }));
      report(() => Segment.create({ size: 5001 }));`,
    );
    assert.match(printed, /^done\nEINVAL .*1 to 5000 bytes .*kernel\.shmmax/);
  },
);

testWith(
  { tools: ["deno"], root: true },
  "Segment.attach: EACCES describes the segment",
  async () => {
    const key = freshKey();
    using segment = Segment.create({ key, size: 100, mode: 0o600 });
    try {
      await using peer = asNobody(`
      import { Segment } from "@sysv/shm";
      const report = ${REPORT};
      report(() => Segment.open(${key}));
      report(() => Segment.open(${key}, { readOnly: true }));
      report(() => Segment.attach(${segment.id}).stat());
      report(() => Segment.openOrCreate({ key: ${key}, size: 1 }));
    `);
      const { stdout, stderr } = await peer.ended();
      assert.equal(stderr, "");
      const lines = stdout.trim().split("\n");
      const described = `segment ${segment.id} has 100 bytes, owner uid 0, mode 0600, nattch 1`;
      for (const line of lines) {
        assert.match(line, /^EACCES cannot attach the segment.*shmat/);
        assert(line.includes(described), line);
      }
      assert.match(lines[0]!, /may not read and write it.*its owner can widen the mode$/);
      assert.match(lines[1]!, /read-only.*may not read it/);
      assert.equal(segment.stat().nattch, 1);
    } finally {
      segment.remove();
    }
  },
);

testWith(
  { tools: ["deno"], root: true },
  "Segment.attach: segments of root are trusted, a read-only attach needs no write permission, removal needs rights",
  async () => {
    using segment = Segment.create({ size: 8, mode: 0o644 });
    segment.remove();
    segment.bytes[0] = 5;
    await using peer = asNobody(`
      import { listSegments, removeSegment, Segment } from "@sysv/shm";
      const report = ${REPORT};
      report(() => {
        using segment = Segment.attach(${segment.id}, { readOnly: true });
        console.log(segment.read(0, 1)[0]);
        report(() => segment.setPermissions({ mode: 0o666 }));
        report(() => segment.remove());
      });
      report(() => removeSegment(${segment.id}));
    `);
    const { stdout, stderr } = await peer.ended();
    assert.equal(stderr, "");
    const lines = stdout.trim().split("\n");
    assert.equal(lines[0], "5");
    assert.match(lines[1]!, /^EPERM cannot change the segment.*owner/);
    assert.match(lines[2]!, /^EPERM cannot remove the segment.*owner uid 0, mode 0644/);
    assert.equal(lines[3], "done");
    assert.match(lines[4]!, /^EPERM/);
  },
);

testWith(
  { tools: ["deno"], root: true },
  "Segment.create: a segment that cannot be attached is removed again",
  async () => {
    const key = freshKey();
    await using peer = asNobody(`
    import { listSegments, Segment } from "@sysv/shm";
    const report = ${REPORT};
    report(() => Segment.create({ key: ${key}, size: 1, mode: 0o000 }));
    console.log(listSegments().some(({ key }) => key === ${key}));
  `);
    const { stdout, stderr } = await peer.ended();
    assert.equal(stderr, "");
    assert.match(stdout, /^EACCES cannot attach the segment.*\nfalse\n$/);
  },
);

testWith(
  { tools: ["deno"], root: true },
  "Segment.open: the segment of a squatter is refused, and its uid named",
  async () => {
    const key = freshKey();
    await using peer = asNobody(`
    import { Segment } from "@sysv/shm";
    Segment.create({ key: ${key}, size: 2049, mode: 0o666 }).detach();
  `);
    const { stderr } = await peer.ended();
    assert.equal(stderr, "");
    assert.throws(() => Segment.open(key), {
      code: "EUNTRUSTED",
      message: new RegExp(`uid ${NOBODY}`),
    });
    using trusted = Segment.open(key, { trust: true });
    assert.equal(trusted.othersMayWrite, true);
    // A squatter may change the owner to root, but the creator stays
    trusted.setPermissions({ uid: 0, mode: 0o600 });
    assert.throws(() => Segment.open(key), { code: "EUNTRUSTED" });
    trusted.remove();
  },
);
