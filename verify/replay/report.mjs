// What `npm run verify` writes: a page with a table of every tensor and a picture of the error by layer.

const style = `
  :root { color-scheme: light dark; --line: #8886; --good: #2a7; --bad: #c33; }
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
  table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; font-variant-numeric: tabular-nums; }
  th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
  td.number, th.number { text-align: right; }
  .bad { color: var(--bad); font-weight: 600; } .good { color: var(--good); }
  svg { width: 100%; height: auto; } text { fill: currentColor; font: 11px system-ui, sans-serif; }
  details { margin: .3rem 0; } summary { cursor: pointer; }`;

const escapeHtml = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const number = (value) => (value === 0 ? "0" : Number.isNaN(value) ? "none" : value.toExponential(1));

/** @param models `{ name, kind, build, comparisons }` for each folder and build; @param checks rows of the claims table */
export function reportPage({ title, models, claims }) {
  const count = models.reduce((sum, { comparisons }) => sum + comparisons.length, 0);
  const failed = models.reduce((sum, { comparisons }) => sum + comparisons.filter(({ holds }) => !holds).length, 0);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Kiloformer beside PyTorch</title>
<style>${style}</style>
<h1>Kiloformer beside PyTorch</h1>
<p>${escapeHtml(title)}. ${count} tensors compared, <span class="${failed ? "bad" : "good"}">${failed} failed</span>. Errors are the worst
difference from PyTorch in float64, relative to a tensor's largest value; a tensor may differ by the larger of 1e-5 and four times
PyTorch's own float32 error. Generated ids must be equal.</p>
<h2>Error by layer</h2>
<p>One line for each model, hidden states from the embedding on, the worse of both builds; the dashed line is 1e-5.</p>
${picture(models)}
<h2>Claims</h2>
${table(
  ["model", "what was compared", "worst error", "tolerance", "holds"],
  claims.map((claim) => claimCells({ ...claim, name: claim.name.replaceAll("`", "") })),
  [2, 3],
)}
<h2>Every tensor</h2>
${models.map(details).join("\n")}
</html>
`;
}

export function claimCells({ name, what, error, tolerance, holds }) {
  return [
    name,
    what,
    number(error),
    typeof tolerance === "number" ? number(tolerance) : tolerance,
    holds ? "yes" : "no",
  ];
}

function details({ name, build, comparisons }) {
  const failed = comparisons.filter(({ holds }) => !holds).length;
  const rows = comparisons.map(({ name: tensor, error, tolerance, holds, worst }) => {
    return [tensor, number(error), number(tolerance), holds ? "yes" : "no", worst];
  });
  const verdict = failed ? `<span class="bad">${failed} failed</span>` : `<span class="good">all hold</span>`;
  const inner = table(["tensor", "error", "tolerance", "holds", "worst"], rows, [1, 2]);
  return `<details${failed ? " open" : ""}><summary>${escapeHtml(name)}, ${build}: ${comparisons.length} tensors, ${verdict}</summary>${inner}</details>`;
}

function table(head, rows, right) {
  const cell = (tag) => (text, column) => {
    const kind = right.includes(column) ? "number" : text === "no" ? "bad" : "";
    return `<${tag}${kind ? ` class="${kind}"` : ""}>${escapeHtml(text)}</${tag}>`;
  };
  const row = (tag) => (cells) => `<tr>${cells.map(cell(tag)).join("")}</tr>`;
  return `<table><thead>${row("th")(head)}</thead><tbody>${rows.map(row("td")).join("\n")}</tbody></table>`;
}

/** The error of hidden states by layer, on a logarithmic scale. */
function picture(models) {
  const lines = new Map();
  for (const { name, comparisons } of models) {
    for (const { name: tensor, error } of comparisons) {
      const [, part, layer] = /^(|encoder_|decoder_)hidden_states\.(\d+)$/.exec(tensor) ?? [];
      if (layer === undefined) continue;
      const key = part ? `${name} ${part.slice(0, -1)}` : name;
      const errors = lines.get(key) ?? lines.set(key, []).get(key);
      errors[layer] = Math.max(errors[layer] ?? 0, error);
    }
  }
  const [width, height, left, bottom] = [960, 420, 52, 30];
  const layers = Math.max(1, ...[...lines.values()].map((errors) => errors.length - 1));
  const [low, high] = [-8.5, -4];
  const x = (layer) => left + (layer / layers) * (width - left - 16);
  const y = (error) => {
    const exponent = Math.min(high, Math.max(low, Math.log10(Math.max(error, 1e-30))));
    return 10 + ((high - exponent) / (high - low)) * (height - bottom - 10);
  };
  const grid = [-8, -7, -6, -5, -4].map((power) => {
    const at = y(10 ** power);
    const dash = power === -5 ? ' stroke-dasharray="6 4" stroke-opacity=".9"' : "";
    return `<line x1="${left}" x2="${width - 16}" y1="${at}" y2="${at}" stroke="currentColor" stroke-opacity=".25"${dash}/><text x="4" y="${at + 4}">1e${power}</text>`;
  });
  const marks = Array.from(
    { length: layers + 1 },
    (_, layer) => `<text x="${x(layer) - 3}" y="${height - 8}">${layer}</text>`,
  );
  const paths = [...lines].map(([name, errors], index) => {
    const points = errors.map((error, layer) => `${x(layer).toFixed(1)},${y(error).toFixed(1)}`).join(" ");
    const color = `hsl(${(index * 137.5) % 360} 60% 50%)`;
    const dots = errors.map(
      (error, layer) =>
        `<circle cx="${x(layer).toFixed(1)}" cy="${y(error).toFixed(1)}" r="2.5" fill="${color}"><title>${escapeHtml(name)}, layer ${layer}: ${number(error)}</title></circle>`,
    );
    return `<polyline points="${points}" fill="none" stroke="${color}" stroke-opacity=".6"/>${dots.join("")}`;
  });
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="error by layer">${grid.join("")}${marks.join("")}${paths.join("")}</svg>`;
}
