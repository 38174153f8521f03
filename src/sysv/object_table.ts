/**
 * The two tables of System V objects that the kernel keeps: segments and semaphore sets. What is the same
 * for both is here: find, list, look, change and remove an object, and the errors of these. Internal: used
 * by this folder, `src/sync` and `src/cli`.
 */

import { IPC } from "../../ffi/constants.ts";
import { geteuid } from "../../ffi/accounts.ts";
import { ERRNO } from "../../ffi/errno.ts";
import type { KernelStruct } from "../../ffi/platform.ts";
import { type FailureDetails, type LibcCall, ShmError } from "../../ffi/shm_error.ts";
import { checkNumber } from "../layout/arguments.ts";
import { checkKey, formatKey, keyInHex } from "./key.ts";
import { KernelStructReader } from "./kernel_struct.ts";
import {
  checkChange,
  foreignUser,
  formatMode,
  isGone,
  missingCallRemedy,
  type ObjectStat,
  type PermissionChange,
  type PermName,
  saysGone,
  unmappedAccount,
  writePerm,
} from "./object_stat.ts";

/** What differs between the tables. */
export interface ObjectKind<Stat extends ObjectStat, Name extends string> {
  /** The names of an object in messages: in full, once it has been named, and of its class. */
  readonly names: readonly [full: string, short: string, className: string];
  /** The name of the whole table in messages. */
  readonly tableName: string;
  /** The first letters of the calls. */
  readonly prefix: "shm" | "sem";
  /** The option of `ipcs` and `ipcrm` for an id. In upper case it is that of `ipcrm` for a key. */
  readonly letter: string;
  /** Returns the id of the object that holds `key`, or -errno. It asks for no permission. */
  readonly find: (key: number) => number;
  /** The control call: returns its result, or -errno. */
  readonly control: (id: number, command: number, buffer: Uint8Array<ArrayBuffer>) => number;
  readonly commands: { readonly STAT: number; readonly STAT_ANY: number; readonly INFO: number };
  /** The struct of one object, which `IPC_STAT` fills. */
  readonly struct: () => KernelStruct<Name | PermName>;
  /** The struct of the whole table, which `commands.INFO` fills. */
  readonly infoStruct: () => KernelStruct<string>;
  readonly read: (id: number, struct: KernelStructReader<Name | PermName>) => Stat;
  /** What a message says about an object before and after its owner and mode. */
  readonly describe: (stat: Stat) => readonly [size: string, use: string];
}

/** One of the kernel's tables. Methods that begin with `try` return -errno instead of throwing. */
export class ObjectTable<Stat extends ObjectStat, Name extends string> {
  readonly #kind: ObjectKind<Stat, Name>;
  readonly #name: string;
  readonly #shortName: string;
  readonly #className: string;
  readonly #getCall: LibcCall;
  readonly #controlCall: LibcCall;
  #shared: KernelStructReader<Name | PermName> | undefined;

  constructor(kind: ObjectKind<Stat, Name>) {
    this.#kind = kind;
    [this.#name, this.#shortName, this.#className] = kind.names;
    this.#getCall = `${kind.prefix}get`;
    this.#controlCall = `${kind.prefix}ctl`;
  }

  /** The shared struct that the control call fills. Its fields are copied before the next call. */
  get #struct(): KernelStructReader<Name | PermName> {
    return this.#shared ??= new KernelStructReader(this.#kind.struct());
  }

