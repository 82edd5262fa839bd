import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where the files that are shared with the project lie, or undefined where they are absent. */
export const shared: string | undefined = (() => {
  const path = fileURLToPath(new URL("../../../../shared/", import.meta.url));
  return existsSync(`${path}tokenizers`) ? path : undefined;
})();
if (!shared) console.warn("skipped: tests of published tokenizer files, as ../shared is not beside the repository");
