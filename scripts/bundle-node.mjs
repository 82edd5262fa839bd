// Joins the files of each package for Node, which takes a good part of a millisecond for every file of an import: `dist/node`, named by the
// condition "node" of a package's exports. Bundlers have the files as they are, and leave out what a page does not use.
import { appendFileSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

for (const name of ["core", "tokenizers", "models"]) {
  const folder = join(root, "packages", name);
  const { exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const entryPoints = Object.values(exports)
    .filter((entry) => entry.node)
    .map((entry) => join(folder, entry.default));
  const outdir = join(folder, "dist/node");
  const outbase = join(folder, "dist");
  rmSync(outdir, { recursive: true, force: true });
  await build({
    ...{ entryPoints, outdir, outbase },
    ...{ bundle: true, splitting: true, format: "esm", platform: "node", target: "node20.19" },
    // What Node resolves by itself: other packages, and this one's own files that differ by platform.
    ...{ packages: "external", external: ["#*"] },
    logLevel: "warning",
  });
  // esbuild 0.28 drops `export *` of other packages from files that it splits.
  for (const entry of entryPoints) {
    const joined = join(outdir, relative(outbase, entry));
    appendFileSync(
      joined,
      packagesWhole(entry)
        .map((other) => `export * from "${other}";\n`)
        .join(""),
    );
    const [wanted, got] = [await namesOf(entry), await namesOf(joined)];
    if (wanted !== got) throw new Error(`${joined}: expected the exports ${wanted}, got ${got}`);
  }
}

async function namesOf(file) {
  return Object.keys(await import(pathToFileURL(file))).join();
}

/** Packages of which a file exports everything, itself or through others. */
function packagesWhole(file) {
  const named = Array.from(readFileSync(file, "utf8").matchAll(/^export \* from "([^"]+)"/gm), ([, from]) => from);
  return named.flatMap((from) => (from.startsWith(".") ? packagesWhole(join(file, "..", from)) : [from]));
}