  #control(id: number, command: number): number {
    return this.#kind.control(id, command, this.#struct.bytes);
  }

  /**
   * Checks the id of an object.
   *
   * @throws {RangeError} not an integer from 0 to 2^31 - 1
   */
  checkId(value: unknown): number {
    const id = checkNumber(value, "id");
    // Foreign functions refuse -0
    if (Number.isInteger(id) && id >= 0 && id <= 0x7fffffff) return id | 0;
    throw new RangeError(`${this.#name} id ${id} is not an integer from 0 to 2147483647`);
  }

  /**
   * Checks the key of an object before it is opened.
   *
   * @throws {RangeError} the key is out of range, or `IPC_PRIVATE`, which finds nothing
   */
  checkOpenKey(key: unknown): number {
    const checked = checkKey(key);
    if (checked !== IPC.PRIVATE) return checked;
    throw new RangeError(
      `key ${
        formatKey(0)
      } is IPC_PRIVATE, which finds no ${this.#name}: attach by id, or choose a key`,
    );
  }

  /** Returns the id of the object that holds `key`, or `undefined`. */
  find(key: number): number | undefined {
    const checked = checkKey(key);
    // No object holds IPC_PRIVATE: the call would create a new one
    if (checked === IPC.PRIVATE) return undefined;
    const id = this.#kind.find(checked);
    if (id >= 0) return id;
    if (id === -ERRNO.ENOENT) return undefined;
    throw new ShmError(`look for a ${this.#name}`, this.#getCall, -id, {
      key: checked,
      remedy: missingCallRemedy(-id),
    });
  }

  /** Returns the stat of the object, or -errno: `EACCES` without read permission. */
  tryRead(id: number): Stat | number {
    const result = this.#control(id, IPC.STAT);
    return result < 0 ? result : this.#kind.read(id, this.#struct);
  }

  /** As {@linkcode ObjectTable.tryRead}. Without read permission, the stat comes from the list. */
  tryStat(id: number): Stat | number {
    const stat = this.tryRead(id);
    if (stat !== -ERRNO.EACCES) return stat;
    return this.list().find((each) => each.id === id) ?? stat;
  }

  stat(id: number): Stat {
    const stat = this.tryStat(this.checkId(id));
    if (typeof stat !== "number") return stat;
    throw this.statFailure(id, -stat);
  }

  /** The error for an object whose stat cannot be read. */
  statFailure(id: number, errno: number): ShmError {
    return this.#failure("look at", id, errno, {
      [ERRNO.EACCES]: "its mode gives this user no read permission",
    });
  }

  /** Returns the stats of all objects of this IPC namespace, in the order of the kernel's table. */
  list(): Stat[] {
    const { commands, infoStruct, read } = this.#kind;
    const objects: Stat[] = [];
    const highest = this.askAboutAll(commands.INFO, new KernelStructReader(infoStruct()));
    for (let index = 0; index <= highest; index++) {
      let id = this.#control(index, commands.STAT_ANY);
      // Linux before 4.17 has no STAT_ANY, and glibc before 2.33 loses the buffer of semctl's; STAT leaves
      // out objects that this user may not read
      if (id === -ERRNO.EINVAL || id === -ERRNO.EFAULT) id = this.#control(index, commands.STAT);
      if (id >= 0) objects.push(read(id, this.#struct));
    }
    return objects;
  }

  /** Fills `struct` with the limits or totals of the table. Returns its highest used index. */
  askAboutAll(command: number, struct: KernelStructReader<string>): number {
    const highest = this.#kind.control(0, command, struct.bytes);
    if (highest >= 0) return highest;
    const action = `ask for the state of ${this.#kind.tableName}`;
    const remedy = missingCallRemedy(-highest);
    throw new ShmError(action, this.#controlCall, -highest, { remedy });
  }

  /** Removes the object with this id, or marks it for removal. */
  remove(id: number): void {
    const result = this.#control(this.checkId(id), IPC.RMID);
    if (result === 0) return;
    throw this.#failure("remove", id, -result, {
      [ERRNO.EPERM]: `only its owner, its creator or root may remove it${this.describe(id)}`,
    });
  }

  /** As {@linkcode ObjectTable.remove}. It is no error if another process has removed the object. */
  ensureRemoved(id: number): void {
    try {
      this.remove(id);
    } catch (error) {
      if (!saysGone(error)) throw error;
    }
  }

  /** Changes mode, owner or group of the object with this id. */
  setPermissions(id: number, change: PermissionChange): void {
    const checkedId = this.checkId(id);
    const checked = checkChange(change);
    const stat = this.tryStat(checkedId);
    const failure = (errno: number, unmapped?: string): ShmError =>
      this.#failure("change", id, errno, {
        [ERRNO.EPERM]: `only its owner, its creator and root may change it${this.describe(id)}`,
        [ERRNO.EINVAL]: unmapped,
      });
    if (typeof stat === "number") throw failure(-stat);
    writePerm(this.#struct, stat, checked);
    const result = this.#control(checkedId, IPC.SET);
    if (result < 0) throw failure(-result, unmappedAccount({ ...stat, ...checked }));
  }

  /** The error for a control call that failed, with advice for some errno values. */
  #failure(
    verb: string,
    id: number,
    errno: number,
    remedies: Readonly<Record<number, string | undefined>>,
  ): ShmError {
    const remedy = remedies[errno] ?? this.idRemedy(errno);
    return new ShmError(`${verb} the ${this.#name}`, this.#controlCall, errno, { id, remedy });
  }

  /** The advice for a failed call that took an id. */
  idRemedy(errno: number): string | undefined {
    return isGone(-errno) ? this.noSuchId : missingCallRemedy(errno);
  }

  /** The advice when no object has an id. */
  get noSuchId(): string {
    return `no ${this.#name} has this id; \`ipcs -${this.#kind.letter}\` lists those that exist`;
  }

  /** Describes the object for an error message. Empty if the object does not exist. */
  describe(id: number): string {
    const stat = this.tryStat(id);
    if (typeof stat === "number") return "";
    const [size, use] = this.#kind.describe(stat);
    return ` (${this.#shortName} ${id} has ${size}, owner uid ${stat.uid}, mode ` +
      `${formatMode(stat.mode)}${use})`;
  }

  /** The shell command that removes the object with this `key`. */
  removal(key: number): string {
    return `ipcrm -${this.#kind.letter.toUpperCase()} ${keyInHex(key)}`;
  }

  /** The facts and the advice when an object cannot be created because it exists. */
  existsHelp(key: number): FailureDetails {
    const holder = this.find(key);
    return {
      facts: `a ${this.#shortName} holds this key${
        holder === undefined ? "" : this.describe(holder)
      }`,
      remedy:
        `open it with ${this.#className}.open, choose another key, or, if no program needs it, remove ` +
        `it with \`${this.removal(key)}\``,
    };
  }

  /** The advice when a limit of the table is reached. */
  get fullRemedy(): string {
    const { letter } = this.#kind;
    return `remove ${this.#shortName}s that no program needs (\`ipcs -${letter}\`, \`ipcrm -${letter} ID\`) or ` +
      "raise the sysctl";
  }

  /** The error for an object that cannot be opened. Without an id, the key led to none. */
  openFailure(errno: number, key: number | undefined, id?: number): ShmError {
    const call = id === undefined ? this.#getCall : this.#controlCall;
    const remedy = this.#openRemedy(errno, id);
    return new ShmError(`open the ${this.#name}`, call, errno, { key, id, remedy });
  }

  #openRemedy(errno: number, id: number | undefined): string | undefined {
    switch (errno) {
      case ERRNO.ENOENT:
        return "no process has created it, or it was removed: start the program that creates it, or use " +
          `${this.#className}.create or ${this.#className}.openOrCreate`;
      case ERRNO.EACCES:
        return `the mode of the ${this.#shortName} denies access to this user${
          id === undefined ? "" : this.describe(id)
        }: its owner can widen the mode`;
      default:
        return id === undefined ? missingCallRemedy(errno) : this.idRemedy(errno);
    }
  }

  /**
   * Refuses an object that another user created or owns, unless the caller trusts it.
   *
   * @throws {ShmError} `EUNTRUSTED`
   */
  checkTrust(stat: Stat, key: number | undefined, trust: boolean): void {
    const user = trust ? undefined : foreignUser(stat);
    if (user === undefined) return;
    const mode = formatMode(stat.mode);
    throw new ShmError(`use the ${this.#name}`, undefined, "EUNTRUSTED", {
      key,
      id: stat.id,
      facts: `uid ${user} created or owns it (mode ${mode}) and may change it at any time${
        user === geteuid() ? UNMAPPED : ""
      }`,
      remedy: "pass trust: true to accept that",
      option: "trust",
    });
  }
}

