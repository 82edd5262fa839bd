// `npm run size`: what the project ships, in bytes, against its limits. Exits with 1 when something is over.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ensureBuilt, root } from "./built.mjs";

const KB = 1024;
ensureBuilt();
const { build, version } = await import("esbuild");

/** Bytes after `gzip -9`, as servers send them. */
const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length;

/** A page's script, bundled and minified with the browsers' conditions; the kernels stay files beside it. */
async function bundle(contents) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: join(root, "verify"), loader: "js" },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    target: "es2022",
    platform: "browser",
    conditions: ["browser"],
    logLevel: "error",
  });
  return { bytes: outputFiles[0].contents, inputs: Object.values(metafile.outputs)[0].inputs };
}

const page = `
import { createPipeline } from "kiloformer/core";
import { llama } from "kiloformer/llama";
const Pipeline = createPipeline([llama]);
globalThis.run = async (files, text) => (await Pipeline.fromFiles(files)).phonemize(text);
`;
const g2p = page.replaceAll("llama", "g2p").replace("phonemize", "pronounce");
const onePage = `
import { openPacked } from "kiloformer/core";
import { llama } from "kiloformer/llama";
globalThis.run = async (file, text) => (await openPacked({ architectures: [llama] }, file)).phonemize(text);
`;
const full = `export * from "kiloformer";`;
const tokenizers = `export * from "@kiloformer/tokenizers";`;
const bert = `
import { bertFormats, openTokenizer } from "@kiloformer/tokenizers";
export const open = (files) => openTokenizer(files, bertFormats);
`;

const kernels = ["simd", "relaxed"].map((name) => {
  const bytes = readFileSync(join(root, `packages/core/dist/kernels-${name}.wasm`));
  return { name, raw: bytes.length, gzip: gzip(bytes) };
});
const largestKernels = Math.max(...kernels.map((file) => file.gzip));
const [pageBundle, g2pBundle, onePageBundle, fullBundle, tokenizersBundle, bertBundle] = await Promise.all(
  [page, g2p, onePage, full, tokenizers, bert].map(bundle),
);
const everything = await bundle(`import { Pipeline } from "kiloformer"; globalThis.Pipeline = Pipeline;`);

/** Pages that open one family, with the tokenizers that such models are published with: file, export, limit in kB. */
const families = [
  ["bert", "bert", 69.3],
  ["roberta", "roberta", 101.5],
  ["distilbert", "distilbert", 69.2],
  ["electra", "electra", 69.3],
  ["mpnet", "mpnet", 69.7],
  ["modernbert", "modernbert", 103.3],
  ["static-embedding", "staticEmbedding", 62.9],
  ["gpt2", "gpt2", 98.3],
  ["gpt-neo", "gptNeo", 98.5],
  ["gpt-neox", "gptNeox", 100.2],
  ["mistral", "mistral", 108.1],
  ["qwen2", "qwen2", 108.2],
  ["qwen3", "qwen3", 108.2],
  ["gemma3", "gemma3", 110.3],
  ["phi3", "phi3", 100.9],
  ["smollm3", "smollm3", 100.9],
  ["t5", "t5", 108.2],
  ["longt5", "longt5", 108.8],
];
const familyPages = await Promise.all(
  families.map(async ([file, name, limit]) => {
    const script = `
import { createPipeline } from "kiloformer/core";
import { ${name} } from "kiloformer/${file}";
globalThis.Pipeline = createPipeline([${name}]);
`;
    return { what: file, bytes: gzip((await bundle(script)).bytes) + largestKernels, limit: limit * KB };
  }),
);

