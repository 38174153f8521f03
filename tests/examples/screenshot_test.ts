/** The example screenshot beside Xvfb and xwd. */

import assert from "node:assert/strict";
import { removeSegment, Segment } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer, PROJECT, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

/** Not a multiple of a large power of two. */
const [WIDTH, HEIGHT] = [71, 37];
/** The head of a BMP file. */
const HEAD = 54;

/** An X server whose screen is in shared memory. Xvfb leaves the segment behind, and this removes it. */
class Screen implements AsyncDisposable {
  private constructor(
    readonly server: Peer,
    readonly display: string,
    readonly id: number,
  ) {}

  static async start(depth: number): Promise<Screen> {
    const server = Peer.start("Xvfb", [
      ...["-displayfd", "1", "-ac", "-nolisten", "tcp", "-nolisten", "unix", "-listen", "local"],
      ...["-screen", "0", `${WIDTH}x${HEIGHT}x${depth}`, "-shmem", "-noreset"],
    ]);
    const [, id] = await server.stderr(/screen 0 shmid (\d+)\n/);
    return new Screen(server, await server.line(), Number(id));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Killed, it would leave its lock file
    this.server.kill("SIGTERM");
    await this.server.ended();
    removeSegment(this.id);
  }
}

/** Speaks the X protocol: fills the root window with as many rectangles as there are colours. */
const PAINTER = `
  use IO::Socket::UNIX;
  my ($display, $width, $height) = @ARGV;
  my $server = IO::Socket::UNIX->new(Peer => "\\0/tmp/.X11-unix/X$display") or die "connect: $!";
  sub get { read($server, my $bytes, $_[0]) == $_[0] or die "the server is gone"; $bytes }
  print $server pack("a1xS5", "l", 11, 0, 0, 0, 0); $server->flush;
  my ($ok, $length) = unpack("Cx5S", get(8)); my $setup = get(4 * $length); $ok == 1 or die $setup;
  my ($base, $vendor, $formats) = unpack("x4Lx8Sx3C", $setup);
  my ($root) = unpack("L", substr($setup, 32 + ($vendor + 3 & ~3) + 8 * $formats));
  print $server pack("CxSL3", 55, 4, $base | 1, $root, 0);
  for my $y (0 .. $height - 1) {
    for my $x (0 .. $width - 1) {
      print $server pack("CxSL3", 56, 4, $base | 1, 4, ($x * 3) << 16 | ($y * 5) << 8 | ($x ^ $y));
      print $server pack("CxSL2s2S2", 70, 5, $root, $base | 1, $x, $y, 1, 1);
    }
  }
  print $server pack("CxS", 43, 1); $server->flush;
  (unpack "C", get(32)) == 1 or die "the server refused something";
`;

/** The pixels of xwd's file, red, green and blue alone. */
function pixelsOf(xwd: Uint8Array): number[] {
  const data = new DataView(xwd.buffer);
  const [headerSize, bytesPerLine, colours] = [0, 12 * 4, 19 * 4].map((at) => data.getUint32(at));
  const start = headerSize! + 12 * colours!;
  return Array.from(
    { length: WIDTH * HEIGHT },
    (_, i) =>
      data.getUint32(start + Math.floor(i / WIDTH) * bytesPerLine! + i % WIDTH * 4, true) &
      0xffffff,
  );
}

function screenshot(id: number, file: string): Peer {
  const program = `${PROJECT}examples/screenshot.ts`;
  const permissions = ["--allow-ffi", `--allow-write=${file}`];
  return Peer.start(Deno.execPath(), ["run", ...permissions, program, `${id}`, file]);
}

testWith(
  { tools: ["deno", "Xvfb", "xwd", "perl"], files: true },
  "screenshot: the pixels of the file are those that xwd reads",
  async () => {
    using folder = new TestFolder();
    await using screen = await Screen.start(24);
    await using painter = Peer.start("perl", [
      ...["-e", PAINTER, screen.display, `${WIDTH}`, `${HEIGHT}`],
    ]);
    const painted = await painter.ended();
    assert.deepEqual([painted.code, painted.stderr], [0, ""]);

    const file = `${folder.path}/screen.bmp`;
    await using shot = screenshot(screen.id, file);
    const { code, stdout, stderr } = await shot.ended();
    assert.deepEqual(
      [code, stdout, stderr],
      [0, `${file}: ${WIDTH} x ${HEIGHT} pixels\n`, ""],
    );

    const { stdout: xwd } = await new Deno.Command("xwd", {
      args: ["-root", "-silent", "-display", `:${screen.display}`],
    }).output();
    const expected = pixelsOf(xwd);
    assert(new Set(expected).size > WIDTH * HEIGHT / 2, "the server has not painted");
    const bmp = Deno.readFileSync(file);
    assert.equal(new TextDecoder().decode(bmp.subarray(0, 2)), "BM");
    const head = new DataView(bmp.buffer);
    assert.deepEqual(
      [head.getUint32(2, true), head.getUint32(10, true), head.getUint32(14, true)],
      [bmp.length, HEAD, HEAD - 14],
    );
    assert.deepEqual([head.getInt32(18, true), head.getInt32(22, true)], [WIDTH, -HEIGHT]);
    const pixels = new Uint32Array(bmp.buffer.slice(HEAD)).map((pixel) => pixel & 0xffffff);
    assert.deepEqual([...pixels], expected);
  },
);

testWith(
  { tools: ["deno", "Xvfb"], files: true },
  "screenshot: another depth, and a segment that is no screen, are refused",
  async () => {
    using folder = new TestFolder();
    await using screen = await Screen.start(8);
    using other = Segment.create({ size: 4096 });
    other.remove();
    for (const id of [screen.id, other.id]) {
      await using shot = screenshot(id, `${folder.path}/screen.bmp`);
      const { code, stdout, stderr } = await shot.ended();
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, new RegExp(`Error: segment ${id} is not a screen of 24 bits: `));
    }
    assert.deepEqual([...Deno.readDirSync(folder.path)], []);
  },
);
