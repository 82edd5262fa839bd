import { OptionError } from "@kiloformer/core";
import { show } from "../config.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";

/** `Pipeline`, or what `createPipeline` made. */
export type PipelineClass = typeof Pipeline;

/** @throws {OptionError} `bad-option` */
export function expectPipelineClass(call: string, value: PipelineClass): PipelineClass {
  if (typeof value === "function" && Array.isArray(value.architectures)) return value;
  throw new OptionError("bad-option", `${call}: expected Pipeline or a class of createPipeline, got ${show(value)}`);
}
