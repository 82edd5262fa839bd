// The tables of a report, and how its figures are written.
import { anchor } from "./contenders.mjs";
import { contenderOf, groupsOf, ratioTo, shareOfLimit } from "./figures.mjs";

const known = (write) => (value) => (Number.isFinite(value) ? write(value) : "");
const digits = (count) => known((value) => value.toFixed(count));
export const ms = known((value) =>
  value < 1000 ? `${value.toFixed(value < 100 ? 1 : 0)} ms` : `${(value / 1000).toFixed(2)} s`,
);
export const percent = known((value) => `${Math.round(100 * value)} %`);
export const megabytes = known((value) => `${(value / 1e6).toFixed(value < 1e6 ? 2 : value < 1e7 ? 1 : 0)} MB`);
const cosine = known((value) => (value > 0.9999995 ? "1" : value.toFixed(value > 0.999 ? 6 : 4)));

/** A table of one piece of work: a head, and a line for each contender. */
function figureTable(report, { engine, model, figure, rows }) {
  const isWriting = rows.some((row) => row.tokensPerSecond);
  const head = ["", "time", ...(isWriting ? ["tokens/s"] : []), "GFLOP/s", `x ${anchor}`, "of the limit", "cosine"];
  const lines = rows.map((row) => [
    ...[row.contender, ms(row.ms), ...(isWriting ? [digits(1)(row.tokensPerSecond)] : []), digits(1)(row.gigaflops)],
    ...[digits(2)(ratioTo(report, row)), percent(shareOfLimit(report, row)), cosine(row.cosine)],
  ]);
  return { title: `${model.title}, ${figure}, ${engine.title}`, head, lines };
}

/** Loading, memory and bytes of the contenders with a model on an engine. */
function openedTable(report, engine, model) {
  const isOwn = (entry) => entry.engine === engine.name && entry.model === model.name && !entry.reason;
  const own = report.opened.filter(isOwn);
  const head = ["", "load", "peak, loaded", "peak, all work", "weights", "code, gzip"];
  const lines = own.map((entry) => {
    const code = report.code[contenderOf(entry).family];
    return [
      ...[entry.contender, ms(entry.loadMs), megabytes(entry.loadPeakBytes), megabytes(entry.peakBytes)],
      ...[megabytes(entry.weightBytes), megabytes(code?.gzip)],
    ];
  });
  return { title: `${model.title}, ${engine.title}: loading, memory and bytes`, head, lines };
}

function limitsTable(report) {
  const head = ["", "", "multiply-add", "multiply, then add", "8-bit dot product", "reading"];
  const titles = Object.fromEntries([...report.models, ...report.engines].map(({ name, title }) => [name, title]));
  const lines = report.limits.map(({ engine, model, fused, separate, dot8, bandwidth }) => [
    ...[titles[engine], titles[model], `${digits(1)(fused)} GFLOP/s`, `${digits(1)(separate)} GFLOP/s`],
    ...[`${digits(0)(dot8)} GOP/s`, `${digits(1)(bandwidth)} GB/s`],
  ]);
  return { title: "What one thread can do at most, in the same rounds", head, lines };
}

function goalsTable({ goals }) {
  const number = (value) =>
    Math.abs(value) < 0.01 ? value.toExponential(1) : value.toFixed(value > 0.99 && value < 1 ? 5 : 2);
  const lines = goals.map(({ text, engine, least, most, measured, isMet }) => [
    ...[text, engine, least === undefined ? `at most ${number(most)}` : `at least ${number(least)}`],
    ...[measured === undefined ? "not measured" : number(measured), { true: "yes", false: "no" }[isMet] ?? ""],
  ]);
  return { title: "Goals", head: ["", "engine", "goal", "measured", "met"], lines };
}

/** Who was not measured, and why. */
function missingTable({ opened }) {
  const places = new Map();
  for (const { contender, reason, engine, model } of opened.filter(({ reason }) => reason)) {
    const key = JSON.stringify([contender, reason]);
    places.set(key, [...(places.get(key) ?? []), `${model} ${engine}`]);
  }
  const lines = [...places].map(([key, list]) => [...JSON.parse(key), list.join(", ")]);
  return { title: "Not measured", head: ["", "because", "where"], lines };
}

/** All tables as `{ title, head, lines }`. */
export function tablesOf(report) {
  const pairs = report.engines.flatMap((engine) => report.models.map((model) => [engine, model]));
  return [
    goalsTable(report),
    limitsTable(report),
    ...groupsOf(report).map((group) => figureTable(report, group)),
    ...pairs.map(([engine, model]) => openedTable(report, engine, model)),
    missingTable(report),
  ].filter(({ lines }) => lines.length > 0);
}

/** Tables as Markdown, in columns. */
export function textTables(report) {
  const table = ({ title, head, lines }) => {
    const widths = head.map((_, column) => Math.max(3, ...[head, ...lines].map((cells) => cells[column].length)));
    const isText = head.map((_, column) => lines.every((cells) => !/^[\d-]/.test(cells[column])));
    const pad = (cell, column) => (isText[column] ? cell.padEnd(widths[column]) : cell.padStart(widths[column]));
    const line = (cells) => `| ${cells.map(pad).join(" | ")} |`;
    const rule = widths.map((width, column) => (isText[column] ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
    return [`\n${title}\n`, line(head), `| ${rule.join(" | ")} |`, ...lines.map(line)].join("\n");
  };
  const { date, commit, command, machine } = report;
  const about = `${date}, ${command}, commit ${commit}, ${machine.cores} x ${machine.cpu}`;
  return [about, ...tablesOf(report).map(table)].join("\n");
}
