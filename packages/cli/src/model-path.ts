import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "./errors.ts";

/** The repository, if this file lies in a checkout of it. */
const here = new URL("../../../", import.meta.url);

/** The model that comes with the package `kiloformer`: English and Korean. */
const embedded = join(dirname(createRequire(import.meta.url).resolve("kiloformer/package.json")), "g2p");

/**
 * The folder of the grapheme-to-phoneme model: the option, else `KILOFORMER_MODEL`, else the published model beside a checkout,
 * else our own, which comes with the package.
 * @throws {UsageError} when `KILOFORMER_MODEL` names nothing
 */
export function findG2PModel(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  checkout: URL = here,
): string {
  if (given !== undefined) return given;
  const { KILOFORMER_MODEL: named } = env;
  if (named) {
    if (existsSync(named)) return named;
    throw new UsageError(`KILOFORMER_MODEL: expected a model's folder, got ${named}, where nothing is`);
  }
  const beside = fileURLToPath(new URL("../shared/models/hama-g2p/", checkout));
  return isCheckout(checkout) && existsSync(beside) ? beside : embedded;
}

function isCheckout(checkout: URL): boolean {
  try {
    return JSON.parse(readFileSync(new URL("package.json", checkout), "utf8")).name === "kiloformer-monorepo";
  } catch {
    return false;
  }
}
