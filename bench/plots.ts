/** Plots of a result, by Vega-Lite, as SVG. */

import { load } from "./packages.ts";
import { nameOf } from "./peers.ts";
import type { CaseResult, Measure, Result } from "./result.ts";
import { summarise } from "./statistics.ts";

interface VegaLite {
  compile(spec: unknown): { readonly spec: unknown };
}

interface Vega {
  parse(spec: unknown): unknown;
  readonly View: new (runtime: unknown, options: { renderer: "none" }) => {
    toSVG(): Promise<string>;
    finalize(): void;
  };
}

/** A plot: its file's name and its specification. */
export interface Plot {
  readonly name: string;
  readonly spec: unknown;
}

/** Families have hues, members of one have shapes and dashes. */
const COLOURS: Readonly<Record<string, string>> = {
  "channel-ts-ts": "#1f77b4",
  "channel-ts-c": "#17becf",
  "channel-c-ts": "#9467bd",
  "channel-c-c": "#111111",
  "channel-sync": "#6baed6",
  "channel-await": "#2a5599",
  "deno-unix": "#d62728",
  "deno-unix-batch": "#ff9896",
  "deno-tcp": "#e377c2",
  "deno-stdin": "#8c564b",
  "deno-worker": "#c49c94",
  "node-shm": "#ff7f0e",
  "node-zeromq": "#bcbd22",
  "node-unix": "#ffbb78",
  "node-ipc": "#dbdb8d",
  "c-pipe": "#7f7f7f",
  "c-unix": "#c7c7c7",
};

function casesOf({ cases }: Result, measure: Measure): readonly CaseResult[] {
  return cases.filter((one) => one.measure === measure && one.figures.length > 0);
}

/** Colours for the peers that are there, in their order. */
function colours(peers: readonly string[]): Record<string, unknown> {
  const there = Object.keys(COLOURS).filter((peer) => peers.includes(peer));
  return {
    field: "peer",
    type: "nominal",
    title: null,
    scale: { domain: there.map(nameOf), range: there.map((peer) => COLOURS[peer]) },
    legend: { labelLimit: 0, symbolSize: 80, orient: "right" },
  };
}

const BASE = {
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  background: "white",
  padding: 12,
  config: {
    font: "sans-serif",
    axis: { labelFontSize: 12, titleFontSize: 13, gridColor: "#e4e4e4" },
    legend: { labelFontSize: 12 },
    title: { fontSize: 15, anchor: "start", offset: 12 },
    view: { stroke: "#bbbbbb" },
  },
} as const;

const BYTES_LABEL = "datum.value >= 1048576 ? datum.value / 1048576 + ' MiB' : " +
  "datum.value >= 1024 ? datum.value / 1024 + ' KiB' : datum.value + ' B'";
const TIME_LABEL = "datum.value >= 1e6 ? datum.value / 1e6 + ' ms' : " +
  "datum.value >= 1e3 ? datum.value / 1e3 + ' us' : datum.value + ' ns'";
const COUNT_LABEL = "datum.value >= 1e9 ? datum.value / 1e9 + ' G' : datum.value >= 1e6 ? " +
  "datum.value / 1e6 + ' M' : datum.value >= 1e3 ? datum.value / 1e3 + ' k' : datum.value";

/** Powers of ten that a logarithmic axis names, so that labels do not crowd. */
function decades(least: number, most: number): number[] {
  const first = Math.floor(Math.log10(least));
  const last = Math.ceil(Math.log10(most));
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
}

function logarithmic(
  field: string,
  title: string,
  values: readonly number[],
  labelExpr: string,
): Record<string, unknown> {
  const ticks = decades(Math.min(...values), Math.max(...values));
  return {
    field,
    type: "quantitative",
    title,
    scale: { type: "log", domain: [ticks[0], ticks.at(-1)], nice: false },
    axis: { values: ticks, labelExpr },
  };
}