const rows = kernels.map(({ name, raw, gzip: zipped }) => {
  return { what: `kernels-${name}.wasm, raw`, bytes: raw, limit: 32 * KB, note: `every kernel; ${show(zipped)} gzip` };
});
rows.push(
  {
    what: "page with createPipeline([llama]) and G2P, JS min+gzip",
    bytes: gzip(pageBundle.bytes),
    limit: 49.7 * KB,
    note: `safetensors, tokenizers, runtime, llama, generation; ${show(pageBundle.bytes.length)} min`,
  },
  {
    what: "the same with one kernel build, gzip",
    bytes: gzip(pageBundle.bytes) + largestKernels,
    limit: 61.6 * KB,
    note: "that script and the larger kernel file: all that a page loads beside the model; the goal was 40 kB",
  },
  {
    what: "the same with createPipeline([g2p]), which pronounces too, gzip",
    bytes: gzip(g2pBundle.bytes) + largestKernels,
    limit: 64.3 * KB,
    note: `n best, phones, log probabilities, alignment; ${show(g2pBundle.bytes.length)} min`,
  },
  {
    what: "a page for a packed Llama or G2P, JS min+gzip",
    bytes: gzip(onePageBundle.bytes),
    limit: 43.0 * KB,
    note: `openPacked; the kernels are in the model's file; ${show(onePageBundle.bytes.length)} min`,
  },
  {
    what: "code for it that a page without packed models carries too",
    bytes: bytesOf(pageBundle, /\/packed\//),
    limit: 0,
    note: "openPacked and packModel are shaken off where nobody calls them",
  },
  {
    what: "all of `kiloformer`, JS min+gzip",
    bytes: gzip(fullBundle.bytes),
    limit: 125.3 * KB,
    note: `every export, nothing shaken off; ${show(fullBundle.bytes.length)} min`,
  },
  {
    what: "a page with every family and tokenizer, one kernel build, gzip",
    bytes: gzip(everything.bytes) + largestKernels,
    limit: 129.8 * KB,
    note: `import { Pipeline } from "kiloformer"; the goal is 64 kB; ${show(everything.bytes.length)} min`,
  },
  {
    what: "all of `@kiloformer/tokenizers`, JS min+gzip",
    bytes: gzip(tokenizersBundle.bytes),
    limit: 47.0 * KB,
    note: `every format and chat templates; the goal was 14 kB; ${show(tokenizersBundle.bytes.length)} min`,
  },
  {
    what: "BERT's tokenizers alone, JS min+gzip",
    bytes: gzip(bertBundle.bytes),
    limit: 15.0 * KB,
    note: `openTokenizer with bertFormats; the goal was 6 kB; ${show(bertBundle.bytes.length)} min`,
  },
);

await import("../demo/build.mjs");
const shown = ["index.html", "style.css", "main.js", "g2p-relaxed.wasm"];
const sent = shown.map((name) => readFileSync(join(root, "demo/dist", name)));
const sum = (sizes) => sizes.reduce((total, bytes) => total + bytes, 0);
rows.push(
  {
    what: "the demo page: all that it loads, kernels and our own G2P included",
    bytes: sum(sent.map((bytes) => bytes.length)),
    limit: 493_408,
    note: "as large as the published artefact may be, which is without a page",
  },
  {
    what: "the same, gzip",
    bytes: sum(sent.map(gzip)),
    limit: 400 * KB,
    note: shown.map((name, index) => `${name} ${show(gzip(sent[index]))}`).join(", "),
  },
);

console.log(`esbuild ${version}, conditions: browser; gzip -9; kB = 1024 bytes\n`);
const width = Math.max(...rows.map(({ what }) => what.length));
for (const { what, note, ...row } of rows) console.log(`${what.padEnd(width)}  ${verdict(row)}  ${note}`);
console.log("\npages with one family, its tokenizers and one kernel build, gzip");
for (const { what, ...row } of familyPages) console.log(`${what.padEnd(16)}  ${verdict(row)}`.trimEnd());
console.log("\nthe page's script by package and file, minified bytes");
for (const [file, bytes] of largest(pageBundle.inputs, 12)) console.log(`${show(bytes).padStart(8)}  ${file}`);
if ([...rows, ...familyPages].some(({ bytes, limit }) => bytes > limit)) process.exitCode = 1;

/** A size beside its limit. */
function verdict({ bytes, limit }) {
  return `${show(bytes).padStart(8)} of ${show(limit).padStart(8)} ${bytes <= limit ? "ok  " : "OVER"}`;
}

/** Minified bytes of a bundle that come from files of this name. */
function bytesOf({ inputs }, name) {
  const found = Object.entries(inputs).filter(([file]) => name.test(file));
  return found.reduce((sum, [, { bytesInOutput }]) => sum + bytesInOutput, 0);
}

function show(bytes) {
  return `${(bytes / KB).toFixed(1)} kB`;
}

function largest(inputs, count) {
  return Object.entries(inputs)
    .map(([file, { bytesInOutput }]) => [file.replace(/^.*?packages\//, "packages/"), bytesInOutput])
    .sort(([, a], [, b]) => b - a)
    .slice(0, count);
}
