// The model of the smoke tests in one file.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundle, project } from "./project.mjs";
import { build } from "./tools.mjs";

/** The page and its model, and nothing else: what it loads must be all that it needs. */
export const packedSite = join(build, "packed");

/** Packs the model once, with the project's packages; gives its bytes. */
export async function packModel({ directory, files }) {
  const { Pipeline, packModel } = await import(join(project, "node_modules/kiloformer/dist/index.js"));
  return packModel(
    Pipeline,
    Object.fromEntries(files.map((name) => [name, readFileSync(join(directory, name))])),
    // What models of other makers have in their configs is no concern here.
    { onWarning() {} },
  );
}

/** Makes the page's script, and puts the model beside it. */
export async function makePackedSite(model) {
  mkdirSync(packedSite, { recursive: true });
  writeFileSync(join(packedSite, "model.wasm"), await packModel(model));
  await bundle({ entryPoints: { page: "page-packed.js" }, outdir: packedSite, platform: "browser" });
}
