// `npm start -- TEXT...`: builds what is missing, then prints IPA with the command line's g2p.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const ensured = spawnSync(process.execPath, [join(here, "ensure.mjs")], { stdio: ["ignore", "inherit", "inherit"] });
if (ensured.status !== 0) process.exit(ensured.status ?? 1);
const command = join(here, "../packages/cli/bin/kiloformer.js");
const { status } = spawnSync(process.execPath, [command, "g2p", ...process.argv.slice(2)], { stdio: "inherit" });
process.exit(status ?? 1);
