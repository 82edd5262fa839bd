// A user's project: the packages as `npm publish` would send them, unpacked into a node_modules of its own.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { build, execute, here, root, tool } from "./tools.mjs";

export const project = join(build, "project");
const packages = ["core", "tokenizers", "models", "cli"];

/** Packs and unpacks the packages, and copies the programs under test beside them. */
export function makeProject() {
  rmSync(project, { recursive: true, force: true });
  mkdirSync(join(project, "node_modules"), { recursive: true });
  const shell = process.platform === "win32";
  const folders = packages.map((folder) => join(root, "packages", folder));
  const args = ["pack", ...folders, "--json", "--pack-destination", build, "--loglevel=error"];
  const packed = Object.values(JSON.parse(execute("npm", args, { cwd: root, shell })));
  for (const { name, filename } of packed) {
    const target = join(project, "node_modules", name);
    mkdirSync(target, { recursive: true });
    execute("tar", ["-xzf", join(build, filename), "-C", target, "--strip-components=1"]);
  }
  // What they depend on, of the version that they ask for: bundlers in verify/smoke bring others.
  for (const { name } of packed) {
    const { dependencies = {} } = JSON.parse(readFileSync(join(project, "node_modules", name, "package.json"), "utf8"));
    for (const needed of Object.keys(dependencies)) {
      const link = join(project, "node_modules", needed);
      if (existsSync(link)) continue;
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(root, "node_modules", needed), link, "junction");
    }
  }
  cpSync(join(here, "app"), project, { recursive: true });
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  return packed.map(({ name, version }) => `${name} ${version}`);
}

/** Runs the command as it was unpacked, and gives what it prints. */
export function kiloformer(...args) {
  return execute(process.execPath, [join(project, "node_modules/@kiloformer/cli/bin/kiloformer.js"), ...args]);
}

const consumer = `
export * as core from "@kiloformer/core";
export * as reference from "@kiloformer/core/reference";
export * as tokenizers from "@kiloformer/tokenizers";
export * as kiloformer from "kiloformer";
export * as g2p from "kiloformer/g2p";
export * as verify from "kiloformer/verify";
import relaxed from "@kiloformer/core/kernels-relaxed.wasm";
import simd from "@kiloformer/core/kernels-simd.wasm";
import model from "kiloformer/g2p-simd.wasm";
import { Pipeline } from "kiloformer";
import { g2p } from "kiloformer/g2p";
Pipeline.fromFiles({}, { wasm: { simd: new URL(simd, "https://example.org"), relaxed } });
g2p({ file: model });
`;

/** Checks the packages' types as the strictest of users do, in programs for pages and for Workers. */
export function checkTypes() {
  const file = join(project, "consumer.ts");
  writeFileSync(file, consumer);
  const strict =
    "--ignoreConfig --noEmit --strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --skipLibCheck false --target es2022";
  const places = [
    ["--module", "nodenext", "--lib", "es2022,dom"],
    ["--module", "esnext", "--moduleResolution", "bundler", "--lib", "es2022,webworker"],
  ];
  const compiler = join(root, "node_modules/.bin/tsc");
  for (const place of places)
    execute(compiler, [...strict.split(" "), ...place, "--types", "", file], { cwd: project });
  return `${consumer.match(/^(import|export)/gm).length} entries, ${execute(compiler, ["--version"]).trim()}`;
}

/** The import map of a page that uses no bundler. */
export function importMap(site = "plain") {
  const at = (name, file) => `/${site}/node_modules/${name}/dist/${file}`;
  return {
    imports: {
      kiloformer: at("kiloformer", "index.js"),
      "kiloformer/core": at("kiloformer", "core.js"),
      "kiloformer/g2p": at("kiloformer", "g2p.js"),
      "kiloformer/llama": at("kiloformer", "llama.js"),
      "@kiloformer/core": at("@kiloformer/core", "index.js"),
      "@kiloformer/core/reference": at("@kiloformer/core", "reference/index.js"),
      "@kiloformer/tokenizers": at("@kiloformer/tokenizers", "index.js"),
      "#kernel-files": at("@kiloformer/core", "platform/browser.js"),
      "#threads": at("@kiloformer/core", "platform/threads-browser.js"),
      "#directory": at("kiloformer", "platform/directory-none.js"),
      "#g2p-file": at("kiloformer", "platform/g2p-browser.js"),
    },
  };
}

