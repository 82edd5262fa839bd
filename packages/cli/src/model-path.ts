import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { UsageError } from "./errors.ts";

/**
 * The folder of the grapheme-to-phoneme model: the option, else `KILOFORMER_MODEL`, else our own, English and Korean, which
 * comes with the package `kiloformer`.
 * @throws {UsageError} when `KILOFORMER_MODEL` names nothing
 */
export function findG2PModel(
  given: string | undefined,
  { KILOFORMER_MODEL: named }: Readonly<Record<string, string | undefined>>,
): string {
  if (given !== undefined) return given;
  if (!named) return join(dirname(createRequire(import.meta.url).resolve("kiloformer/package.json")), "g2p");
  if (existsSync(named)) return named;
  throw new UsageError(`KILOFORMER_MODEL: expected a model's folder, got ${named}, where nothing is`);
}