function bySize(
  result: Result,
  name: string,
  title: string,
  axis: string,
  figureOf: (figure: number, size: number) => number,
): Plot | undefined {
  const cases = casesOf(result, "throughput");
  const values = cases.map((one) => {
    const size = Number(one.variant);
    const { median, least, most } = summarise(one.figures.map((figure) => figureOf(figure, size)));
    return { peer: nameOf(one.peer), size, median, least, most };
  });
  if (values.length === 0) return undefined;
  const sizes = [...new Set(values.map(({ size }) => size))].sort((a, b) => a - b);
  const x = {
    field: "size",
    type: "quantitative",
    title: "bytes of a message",
    scale: { type: "log", base: 2, domain: [sizes[0], sizes.at(-1)], nice: false },
    axis: { values: sizes, labelExpr: BYTES_LABEL },
  };
  const all = values.flatMap(({ least, most }) => [least, most]);
  return {
    name,
    spec: {
      ...BASE,
      title,
      width: 620,
      height: 460,
      data: { values },
      encoding: { x, color: colours(cases.map(({ peer }) => peer)) },
      layer: [
        {
          mark: { type: "line", point: { size: 36 }, strokeWidth: 2 },
          encoding: { y: logarithmic("median", axis, all, COUNT_LABEL) },
        },
        {
          mark: { type: "rule", strokeWidth: 1 },
          encoding: { y: { field: "least", type: "quantitative" }, y2: { field: "most" } },
        },
      ],
    },
  };
}

/** A peer has at most two rows in a plot. */
function rowOf({ peer, variant }: CaseResult): string {
  if (variant === "no-io_uring") return `${nameOf(peer)}, io_uring denied`;
  return nameOf(peer) + (variant === "spinning" ? ", spinning" : "");
}

const POINTS = [
  ["p50", "p50"],
  ["p90", "p90"],
  ["p99", "p99"],
  ["p999", "p99.9"],
  ["max", "max"],
] as const;

function percentiles(
  result: Result,
  measure: Measure,
  variants: readonly string[],
  name: string,
  title: string,
): Plot | undefined {
  const cases = casesOf(result, measure).filter((one) =>
    one.percentiles !== undefined && variants.includes(one.variant)
  );
  const sorted = cases.toSorted((a, b) => a.percentiles!.p50 - b.percentiles!.p50);
  const values = sorted.flatMap((one) =>
    POINTS.map(([field, point]) => ({ peer: rowOf(one), point, time: one.percentiles![field] }))
  );
  if (values.length === 0) return undefined;
  const y = {
    field: "peer",
    type: "nominal",
    title: null,
    sort: sorted.map(rowOf),
    axis: { labelLimit: 0, grid: true },
  };
  const x = logarithmic("time", "one round trip", values.map(({ time }) => time), TIME_LABEL);
  return {
    name,
    spec: {
      ...BASE,
      title,
      width: 560,
      height: { step: 24 },
      data: { values },
      layer: [
        { mark: { type: "line", color: "#bbbbbb" }, encoding: { x, y, detail: { field: "peer" } } },
        {
          mark: { type: "point", filled: true, size: 70, opacity: 1 },
          encoding: {
            x,
            y,
            color: {
              field: "point",
              type: "ordinal",
              title: "percentile",
              sort: POINTS.map(([, point]) => point),
              scale: {
                domain: POINTS.map(([, point]) => point),
                range: ["#08306b", "#2171b5", "#6baed6", "#fd8d3c", "#cb181d"],
              },
            },
          },
        },
      ],
    },
  };
}

function producers(result: Result): Plot | undefined {
  const cases = casesOf(result, "producers");
  if (cases.length === 0) return undefined;
  const values = cases.map((one) => ({
    peer: nameOf(one.peer),
    producers: Number(one.variant),
    ...summarise(one.figures),
  }));
  const all = values.flatMap(({ least, most }) => [least, most]);
  return {
    name: "producers",
    spec: {
      ...BASE,
      title: `Several producers, 64 B, on ${result.machine.cores} cores`,
      width: 480,
      height: 300,
      data: { values },
      encoding: {
        x: {
          field: "producers",
          type: "ordinal",
          title: "processes that send",
          axis: { labelAngle: 0 },
        },
        color: colours(cases.map(({ peer }) => peer)),
      },
      layer: [
        {
          mark: { type: "line", point: { size: 40 }, strokeWidth: 2 },
          encoding: { y: logarithmic("median", "messages a second", all, COUNT_LABEL) },
        },
        {
          mark: { type: "rule" },
          encoding: { y: { field: "least", type: "quantitative" }, y2: { field: "most" } },
        },
      ],
    },
  };
}