/** Imported when it is needed: straight after a clone it is not there before `ensureBuilt`. */
const esbuild = async (options) => (await import("esbuild")).build(options);
const common = {
  absWorkingDir: project,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  logLevel: "silent",
};

/** A bundle of the project's own files. */
export const bundle = (options) => esbuild({ ...common, ...options });

/** One file for Node, the kernels inside. */
export async function bundleForNode() {
  const outfile = join(build, "node-bundle.mjs");
  const loader = { ".wasm": "binary" };
  await esbuild({ ...common, entryPoints: ["node-bundle.js"], outfile, platform: "node", loader });
  return outfile;
}

/** A Node program through webpack, which finds kernels and the threads' file by itself. */
export async function bundleForNodeWithWebpack() {
  const { default: webpack } = await tool("webpack");
  const path = join(build, "node-webpack");
  const output = { path, filename: "node.cjs", library: { type: "commonjs2" }, clean: true };
  const config = { mode: "production", target: "node20", context: project, entry: "./node.js", output };
  const stats = await promisify(webpack)(config);
  if (stats.hasErrors()) throw new Error(stats.toString({ all: false, errors: true }));
  return { file: join(path, "node.cjs"), version: webpack.version };
}

/** A page and a worker, the kernels beside them. */
export async function bundleForBrowsers() {
  const outdir = join(build, "esbuild");
  const entryPoints = { page: "page-esbuild.js", "worker-esbuild": "worker-esbuild.js" };
  await esbuild({ ...common, entryPoints, outdir, platform: "browser", loader: { ".wasm": "file" } });
  return outdir;
}

/** A page that pronounces, and is its own worker. */
export async function bundleForPronouncing(outdir) {
  const loader = { ".wasm": "file" };
  await esbuild({ ...common, entryPoints: ["pronounce-esbuild.js"], outdir, platform: "browser", loader });
}

/** The same page through Vite, which finds worker and kernels by itself. */
export async function bundleWithVite() {
  const vite = await tool("vite");
  const outDir = join(build, "vite");
  const options = { outDir, emptyOutDir: true, rollupOptions: { input: join(project, "page.html") } };
  const config = { root: project, base: "./", configFile: false, logLevel: "error", build: options };
  await vite.build({ ...config, worker: { format: "es" } });
  return { outDir, version: vite.version };
}

/** The same page through webpack, as it comes. */
export async function bundleWithWebpack() {
  const { default: webpack } = await tool("webpack");
  const path = join(build, "webpack");
  const output = { path, filename: "page.js", module: true, clean: true };
  const config = { mode: "production", context: project, entry: "./page.js", output };
  const stats = await promisify(webpack)({ ...config, experiments: { outputModule: true } });
  if (stats.hasErrors()) throw new Error(stats.toString({ all: false, errors: true }));
  return { path, version: webpack.version };
}

/** One module for workerd; the kernels stay static imports, as Workers want them, and so does a packed model. */
export async function bundleForWorkerd(entry, outdir, files) {
  const kernels = {
    name: "kernels-stay-imports",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /\.wasm$/ }, ({ path }) => ({ path: `./${path.split("/").pop()}`, external: true }));
      onResolve({ filter: /^model-files$/ }, ({ path }) => ({ path, namespace: "model" }));
      onResolve({ filter: /.*/, namespace: "model" }, ({ path }) => ({ path, external: true }));
      onLoad({ filter: /.*/, namespace: "model" }, () => ({ contents: modelModule(files) }));
    },
  };
  const conditions = ["workerd", "worker", "browser"];
  await esbuild({ ...common, entryPoints: [entry], outdir, conditions, plugins: [kernels] });
}

function modelModule(files) {
  const imports = files.map((name, index) => `import f${index} from ${JSON.stringify(`./${name}`)};`);
  const entries = files.map((name, index) => `${JSON.stringify(name)}: f${index}`);
  return `${imports.join("\n")}\nexport default { ${entries.join(", ")} };`;
}
