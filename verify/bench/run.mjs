// The benchmarks of parts (`npm run bench:parts`): matrix products, small models, the matrix products of whole models, loading.
// Whole models beside every peer are `npm run bench`.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ensureBuilt } from "../built.mjs";
import { nodePrograms } from "./engines.mjs";
import { installPeers } from "./peers.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));

ensureBuilt();
installPeers();
for (const name of ["gemm", "models", "families", "loading"]) {
  for (const engine of nodePrograms()) {
    const { status } = spawnSync(engine, [`${here}${name}.mjs`], { stdio: "inherit" });
    if (status) process.exit(status);
  }
}
