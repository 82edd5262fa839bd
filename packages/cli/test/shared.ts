import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = fileURLToPath(new URL("../../../../shared/", import.meta.url));

/** Where the files that are shared with the project lie, or undefined where they are absent. */
export const shared: string | undefined = existsSync(`${path}models`) ? path : undefined;
if (!shared) console.warn("skipped: the command line on real models, as ../shared is not beside the repository");
