// `npm run examples`: runs the code blocks of README.md, docs/*.md and packages/*/README.md against the built packages.
//
// A block of `ts`, `js` or `mjs` runs as a module in Node, one of `sh` in bash, both from the repository root. A `text`
// block right after it, with no other block or heading between, is its exact standard output.
// In README.md every such block runs; elsewhere those with a comment before them. Each `ts` block, also one that does not run, is
// checked by a strict compiler. The comments:
//   <!-- example: run -->                           runs it (elsewhere)
//   <!-- example: skip because REASON -->           does not
//   <!-- example: needs ../shared -->               skips it where that folder is absent, as a mention of it does
//   <!-- example: after\nCODE\n-->                  runs CODE first, which readers do not see
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBuilt, root } from "./built.mjs";

const folder = join(root, "verify/build/examples");
const modules = new Set(["ts", "js", "mjs", "typescript", "javascript"]);
const shells = new Set(["sh", "bash", "shell"]);
const timeout = 300_000;

/** The fenced blocks of a Markdown text: language, code, line, the comment before it and the output after it. */
export function readBlocks(markdown) {
  const blocks = [];
  let block;
  let fence = "";
  let comment;
  let previous;
  for (const [index, text] of markdown.split(/\r?\n/).entries()) {
    if (block) {
      if (text.trim() === fence) block = undefined;
      else block.lines.push(text);
    } else if (comment !== undefined && !comment.closed) {
      comment.closed = text.includes("-->");
      comment.text += `\n${text.replace(/-->.*$/, "")}`;
    } else if (/^<!--\s*example:/.test(text)) {
      comment = {
        text: text.replace(/^<!--\s*example:\s*/, "").replace(/\s*-->.*$/, ""),
        closed: text.includes("-->"),
      };
    } else if (/^(```+|~~~+)/.test(text)) {
      const [, mark, language] = /^(```+|~~~+)\s*(\S*)/.exec(text);
      fence = mark;
      block = { language, line: index + 1, lines: [], directive: comment?.text.trim() };
      if (language === "text" && previous && !previous.output) previous.output = block;
      blocks.push(block);
      previous = block;
      comment = undefined;
    } else {
      if (/^#/.test(text)) previous = undefined;
      if (text.trim() !== "") comment = undefined;
    }
  }
  return blocks.map(({ lines, output, ...rest }) => ({
    ...rest,
    code: lines.join("\n"),
    output: output?.lines.join("\n"),
  }));
}

/** The code of a block, and before it what readers do not see. */
function wholeCode({ code, directive = "" }) {
  const before = directive.startsWith("after\n") ? directive.slice("after\n".length) : "";
  return { before, whole: `${before}\n${code}` };
}

const isTypeScript = ({ language }) => language === "ts" || language === "typescript";

/** What a strict compiler says about blocks of TypeScript, by their places. */
export function typeErrors(blocks) {
  const types = join(folder, "types");
  rmSync(types, { recursive: true, force: true });
  mkdirSync(types, { recursive: true });
  const files = new Map(blocks.map((block) => [`${block.place.replaceAll(/[/:]/g, "-")}.mts`, block]));
  // As the types of workerd's tools have it.
  const wasm = "const file: WebAssembly.Module; export default file;";
  writeFileSync(join(types, "wasm.d.cts"), `declare module "*.wasm" { ${wasm} }\n`);
  // A module, also where nothing is imported.
  for (const [name, block] of files) writeFileSync(join(types, name), `${wholeCode(block).whole}\nexport {};\n`);
  const options =
    "--ignoreConfig --noEmit --strict --skipLibCheck --target es2022 --module esnext --moduleResolution bundler";
  const libraries = "--lib es2022,dom,dom.iterable,dom.asynciterable --types node --pretty false";
  const compiler = join(root, "node_modules/.bin/tsc");
  const arguments_ = [...options.split(" "), ...libraries.split(" "), "wasm.d.cts", ...files.keys()];
  const { status, stdout, stderr } = spawnSync(compiler, arguments_, { cwd: types, encoding: "utf8", timeout });
  const errors = new Map();
  for (const [, name, line, message] of stdout.matchAll(/^([^\s(]+)\((\d+),\d+\): error (.*)$/gm)) {
    const block = files.get(name);
    const at = block.line + Number(line) - wholeCode(block).before.split("\n").length;
    errors.set(block.place, `${errors.get(block.place) ?? "expected types that fit, got"}\n  line ${at}: ${message}`);
  }
  if (status !== 0 && errors.size === 0)
    throw new Error(`tsc: expected exit code 0, got ${status}\n${stdout}${stderr}`);
  return errors;
}

/** Why a block does not run here, or undefined. */
function reasonToSkip({ directive = "", code }) {
  const skip = "skip because ";
  if (directive.startsWith(skip)) return directive.slice(skip.length).replaceAll(/\s+/g, " ");
  const needsShared = code.includes("../shared/") || directive.includes("../shared");
  if (needsShared && !existsSync(join(root, "../shared"))) return "../shared is absent";
  return undefined;
}

async function run(block, name) {
  const { language } = block;
  const { whole } = wholeCode(block);
  // npm's own lines about the script that it starts are no part of an example's output.
  const env = { ...process.env, npm_config_loglevel: "silent" };
  const options = { cwd: root, env, encoding: "utf8", timeout, stdio: ["ignore", "pipe", "pipe"] };
  if (shells.has(language)) return spawnSync("bash", ["-euo", "pipefail", "-c", whole], options);
  const loader = language.startsWith("t") ? "ts" : "js";
  const { transform } = await import("esbuild");
  const { code: plain } = await transform(whole, { loader, format: "esm", target: "es2022" });
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, plain);
  return spawnSync(process.execPath, [file], options);
}

/** What is wrong with how a block ended, or undefined. */
function problem({ output }, { status, signal, stdout, stderr, error }) {
  if (status !== 0) return `ended with ${error?.message ?? signal ?? status}\n${stdout}${stderr}`;
  // What npm says before it runs a script is not the script's.
  const printed = stdout.replace(/^\n(?:> .*\n)+\n/, "").trimEnd();
  if (output === undefined || printed === output.trimEnd()) return undefined;
  return `expected this output:\n${output}\ngot:\n${printed}`;
}

async function main() {
  ensureBuilt();
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(root, "README.md"))) {
    console.log("fail README.md: expected this file, got none");
    process.exit(1);
  }
  const namesIn = (folder, pick) =>
    existsSync(join(root, folder)) ? readdirSync(join(root, folder)).sort().filter(pick) : [];
  const docs = namesIn("docs", (name) => name.endsWith(".md")).map((name) => `docs/${name}`);
  const packages = namesIn("packages", (name) => existsSync(join(root, "packages", name, "README.md")));
  const files = ["README.md", ...docs, ...packages.map((name) => `packages/${name}/README.md`)];
  const blocks = files.flatMap((file) => {
    const found = readBlocks(readFileSync(join(root, file), "utf8"));
    return found.map((block) => ({ ...block, file, place: `${file}:${block.line}` }));
  });
  const misfits = typeErrors(blocks.filter(isTypeScript));
  const counts = { ok: 0, skip: 0, fail: 0 };
  for (const block of blocks) {
    const { file, place } = block;
    if (!modules.has(block.language) && !shells.has(block.language)) continue;
    const isShown = file !== "README.md" && block.directive === undefined;
    if (isShown && !misfits.has(place)) continue;
    const reason = isShown ? undefined : reasonToSkip(block);
    const start = performance.now();
    const isRun = !isShown && reason === undefined;
    const result = isRun ? await run(block, place.replaceAll(/[/:]/g, "-")) : undefined;
    const wrong = misfits.get(place) ?? (result && problem(block, result));
    const outcome = wrong !== undefined ? "fail" : reason !== undefined ? "skip" : "ok";
    counts[outcome] += 1;
    const seconds = `${((performance.now() - start) / 1000).toFixed(1)} s`;
    const checked = block.output === undefined ? "ran" : "output equal";
    console.log(
      `${outcome.padEnd(4)} ${place.padEnd(33)} ${block.language.padEnd(4)} ${seconds.padStart(7)}  ${wrong ?? reason ?? checked}`,
    );
  }
  console.log(`${counts.ok} passed, ${counts.skip} skipped, ${counts.fail} failed`);
  if (counts.fail > 0) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
