/** The project's own rules: which folder may import which, and what every file and symbol must have. */

import assert from "node:assert/strict";
import { OLDEST_DENO } from "../ffi/platform.ts";
import { FRONT_DOORS } from "./support/front_doors.ts";
import { testWith } from "./support/needs.ts";
import { PROJECT } from "./support/peer.ts";

/** Folders from left to right: one imports only folders of a lower rank. */
const RANKS: Readonly<Record<string, number>> = {
  "ffi": 0,
  "src/layout": 0,
  "src/cparse": 1,
  "src/sysv": 1,
  "src/sync": 2,
  "src/mailbox": 3,
  "src/channel": 3,
  "src/latest": 3,
  "src/topic": 3,
  "src/mcap": 4,
  "src/nats": 4,
  "src/cli": 5,
};

/** What no file or folder is called: a name that says nothing gathers everything. */
const EMPTY_NAMES = /^(utils?|helpers?|common|misc)(\.ts)?$/;

function read(path: string): string {
  return Deno.readTextFileSync(PROJECT + path);
}

/** The files git knows or would add, with this ending. */
function files(ending: string): string[] {
  const { stdout } = new Deno.Command("git", {
    args: ["ls-files", "--cached", "--others", "--exclude-standard"],
    cwd: PROJECT,
  }).outputSync();
  return new TextDecoder().decode(stdout).trim().split("\n").filter((path) =>
    path.endsWith(ending) && existsSync(path)
  );
}

function existsSync(path: string): boolean {
  try {
    Deno.lstatSync(PROJECT + path);
    return true;
  } catch {
    return false;
  }
}

/** What `deno` prints as JSON. */
function denoJson<Json>(...args: readonly string[]): Json {
  const { success, stdout, stderr } = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: PROJECT,
  }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

function room(path: string): string {
  return path.split("/").slice(0, path.startsWith("src/") ? 2 : -1).join("/");
}

const needs = { tools: ["git"], files: true } as const;

/** Every import of one file by another, as paths, reached from the front doors. */
function imports(): [string, string][] {
  interface Info {
    readonly modules: readonly {
      readonly local?: string;
      readonly dependencies?: readonly {
        readonly code?: { readonly specifier: string };
        readonly type?: { readonly specifier: string };
      }[];
    }[];
  }
  const found = new Map<string, [string, string]>();
  for (const front of FRONT_DOORS) {
    for (const { local, dependencies = [] } of denoJson<Info>("info", "--json", front).modules) {
      for (const { code, type } of dependencies) {
        const to = (code ?? type)?.specifier;
        if (local === undefined || to === undefined) continue;
        if (!to.startsWith("file:")) {
          assert.match(to, /^node:/, `${local} needs a download: ${to}`);
          continue;
        }
        const arrow: [string, string] = [
          local.slice(PROJECT.length),
          new URL(to).pathname.slice(PROJECT.length),
        ];
        found.set(arrow.join(" "), arrow);
      }
    }
  }
  assert(found.size > 100);
  return [...found.values()];
}

