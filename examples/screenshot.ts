/**
 * A screenshot of a virtual X server: the pixels of `Xvfb -shmem`, as a BMP file.
 *
 *     Xvfb :99 -screen 0 640x480x24 -shmem &
 *     deno run --allow-ffi --allow-write=screen.bmp examples/screenshot.ts 32771 screen.bmp
 *
 * The number is the id that Xvfb prints when it starts. The program only reads. It reads while the server
 * draws: a screenshot may hold one half of a change. Xvfb leaves its segment behind when it ends;
 * `ipcrm -m 32771` removes it.
 */

import { i32, Segment, struct, u16, u32 } from "../mod.ts";
import { u32be } from "../src/layout/mod.ts"; // in other programs: from "@sysv/shm/layout"

/** `XWDFileHeader` of X11/XWDFile.h. */
const Header = struct({
  header_size: u32be,
  file_version: u32be,
  pixmap_format: u32be,
  pixmap_depth: u32be,
  pixmap_width: u32be,
  pixmap_height: u32be,
  xoffset: u32be,
  byte_order: u32be,
  bitmap_unit: u32be,
  bitmap_bit_order: u32be,
  bitmap_pad: u32be,
  bits_per_pixel: u32be,
  bytes_per_line: u32be,
  visual_class: u32be,
  red_mask: u32be,
  green_mask: u32be,
  blue_mask: u32be,
  bits_per_rgb: u32be,
  colormap_entries: u32be,
  ncolors: u32be,
});
const COLOR_SIZE = 12;

/** The head of a BMP file: BITMAPFILEHEADER and BITMAPINFOHEADER. */
const Bitmap = struct({
  type: u16,
  fileSize: u32,
  reserved: u32,
  pixelsAt: u32,
  infoSize: u32,
  width: i32,
  height: i32,
  planes: u16,
  bitsPerPixel: u16,
  compression: u32,
  imageSize: u32,
  xPixelsPerMetre: i32,
  yPixelsPerMetre: i32,
  colors: u32,
  importantColors: u32,
}, { pack: 1 });

const [id, file] = Deno.args;
using segment = Segment.attach(Number(id), { readOnly: true });
const screen = Header.read(segment.read(0, Header.size).buffer);
if (screen.file_version !== 7 || screen.bits_per_pixel !== 32 || screen.byte_order !== 0) {
  throw new Error(
    `segment ${id} is not a screen of 24 bits: start Xvfb with 640x480x24 and -shmem`,
  );
}
const { pixmap_width: width, pixmap_height: height } = screen;
const start = screen.header_size + screen.ncolors * COLOR_SIZE;
// A copy, which the server does not change. What is not within the segment is a RangeError
const pixels = segment.read(start, screen.bytes_per_line * height);

const image = new Uint8Array(Bitmap.size + pixels.length);
Bitmap.write(image.buffer, {
  type: 0x4d42, // "BM"
  fileSize: image.length,
  reserved: 0,
  pixelsAt: Bitmap.size,
  infoSize: Bitmap.size - Bitmap.fields.infoSize.offset,
  width: screen.bytes_per_line / 4,
  height: -height, // negative: the first row is on top
  planes: 1,
  bitsPerPixel: 32,
  compression: 0,
  imageSize: pixels.length,
  ...{ xPixelsPerMetre: 0, yPixelsPerMetre: 0, colors: 0, importantColors: 0 },
});
image.set(pixels, Bitmap.size);
Deno.writeFileSync(file!, image);
console.log(`${file}: ${width} x ${height} pixels`);
