// Joins the files of each package for Node, which takes a good part of a millisecond for every file of an import: `dist/node`, named by the
// condition "node" of a package's exports. Bundlers have the files as they are, and leave out what a page does not use.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

for (const name of ["core", "tokenizers", "models"]) {
  const folder = join(root, "packages", name);
  const { exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const [from, to] = [join(folder, "dist"), join(folder, "dist/node")];
  const entries = Object.values(exports).flatMap((entry) => (entry.node ? [relative("dist", entry.default)] : []));
  rmSync(to, { recursive: true, force: true });
  // One file for all, so that a class is the same whichever entry it comes from, with a number behind names, as entries may share them.
  const lists = await Promise.all(
    entries.map(async (entry, i) =>
      Object.keys(await import(pathToFileURL(join(from, entry)))).map((is) => [is, `${is}_${i}`]),
    ),
  );
  const lines = entries.map(
    (entry, i) => `export { ${lists[i].map((names) => names.join(" as "))} } from "./${entry}";`,
  );
  await build({
    stdin: { contents: lines.join("\n"), resolveDir: from },
    outfile: join(to, "all.js"),
    ...{ bundle: true, format: "esm", platform: "node", target: "node20.19", logLevel: "warning" },
    // What Node resolves by itself: other packages, and this one's own files that differ by platform.
    ...{ packages: "external", external: ["#*"] },
  });
  for (const [i, entry] of entries.entries()) {
    const file = join(to, entry);
    const all = relative(dirname(file), join(to, "all.js"));
    const names = lists[i].map(([is, numbered]) => `${numbered} as ${is}`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `export { ${names.join(", ")} } from "${all.startsWith(".") ? all : `./${all}`}";\n`);
  }
}

// The threads' file in one: where a bundler copies it, or a user, nothing else has to lie beside it.
const core = join(root, "packages/core/dist");
await build({
  entryPoints: [join(core, "threads/worker.js")],
  outfile: join(core, "threads-worker.js"),
  ...{ bundle: true, format: "esm", target: "es2022", logLevel: "warning" },
});
