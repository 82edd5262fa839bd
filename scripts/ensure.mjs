// Installs and builds what is missing or stale, and only that. `--force` builds everything.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const force = process.argv.includes("--force");
const libraries = ["core", "tokenizers", "models"];
const packages = [...libraries, "cli"];
/** What the packages' JavaScript is made of. */
const sources = [
  "tsconfig.base.json",
  "tsconfig.json",
  ...packages.flatMap((name) => [`packages/${name}/src`, `packages/${name}/tsconfig.json`]),
];

/** Every file below the given paths, sorted; `dist` and `node_modules` are passed over. */
function filesBelow(paths) {
  return paths
    .flatMap((path) => {
      const full = join(root, path);
      if (!existsSync(full)) return [];
      if (!statSync(full).isDirectory()) return [full];
      return readdirSync(full, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .filter((file) => !/[\\/](dist|node_modules)[\\/]/.test(file));
    })
    .sort();
}

function fingerprint(paths) {
  const hash = createHash("sha256").update(process.version.split(".")[0]);
  for (const file of filesBelow(paths)) hash.update(file.slice(root.length)).update("\0").update(readFileSync(file));
  return hash.digest("hex");
}

function run(label, command, args) {
  process.stderr.write(`kiloformer: ${label}\n`);
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  if (status === 0) return;
  process.stderr.write(`${stdout ?? ""}${stderr ?? ""}${error ? `${error.message}\n` : ""}`);
  process.stderr.write(`kiloformer: this step failed: ${command} ${args.join(" ")}\n`);
  process.exit(status || 1);
}

/** Runs a step when its inputs changed since it last succeeded, or one of its outputs is gone. */
function step({ label, inputs, outputs, stamp, command, args, forced }) {
  const stampFile = join(root, stamp);
  const print = fingerprint(inputs);
  const fresh =
    !forced &&
    outputs.every((output) => existsSync(join(root, output))) &&
    existsSync(stampFile) &&
    readFileSync(stampFile, "utf8") === print;
  if (fresh) return;
  run(label, command, args);
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, print);
}

step({
  label: "installing packages (npm ci)",
  inputs: ["package-lock.json"],
  outputs: ["node_modules/.bin/tsc", "node_modules/.bin/asc"],
  stamp: "node_modules/.kiloformer-install",
  command: "npm",
  args: ["ci", "--no-audit", "--no-fund", "--loglevel=error"],
});
step({
  label: "building the kernels (AssemblyScript)",
  inputs: ["packages/core/assembly", "packages/core/scripts"],
  outputs: ["packages/core/dist/kernels-simd.wasm", "packages/core/dist/kernels-relaxed.wasm"],
  stamp: "node_modules/.kiloformer-kernels",
  command: "node",
  args: ["packages/core/scripts/build-kernels.mjs"],
  forced: force,
});
step({
  label: "building the packages (TypeScript)",
  inputs: sources,
  outputs: packages.map((name) => `packages/${name}/dist/.tsbuildinfo`),
  stamp: "node_modules/.kiloformer-typescript",
  command: "npx",
  args: ["--no-install", "tsc", "-b", ...(force ? ["--force"] : [])],
  forced: force,
});
step({
  label: "joining the packages' files for Node",
  inputs: ["scripts/bundle-node.mjs", ...sources, ...libraries.map((name) => `packages/${name}/package.json`)],
  outputs: ["packages/core/dist/threads-worker.js", ...libraries.map((name) => `packages/${name}/dist/node/index.js`)],
  stamp: "node_modules/.kiloformer-node",
  command: "node",
  args: ["scripts/bundle-node.mjs"],
  forced: force,
});
step({
  label: "packing our own G2P",
  inputs: ["packages/core/assembly", "packages/core/src", "packages/tokenizers/src", "packages/models"],
  outputs: ["packages/models/dist/g2p-simd.wasm", "packages/models/dist/g2p-relaxed.wasm"],
  stamp: "node_modules/.kiloformer-g2p",
  command: "node",
  args: ["packages/models/scripts/pack-g2p.mjs"],
  forced: force,
});