/** Why an object is refused although its owner seems to be this user. */
const UNMAPPED = "; in this user namespace that id stands for all users that are not mapped";

/** The steps that make an object usable: the call that returns its id, and what follows. */
export interface OpenSteps<Opened> {
  /** Returns an id, or -errno. */
  readonly get: () => number;
  /** Takes the object with this id. Returns `undefined` if another process has removed it meanwhile. */
  readonly take: (id: number) => Opened | undefined;
  /** The error for a `get` that failed. */
  readonly failure: (errno: number) => ShmError;
}

/** Opens or creates an object, again while other processes remove what `get` found or created. */
export function openUntilTaken<Opened>(steps: OpenSteps<Opened>): Opened {
  for (;;) {
    const opened = openOnce(steps);
    if (opened !== undefined) return opened;
  }
}

/** Creates an object, or opens the one that exists, while other processes may create and remove it. */
export function openOrCreate<Opened>(
  create: OpenSteps<Opened>,
  open: OpenSteps<Opened>,
): Opened {
  for (;;) {
    const opened = openOnce(create, ERRNO.EEXIST) ?? openOnce(open, ERRNO.ENOENT);
    if (opened !== undefined) return opened;
  }
}

/** Returns `undefined` if there is no object to take, or if `get` fails with `expected`. */
function openOnce<Opened>(
  { get, take, failure }: OpenSteps<Opened>,
  expected?: number,
): Opened | undefined {
  const id = get();
  if (id >= 0) return take(id);
  if (expected !== undefined && id === -expected) return undefined;
  throw failure(-id);
}