/** Bars need a zero, which a logarithm has not: points on a line stand for them. */
function ranking(
  name: string,
  title: string,
  axis: string,
  label: string,
  values: readonly { readonly what: string; readonly value: number }[],
): Plot | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a.value - b.value);
  return {
    name,
    spec: {
      ...BASE,
      title,
      width: 560,
      height: { step: 24 },
      data: { values: sorted },
      encoding: {
        y: {
          field: "what",
          type: "nominal",
          title: null,
          sort: sorted.map(({ what }) => what),
          axis: { labelLimit: 0, grid: true },
        },
        x: logarithmic("value", axis, sorted.map(({ value }) => value), label),
      },
      mark: { type: "point", filled: true, size: 90, color: "#1f77b4", opacity: 1 },
    },
  };
}

function cpu(result: Result): Plot | undefined {
  const cases = casesOf(result, "throughput").filter(({ variant }) => variant === "64");
  const values = cases.flatMap((one) => {
    const value = summarise(one.beside?.cpuSecondsPerMillion ?? []).median * 1e9;
    return value > 0 ? [{ what: nameOf(one.peer), value }] : [];
  });
  const title = "CPU time of both sides for a million messages of 64 B";
  return ranking("cpu", title, "CPU time", CPU_LABEL, values);
}

const CPU_LABEL = "datum.value >= 1e9 ? datum.value / 1e9 + ' s' : " +
  "datum.value >= 1e6 ? datum.value / 1e6 + ' ms' : datum.value / 1e3 + ' us'";

function fields(result: Result): Plot | undefined {
  const values = casesOf(result, "fields").map((one) => ({
    what: one.variant.replace("/", ", "),
    value: summarise(one.figures).median,
  }));
  const title = "A read and a write of a field";
  return ranking("fields", title, "time", TIME_LABEL, values);
}

const UNPINNED = ["unpinned", "no-io_uring"];

/** All plots that the result has figures for. */
export function plots(result: Result): Plot[] {
  return [
    bySize(
      result,
      "throughput",
      "Throughput: medians, and the spread of the rounds",
      "messages a second",
      (figure) => figure,
    ),
    bySize(
      result,
      "bandwidth",
      "Bandwidth: medians, and the spread of the rounds",
      "bytes a second",
      (figure, size) => figure * size,
    ),
    percentiles(
      result,
      "roundTrip",
      UNPINNED,
      "flowing",
      "Round trip, 64 B, traffic flowing, unpinned",
    ),
    percentiles(result, "wake", UNPINNED, "wake", "Round trip, 64 B, the other side asleep"),
    percentiles(
      result,
      "roundTrip",
      ["pinned", "spinning"],
      "round_trip",
      "Round trip, 64 B, traffic flowing, pinned",
    ),
    producers(result),
    cpu(result),
    fields(result),
  ].filter((plot) => plot !== undefined);
}

/** Draws them into the folder, in place of those that were there. */
export async function writePlots(result: Result, folder: string): Promise<void> {
  const vegaLite = await load<VegaLite>("vega-lite");
  const vega = await load<Vega>("vega");
  Deno.mkdirSync(folder, { recursive: true });
  for (const { name } of Deno.readDirSync(folder)) {
    if (name.endsWith(".svg")) Deno.removeSync(`${folder}/${name}`);
  }
  for (const { name, spec } of plots(result)) {
    const view = new vega.View(vega.parse(vegaLite.compile(spec).spec), { renderer: "none" });
    Deno.writeTextFileSync(`${folder}/${name}.svg`, `${await view.toSVG()}\n`);
    view.finalize();
  }
}