testWith(needs, "imports between folders point in one direction", () => {
  for (const [from, to] of imports()) {
    if (from === "mod.ts") assert(!/^src\/(cli|mcap|nats)\//.test(to), `mod.ts imports ${to}`);
    if (room(to) === "src/nats" && room(from) !== "src/nats") {
      assert.match(from, /^src\/cli\/(bridge\/|commands\/bridge_)/, `${from} loads the bridge`);
    }
    if (from === "mod.ts" || from === "cli.ts" || room(from) === room(to)) continue;
    const [left, right] = [RANKS[room(to)], RANKS[room(from)]];
    assert(left !== undefined && right !== undefined, `${from} -> ${to}: a folder without a rank`);
    assert(left < right, `${from} -> ${to} points the wrong way`);
  }
});

/** Folders and files of src/cli, likewise; files of one folder may import each other. */
const CLI_RANKS: readonly (readonly string[])[] = [
  ["errors.ts", "output.ts", "program_name.ts"],
  ["text"],
  ["usage.ts"],
  ["advice.ts", "command.ts", "table_options.ts", "message_options.ts"],
  ["terminal"],
  ["bytes"],
  ["objects", "received_messages.ts", "session.ts"],
  ["bridge", "doctor", "top", "watch", "completion", "library_command.ts"],
  ["commands", "failure.ts"],
  ["command_list.ts"],
];

testWith(needs, "imports inside src/cli point in one direction", () => {
  const inCli = (path: string): string => path.split("/")[2]!;
  const rankOf = (path: string): number => {
    const rank = CLI_RANKS.findIndex((names) => names.includes(inCli(path)));
    assert.notEqual(rank, -1, `${path}: a file or folder without a rank`);
    return rank;
  };
  for (const [from, to] of imports()) {
    if (room(from) !== "src/cli" || room(to) !== "src/cli" || inCli(from) === inCli(to)) continue;
    assert(rankOf(to) < rankOf(from), `${from} -> ${to} points the wrong way`);
  }
});

testWith({ files: true }, "docs/top.svg is a picture of at most 40 KB", () => {
  const svg = Deno.readTextFileSync(`${PROJECT}docs/top.svg`);
  assert.match(svg, /^<svg [^]*>KEY<[^]*<\/svg>\n$/);
  assert(svg.length <= 40_000, `${svg.length} bytes`);
});

testWith(needs, "no files import each other in a circle", () => {
  const importing = Map.groupBy(imports(), ([from]) => from);
  const done = new Set<string>();
  const follow = (path: string, way: readonly string[]): void => {
    assert(!way.includes(path), `a circle of imports: ${[...way, path].join(" -> ")}`);
    if (done.has(path)) return;
    for (const [, to] of importing.get(path) ?? []) follow(to, [...way, path]);
    done.add(path);
  };
  for (const path of importing.keys()) follow(path, []);
});

/** What `deno doc` knows of a symbol. */
interface DocSymbol {
  readonly name: string;
  readonly declarations: readonly {
    readonly kind: string;
    readonly jsDoc?: { readonly tags?: readonly { readonly kind: string }[] };
  }[];
}

function exportedSymbols(...fronts: readonly string[]): readonly DocSymbol[] {
  interface Doc {
    readonly nodes: Readonly<Record<string, { readonly symbols: readonly DocSymbol[] }>>;
  }
  return Object.values(denoJson<Doc>("doc", "--json", ...fronts).nodes).flatMap(({ symbols }) =>
    symbols
  );
}

testWith(
  needs,
  "mod.ts exports what most programs need, and each folder's mod.ts all of it",
  () => {
    const root = exportedSymbols("mod.ts").map(({ name }) => name);
    assert(root.length <= 55, `${root.length} names at the root`);
    const rooms = FRONT_DOORS.filter((front) => front.startsWith("src/"));
    const all = new Set(exportedSymbols(...rooms).map(({ name }) => name));
    assert.deepEqual(root.filter((name) => !all.has(name)), []);
    assert.deepEqual(rooms.toSorted(), files("/mod.ts").filter((path) => path.startsWith("src/")));
  },
);

testWith(needs, "nothing exported is internal", () => {
  const text = JSON.stringify(exportedSymbols(...FRONT_DOORS));
  assert(!text.includes('"kind":"internal"'));
});

testWith(needs, "what src and ffi export is used by another file", () => {
  const texts = files(".ts").map((path) => [path, read(path)] as const);
  const unused = texts.filter(([path]) => /^(ffi|src)\//.test(path)).flatMap(([path, text]) =>
    text.matchAll(/^export (?:async )?(?:function\*?|const|class) (\w+)/gm).filter(([, name]) => {
      const use = new RegExp(`\\b${name}\\b`);
      return !texts.some(([other, elsewhere]) => other !== path && use.test(elsewhere));
    }).map(([, name]) => `${path}: ${name}`).toArray()
  );
  assert.deepEqual(unused, []);
});

testWith(needs, "libc is opened in one place", () => {
  const opening = files(".ts").filter((path) =>
    !path.startsWith("tests/") && /Deno\.dlopen\(/.test(read(path))
  );
  assert.deepEqual(opening, ["ffi/libc.ts"]);
});

testWith(
  needs,
  "what is imported dynamically is named by a literal, which Deno finds beforehand",
  () => {
    const unnamed = files(".ts").filter((path) => {
      const code = read(path).replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
      return /^(cli|mod)\.ts$|^(ffi|src)\//.test(path) && /\bimport\((?!"[^"]+"\))/.test(code);
    });
    // Deno must not find the packages from npm before a bridge needs them
    assert.deepEqual(unnamed, ["src/nats/nats_client.ts"]);
  },
);

testWith(needs, "the library prints nothing, and the command only through its output", () => {
  const printing = files(".ts").filter((path) => {
    const code = read(path).replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
    return /^(ffi|src)\//.test(path) && /\bconsole\.|Deno\.std(out|err)\.write/.test(code);
  });
  assert.deepEqual(printing, ["src/cli/output.ts"]);
});

testWith(needs, "the library names no flag and no other command of ours", () => {
  const naming = files(".ts").filter((path) => {
    const code = read(path).replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
    // Deno's own flags are no flags of the command
    const flags = code.replaceAll(/--allow-\w+/g, "").match(/["'`( ]--[a-z]+[-a-z]*/g) ?? [];
    return /^(ffi|src)\//.test(path) && !path.startsWith("src/cli/") &&
      (flags.length > 0 || /`(channel|rm|doctor|recv|send) [a-z]/.test(code));
  });
  assert.deepEqual(naming, []);
});

testWith(needs, "every file says at its top what it is for, and has a telling name", () => {
  for (const path of files(".ts")) {
    assert.match(path, /^[a-z0-9_/]+\.ts$/, `${path}: snake_case`);
    for (const part of path.split("/")) assert.doesNotMatch(part, EMPTY_NAMES, path);
    const text = read(path);
    assert.match(text, /^(#!.*\n)?\/\*\*/, `${path} has no comment at its top`);
    assert.doesNotMatch(text, /\/\/ *TODO(?!\()/, `${path}: an open end names its owner`);
  }
});

/**
 * The places where code gives raw memory (what `buffer`, `bytes`, `drain` and `claim` hand out) to a
 * function of the engine that passes over it twice. By the names our code and pages use.
 */
function unsafeUses(text: string): string[] {
  const code = text.replaceAll(/^ *\*(?: |$)/gm, "");
  const raw = String
    .raw`(?:\b(?:segment|reservation|mine|theirs|owner|reader|writer)\.)(?:bytes|buffer)\b`;
  const twice = String.raw`(?:decode|digest|update|toString|write|writeSync|enqueue)`;
  const moves = String.raw`(?:sort|reverse|copyWithin|toString|toLocaleString)`;
  const found = [
    ...code.matchAll(
      new RegExp(String.raw`\.${twice}\(\s*(?:new \w+\(\s*)?${raw}(?!\.slice)`, "g"),
    ),
    ...code.matchAll(new RegExp(String.raw`(?:${raw}[^;\n()]*\)?)\.${moves}\(`, "g")),
  ].map(([use]) => use);
  // The callback of a drain, up to the end of its statement or block
  const callback = /\bdrain\(\s*(?:async\s*)?\(?\s*(\w+)[^=]*?=>\s*(\{[^]*?\}\s*[,)]|[^;]*;)/g;
  for (const [drain, bytes, body] of code.matchAll(callback)) {
    const use = new RegExp(String.raw`\.${twice}\(\s*${bytes}\s*[,)]|\b${bytes}\.${moves}\(`);
    if (use.test(body!)) found.push(drain);
  }
  return found;
}

Deno.test("raw memory: what is unsafe is found, and a copy is not", () => {
  const decode = "new TextDecoder().decode(";
  for (
    const unsafe of [
      `${decode}segment.bytes)`,
      ` * ${decode}new Uint8Array(\n *   segment.buffer, 4))`,
      "new Int32Array(segment.buffer).sort()",
      `consumer.drain((bytes) => texts.push(${decode}bytes)));`,
      `consumer.drain(async (payload, tag) => {\n  await Deno.stdout.write(payload);\n});`,
      "reservation.bytes.reverse()",
      "hash.update(segment.bytes.subarray(4))",
    ]
  ) {
    assert.equal(unsafeUses(unsafe).length, 1, unsafe);
  }
  for (
    const safe of [
      `${decode}segment.read(0, 5))`,
      `${decode}message.bytes)`,
      `${decode}segment.bytes.slice(0, 5))`,
      `consumer.drain((bytes) => texts.push(${decode}bytes.slice())));`,
      "segment.bytes.set(own); own.sort()",
      "consumer.drain((bytes) => sum += bytes[0]);\nhash.update(bytes);",
    ]
  ) {
    assert.deepEqual(unsafeUses(safe), [], safe);
  }
});

testWith(
  needs,
  "raw memory is given to no function of the engine that passes over it twice",
  () => {
    const paths = [...files(".ts"), ...files(".md")].filter((path) =>
      !/^(tests|bench)\//.test(path)
    );
    const found = paths.flatMap((path) => unsafeUses(read(path)).map((use) => `${path}: ${use}`));
    // The table that says what not to do
    assert.deepEqual(found.filter((use) => !use.startsWith("SECURITY.md: ")), []);
  },
);

testWith(needs, "every exported function and class has an example", () => {
  const bare = exportedSymbols(...FRONT_DOORS).filter(({ declarations }) =>
    declarations.some(({ kind }) => kind === "function" || kind === "class") &&
    !declarations.some(({ jsDoc }) => jsDoc?.tags?.some(({ kind }) => kind === "example"))
  );
  assert.deepEqual(bare.map(({ name }) => name), []);
});

testWith(needs, "every test file that makes System V objects guards against leaks", () => {
  const unguarded = files("_test.ts").filter((path) => {
    const text = read(path);
    const makes = /^import [^;]*\b(Segment|SemaphoreSet|Mailbox\w+|ShmEntry|Peer|shmget)\b[^;]*;$/m;
    return makes.test(text) && !/^guardAgainstLeaks\(\);$/m.test(text);
  });
  assert.deepEqual(unguarded, []);
});

testWith(
  needs,
  "the name of a test begins with the symbol, command or file that it is about",
  () => {
    const article =
      /(?:Deno\.test|testWith)\(\s*(?:\{[^}]*\},\s*|\w+,\s*)?["`]((?:a|an|the|every|each|no|all|what|when|if)\b[^"`]*)/gi;
    const found = files("_test.ts").filter((path) => path !== "tests/rules_test.ts").flatMap((
      path,
    ) => read(path).matchAll(article).map(([, name]) => `${path}: ${name}`).toArray());
    assert.deepEqual(found, []);
  },
);

/** Words that are hard to read, or that only this project used. */
const HARD_WORDS =
  /\bwhoever\b|\benem(y|ies)\b|\bif not said\b|\bfor the rooms\b|\btwice is once\b/i;

testWith(needs, "pages and sources are in plain English", () => {
  const written =
    /^(README|CONTRIBUTING|SECURITY|CHANGELOG)\.md$|^(docs|src|ffi|c|examples)\/|^(cli|mod)\.ts$/;
  for (const path of files("").filter((one) => written.test(one))) {
    const [found] = HARD_WORDS.exec(read(path)) ?? [];
    assert.equal(found, undefined, path);
  }
});

testWith(needs, "no file has the markers of a merge", () => {
  const marked = files("").filter((path) => /^(<{7}|>{7}) /m.test(read(path)));
  assert.deepEqual(marked, []);
});

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(page: string): string[] {
  const headings = read(page).replaceAll(/^```.*?^```/gms, "").matchAll(/^#+ (.*)$/gm);
  return headings.map(([, text]) =>
    text!.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
  ).toArray();
}

testWith(needs, "links between pages lead somewhere", () => {
  for (const page of files(".md")) {
    for (const [, target, anchor] of read(page).matchAll(/\]\(([^)#\s]*)(?:#([^)]*))?\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const path = target === "" ? page : new URL(target!, `file:///${page}`).pathname.slice(1);
      assert(existsSync(path), `${page} links to ${target}, which is not there`);
      if (anchor === undefined || !path.endsWith(".md")) continue;
      assert(anchors(path).includes(anchor), `${page} links to ${path}#${anchor}: no such heading`);
    }
  }
});

testWith(needs, "the Deno that is installed is the one the pages name", () => {
  const version = read(".ci/deno-version").trim();
  const command = `npm install --global --prefix ~/.local deno@${version}`;
  for (const page of ["README.md", "CONTRIBUTING.md"]) assert(read(page).includes(command), page);
});

testWith(needs, "the oldest Deno that works is the one the README names", () => {
  assert(read("README.md").includes(`[Deno](https://deno.com) ${OLDEST_DENO} or later`));
});

testWith(needs, "the changelog tells of this version", () => {
  const { version } = JSON.parse(read("deno.json"));
  assert.match(read("CHANGELOG.md"), new RegExp(`^## ${version.replaceAll(".", "\\.")}`, "m"));
});
