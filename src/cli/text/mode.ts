/**
 * Parses modes in the syntax of chmod(1): `640`, `u+rw`, `g=u,o-rwx`.
 *
 * The bits are those of a segment: read, write, and execute, which only SHM_EXEC requests. No umask
 * applies, so `+r` is `a+r`.
 */

/** A change of a mode: a function from the old mode to the new one. */
export type ModeChange = (mode: number) => number;

const EVERYBODY = 0o777;
/** The shift of the three bits of each class. */
const SHIFTS: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };
const BITS: Readonly<Record<string, number>> = { r: 4, w: 2, x: 1 };
/** One bit in each class: three bits multiplied by this are set in all classes. */
const EACH_CLASS = 0o111;

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[rwx]*|[ugo]))+)$/;
const ACTION = /([-+=])([rwxugo]*)/g;

/** Reads an octal mode, from 0 to 777; throws a `TypeError` for another text. */
export function parseOctalMode(text: string): number {
  const mode = /^(0o)?[0-7]+$/.test(text) ? parseInt(text.replace("0o", ""), 8) : NaN;
  if (!(mode <= EVERYBODY)) {
    throw new TypeError(`"${text}" is not an octal mode such as 600 or 0660`);
  }
  return mode;
}

/** Reads a mode as chmod(1) does, but not X, s and t; throws a `TypeError` for another text. */
export function parseMode(text: string): ModeChange {
  if (/^[0-9]/.test(text)) {
    const mode = parseOctalMode(text);
    return () => mode;
  }
  const changes = text.split(",").map((clause) => {
    const [, who, actions] = CLAUSE.exec(clause) ?? [];
    if (who === undefined || actions === undefined) {
      throw new TypeError(`"${text}" is not a mode such as 640, 0660, u+rw, g=u or g-w,o=`);
    }
    return clauseChange(maskOf(who), actions);
  });
  return (mode) => changes.reduce((changed, change) => change(changed), mode);
}

/** All bits of the classes: `go` is 0o077. */
function maskOf(classes: string): number {
  if (classes === "" || classes.includes("a")) return EVERYBODY;
  return [...classes].reduce((mask, each) => mask | 0o7 << SHIFTS[each]!, 0);
}

function clauseChange(mask: number, actions: string): ModeChange {
  return (mode) => {
    for (const [, sign, what] of actions.matchAll(ACTION)) {
      const bits = bitsOf(what!, mode) * EACH_CLASS & mask;
      if (sign === "=") mode = mode & ~mask | bits;
      else mode = sign === "+" ? mode | bits : mode & ~bits;
    }
    return mode;
  };
}

/** The three bits that `what` names: letters, or a class, whose bits are taken from `mode`. */
function bitsOf(what: string, mode: number): number {
  const shift = SHIFTS[what];
  if (shift !== undefined) return mode >> shift & 0o7;
  return [...what].reduce((bits, each) => bits | BITS[each]!, 0);
}
