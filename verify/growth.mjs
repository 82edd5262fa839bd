// Shows that encoding takes twice the time for twice the text, and lets timers fire: `node verify/growth.mjs [CHARACTERS]`.
//
// Runs packages/tokenizers/test/growth.test.ts with texts of 5 and 10 million characters, or as many as given; takes
// about half an hour. `npm run test:slow` runs it with 200 and 400 thousand.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./built.mjs";

const [size = "5000000"] = process.argv.slice(2);
const { status } = spawnSync(
  process.execPath,
  [join(root, "node_modules/vitest/vitest.mjs"), "run", "--project=slow", "packages/tokenizers/test/growth.test.ts"],
  { cwd: root, stdio: "inherit", env: { ...process.env, KILOFORMER_GROWTH: size } },
);
process.exitCode = status ?? 1;
