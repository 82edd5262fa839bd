import { OptionError } from "@kiloformer/core";
import type { TokenizerFormat } from "@kiloformer/tokenizers";
import type { Architecture } from "../architecture.ts";
import { show } from "../config.ts";
import { badOption, expectArchitectures } from "../options.ts";
import type { Tasks } from "../pipeline/tasks.ts";

/**
 * What a page carries: `Pipeline`, a class of `createPipeline`, or an object that names the same. The object alone is less code, as
 * the classes open folders, too.
 */
export interface Families {
  readonly architectures: readonly Architecture[];
  /** Default: those that the architectures name. */
  readonly tokenizers?: readonly TokenizerFormat[];
  /** What is done with models whose architecture does not name it. Default: nothing. */
  readonly tasks?: Tasks;
}

/** @throws {OptionError} `bad-option` */
export function expectFamilies(call: string, given: Families): Required<Families> {
  const { architectures, tokenizers, tasks = {} } = Object(given) as Families;
  if (architectures === undefined) {
    const expected = "Pipeline, a class of createPipeline or an object with architectures";
    throw new OptionError("bad-option", `${call}: expected ${expected}, got ${show(given)}`);
  }
  expectArchitectures(call, architectures);
  if (tokenizers !== undefined && !Array.isArray(tokenizers)) {
    throw badOption(call, "tokenizers", "a list, such as [sentencePiece({})]", tokenizers);
  }
  return { architectures, tokenizers: tokenizers ?? architectures.flatMap((family) => family.tokenizers), tasks };
}
