/** What a case of the conformance suite acts on: a key, and a peer in each place. */

import { setTimeout as delay } from "node:timers/promises";
import {
  findSegment,
  findSemaphoreSet,
  removeSegment,
  removeSemaphoreSet,
  Segment,
  SemaphoreSet,
} from "../../../src/sysv/mod.ts";
import { freshKey } from "../../support/own_objects.ts";
import type { TestFolder } from "../../support/peer.ts";
import { assertNothingAt } from "../programs.ts";
import type { Language } from "./languages.ts";
import { Handle, LinePeer, type OpenOptions, type Role, SAFETY_MS } from "./line_peer.ts";

/** One thing that must hold between two peers, whatever language each is in. */
export interface Case {
  /** What holds, after the name of the protocol. */
  readonly name: string;
  /** Which process the case kills, once. */
  readonly kills?: "sender" | "receiver";
  readonly play: (scene: Scene, kill: () => Promise<void>) => Promise<void>;
}

/** A place for a process in one language. The process is started when it is needed, and lives on. */
export class Side implements AsyncDisposable {
  readonly #start: () => LinePeer;
  readonly #handles = new Map<number, Handle>();
  #peer: LinePeer | undefined;

  constructor(command: () => readonly string[]) {
    this.#start = () => new LinePeer(command());
  }

  get #process(): LinePeer {
    return this.#peer ??= this.#start();
  }

  /** Its process id. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Opens an object in a role. */
  async open(role: Role, key: number, options: OpenOptions = {}): Promise<Handle> {
    let name = 0;
    while (this.#handles.has(name)) name++;
    const words = Object.entries(options).map(([option, value]) => ` ${option}=${value}`);
    await this.#process.ask(`open ${name} ${role} ${key}${words.join("")}`);
    const handle = new Handle(this.#process, name, () => this.#handles.delete(name));
    this.#handles.set(name, handle);
    return handle;
  }

  /** Sets how long it sleeps before it looks again. */
  async slice(ms: number): Promise<void> {
    await this.#process.ask(`slice ${ms}`);
  }

  /** Closes all that is open. */
  async closeAll(): Promise<void> {
    for (const handle of this.#handles.values()) await handle.close();
  }

  /** Kills the process with all that it holds. The next thing it is asked for starts another one. */
  async kill(): Promise<void> {
    this.#handles.clear();
    await this.#peer?.kill();
    this.#peer = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** A case that is being played: up to its kill, if it has one, and then to its end. */
class Playing {
  readonly #reached = Promise.withResolvers<void>();
  readonly #killed = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;
  failure: unknown;

  constructor(readonly played: Case, readonly scene: Scene) {
    this.#ended = this.#watch(played.play(scene, () => {
      this.#reached.resolve();
      return this.#killed.promise;
    }));
  }

  /** Keeps the first failure. */
  async #watch(step: Promise<void>): Promise<void> {
    try {
      await step;
    } catch (error) {
      this.failure ??= error;
    }
  }

  /** Resolves when the kill is due, or the case is over. */
  async begin(): Promise<void> {
    await Promise.race([this.#reached.promise, this.#ended]);
  }

  /** Goes on after the kill, and resolves when the case is over. */
  async end(): Promise<void> {
    this.#killed.resolve();
    await this.#ended;
  }

  /** Closes what is still open, unless the case failed; then nothing may be left. */
  async leave(): Promise<void> {
    if (this.failure === undefined) await this.#watch(this.scene.end());
  }
}

/** The processes of all languages, two of each: a language meets itself, too. */
export class Stage implements AsyncDisposable {
  readonly #sides = new Map<Language, readonly [Side, Side]>();
  readonly #folder: TestFolder;

  constructor(folder: TestFolder) {
    this.#folder = folder;
  }

  /**
   * Plays cases one after the other, and returns the failure of each that failed. Those that kill a process
   * have one end in common, because a process takes long to start: each is played up to its kill, then
   * the process is killed, then each is played to its end. After a failure both processes start anew.
   */
  async play(
    cases: readonly Case[],
    sender: Language,
    receiver: Language,
  ): Promise<ReadonlyMap<Case, unknown>> {
    const places = { sender: this.#sidesOf(sender)[0], receiver: this.#sidesOf(receiver)[1] };
    const playings: Playing[] = [];
    for (const each of cases) {
      const playing = new Playing(each, new Scene(places.sender, places.receiver));
      playings.push(playing);
      await playing.begin();
    }
    const kills = cases[0]?.kills;
    if (kills !== undefined) await places[kills].kill();
    for (const playing of playings) await playing.end();
    for (const playing of playings) await playing.leave();
    const failures = playings.flatMap(({ played, failure }) =>
      failure === undefined ? [] : [[played, failure] as const]
    );
    if (failures.length > 0) {
      for (const side of Object.values(places)) await side.kill();
      for (const { scene } of playings) scene.remove();
    }
    return new Map(failures);
  }

  #sidesOf(language: Language): readonly [Side, Side] {
    const known = this.#sides.get(language);
    if (known !== undefined) return known;
    let command: readonly string[] | undefined;
    const start = (): readonly string[] => command ??= language.command(this.#folder);
    const sides = [new Side(start), new Side(start)] as const;
    this.#sides.set(language, sides);
    return sides;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const side of [...this.#sides.values()].flat()) await side.kill();
  }
}

/** One playing of a case. */
export class Scene {
  readonly key: number = freshKey();

  constructor(readonly sender: Side, readonly receiver: Side) {}

  /** The words of the segment at the key, to look at or to change while `look` runs. */
  words<Result>(look: (words: Int32Array<ArrayBuffer>) => Result): Result {
    using segment = Segment.open(this.key);
    return look(new Int32Array(segment.buffer, 0, segment.size >> 2));
  }

  /** Resolves when a word of the segment is as it has to be. */
  async until(at: number, isDue: (word: number) => boolean): Promise<void> {
    const giveUp = performance.now() + SAFETY_MS;
    while (!this.words((words) => isDue(words[at / 4]!))) {
      if (performance.now() > giveUp) throw new Error(`the word at ${at} stays as it is`);
      await delay(1);
    }
  }

  /** The values of the semaphores of the key. */
  semaphores(): readonly number[] {
    return SemaphoreSet.open(this.key).values();
  }

  /** Whether there is a segment at the key. */
  get exists(): boolean {
    return findSegment(this.key) !== undefined;
  }

  /** Removes what is at the key, as `ipcrm` does. */
  remove(): void {
    const segment = findSegment(this.key);
    if (segment !== undefined) removeSegment(segment);
    const set = findSemaphoreSet(this.key);
    if (set !== undefined) removeSemaphoreSet(set);
  }

  /** Closes what the case has left open; then nothing may be left. */
  async end(): Promise<void> {
    await this.sender.closeAll();
    await this.receiver.closeAll();
    assertNothingAt(this.key);
  }
}

/** Sets endless sleeps for both sides while `play` runs: what is not woken does not end. */
export async function withEndlessSleeps(
  { sender, receiver }: Scene,
  play: () => Promise<void>,
): Promise<void> {
  for (const side of [sender, receiver]) await side.slice(600_000);
  await play();
  for (const side of [sender, receiver]) await side.slice(100);
}
