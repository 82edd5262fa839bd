// The report as one page: plots as inline SVG, and the tables; in the colours that the reader's system asks for.
import { contenderOf, groupsOf, ratioTo } from "./figures.mjs";
import { megabytes, ms, tablesOf } from "./tables.mjs";

const style = `
:root { color-scheme: light dark; --page: #fff; --ink: #1b1b1f; --faint: #6a6a75; --rule: #dcdce2; --own: #2563c9; --peer: #a5a5b0; --far: #d6d6dd; }
@media (prefers-color-scheme: dark) {
  :root { --page: #17171b; --ink: #ececf1; --faint: #9c9ca8; --rule: #36363f; --own: #6ea3ff; --peer: #6e6e7b; --far: #44444e; }
}
body { margin: 2rem auto; max-width: 84rem; padding: 0 1rem; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; } h3 { margin-bottom: 0.25rem; font-size: 1rem; }
.plots { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 0; } figcaption { color: var(--faint); font-size: 0.85rem; }
svg { display: block; max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); } svg .value { fill: var(--faint); }
svg .own { fill: var(--own); } svg .peer { fill: var(--peer); } svg .far { fill: var(--far); } svg line { stroke: var(--faint); stroke-dasharray: 2 3; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.6rem; border-bottom: 1px solid var(--rule); text-align: left; } .number { text-align: right; white-space: nowrap; }
.key span { display: inline-block; width: 0.8em; height: 0.8em; margin: 0 0.4em 0 1em; }`;

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const plain = (text) => String(text).replace(/[&<>"]/g, (character) => escapes[character]);

const [ROW, LABEL, BAR, VALUE] = [20, 165, 120, 140];
const kindOf = (row) => (contenderOf(row).isOurs ? "own" : contenderOf(row).options.native ? "far" : "peer");

/** Horizontal bars of `{ label, value, note, kind }`; `mark` is a value that a line goes through. */
function bars(caption, items, mark) {
  const most = Math.max(...items.map(({ value }) => value), mark ?? 0);
  const width = (value) => ((BAR * value) / most).toFixed(1);
  const height = items.length * ROW;
  const rows = items.map(({ label, value, note, kind }, index) => {
    const y = index * ROW;
    return `<text x="${LABEL - 6}" y="${y + 14}" text-anchor="end">${plain(label)}</text>
<rect class="${kind}" x="${LABEL}" y="${y + 3}" width="${width(value)}" height="${ROW - 6}" rx="2"/>
<text class="value" x="${LABEL + Number(width(value)) + 5}" y="${y + 14}">${plain(note)}</text>`;
  });
  const x = mark && LABEL + Number(width(mark));
  const line = mark ? `<line x1="${x}" x2="${x}" y1="0" y2="${height}"/>` : "";
  const size = `width="${LABEL + BAR + VALUE}" height="${height}" viewBox="0 0 ${LABEL + BAR + VALUE} ${height}"`;
  return `<figure><figcaption>${plain(caption)}</figcaption>
<svg ${size} role="img" aria-label="${plain(caption)}">${line}${rows.join("\n")}</svg></figure>`;
}

/** Speed beside onnxruntime-web in float32, on each engine. */
function speedPlots(report, model) {
  const groups = groupsOf(report).filter((group) => group.model === model);
  const plots = (figure) =>
    groups
      .filter((group) => group.figure === figure)
      .map(({ engine, rows }) => {
        const hasAnchor = rows.some((row) => ratioTo(report, row));
        const best = Math.max(...rows.map((row) => row.gigaflops));
        const items = rows.map((row) => {
          const ratio = ratioTo(report, row);
          const speed = row.tokensPerSecond
            ? `${row.tokensPerSecond.toFixed(row.tokensPerSecond < 100 ? 1 : 0)} tokens/s`
            : ms(row.ms);
          const note = hasAnchor ? `${ratio.toFixed(2)} x, ${speed}` : speed;
          return { label: row.contender, value: hasAnchor ? ratio : row.gigaflops / best, note, kind: kindOf(row) };
        });
        return bars(engine.title, items, hasAnchor ? 1 : undefined);
      });
  const figures = [...new Set(groups.map(({ figure }) => figure))];
  return figures
    .map((figure) => `<h3>${plain(figure)}</h3><div class="plots">${plots(figure).join("")}</div>`)
    .join("");
}

function openedPlots(report, model) {
  const plots = (title, key, write) => {
    const each = report.engines.map((engine) => {
      const own = report.opened.filter(
        (entry) => entry.engine === engine.name && entry.model === model.name && entry[key],
      );
      const items = own.map((entry) => ({
        label: entry.contender,
        value: entry[key],
        note: write(entry[key]),
        kind: kindOf(entry),
      }));
      return items.length ? bars(engine.title, items) : "";
    });
    return `<h3>${plain(title)}</h3><div class="plots">${each.join("")}</div>`;
  };
  return (
    plots("time to load, less is better", "loadMs", ms) + plots("peak memory, less is better", "peakBytes", megabytes)
  );
}

function table({ title, head, lines }) {
  const isNumber = (cell) => /^[\d-]/.test(cell);
  const cell = (tag) => (text) => `<${tag}${isNumber(text) ? ' class="number"' : ""}>${plain(text)}</${tag}>`;
  const row = (cells, tag) => `<tr>${cells.map(cell(tag)).join("")}</tr>`;
  return `<h3>${plain(title)}</h3><div class="scroll"><table>${row(head, "th")}${lines.map((line) => row(line, "td")).join("\n")}</table></div>`;
}

/** @returns the page's HTML; it loads nothing */
export function reportPage(report) {
  const { date, commit, command, machine, models } = report;
  const [goals, limits, ...others] = tablesOf(report).map(table);
  const sections = models.map(
    (model) => `<h2>${plain(model.title)}</h2>${speedPlots(report, model)}${openedPlots(report, model)}`,
  );
  const key = [
    ["own", "this runtime"],
    ["peer", "peers"],
    ["far", "native code"],
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Whole models beside peers</title>
<style>${style}</style></head><body>
<h1>Whole models beside peers</h1>
<p>${plain(date)}, <code>${plain(command)}</code>, commit ${plain(commit)}, ${machine.cores} cores of ${plain(machine.cpu)}.
Bars are speeds as multiples of onnxruntime-web in float32 on one thread (the dotted line); times are medians of rounds in which
all contenders took turns.</p>
<p class="key">${key.map(([kind, name]) => `<span style="background: var(--${kind})"></span>${name}`).join("")}</p>
${goals}${limits}
${sections.join("\n")}
<h2>Tables</h2>
${others.join("\n")}
</body></html>
`;
}
