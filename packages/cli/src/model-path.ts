import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "./errors.ts";

/** The repository, if this file lies in a checkout of it. */
const here = new URL("../../../", import.meta.url);

/**
 * The folder of the grapheme-to-phoneme model: the option, else `KILOFORMER_MODEL`, else the model beside the checkout.
 * @throws {UsageError} that says what to do when there is none
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
  const inCheckout = isCheckout(checkout);
  if (inCheckout && existsSync(beside)) return beside;
  const tried = inCheckout
    ? `, and ${relative(fileURLToPath(checkout), beside)} beside this checkout is not there`
    : "";
  throw new UsageError(
    `g2p: expected a grapheme-to-phoneme model, got none: no --model, no KILOFORMER_MODEL${tried}`,
    "give --model DIR, or set KILOFORMER_MODEL, to a folder with config.json, model.safetensors and vocab.json",
  );
}

function isCheckout(checkout: URL): boolean {
  try {
    return JSON.parse(readFileSync(new URL("package.json", checkout), "utf8")).name === "kiloformer-monorepo";
  } catch {
    return false;
  }
}
