import { ConfigError } from "@kiloformer/core";
import type { EncoderDecoderModel } from "./architecture.ts";
import { show, tokenIds } from "./config.ts";
import { embedBatch } from "./embedding/embed.ts";
import { arrangeFiles, readModules } from "./embedding/modules.ts";
import { encoderOf } from "./encoding/encoder.ts";
import { decoderOf, type RowOptions } from "./generation/decoder.ts";
import { expectOptions } from "./options.ts";
import { encode, encoderStates } from "./pipeline/encoder-forwards.ts";
import { type Ids, idList } from "./pipeline/forwards.ts";
import { generate, generateBatch, stream } from "./pipeline/generation.ts";
import type { TaskContext, Tasks } from "./pipeline/tasks.ts";

/** What the decoder has of a text: what the encoder makes of its ids. */
async function remember(context: TaskContext, ids: readonly number[], signal: AbortSignal) {
  return encoderOf(context).remember({ ids }, decoderOf(context).pool, { signal });
}

/** What a decoder computes for an answer to ids; what it has of them goes in the end, whatever happens. */
async function answer<R>(
  context: TaskContext,
  ids: Ids,
  given: Ids,
  asked: AbortSignal | undefined,
  compute: (ids: readonly number[], options: RowOptions) => Promise<R>,
): Promise<R> {
  const answers = idList(given);
  decoderOf(context).expectIds(answers);
  const signal = context.signal(asked);
  const memory = (await remember(context, idList(ids), signal)).retain();
  try {
    return await compute(answers, { signal, memory });
  } finally {
    memory.release();
  }
}

const answering = (context: TaskContext): TaskContext => {
  return { ...context, remember, decoderStartTokenId: startOf(context) };
};

/**
 * The id that generated answers begin with: generation_config.json's, where there is one, or else the model's.
 * @throws {ConfigError} `bad-value`
 */
function startOf({ model, defaults: { file } }: TaskContext): number {
  const { decoderStartTokenId, vocabSize } = model as EncoderDecoderModel;
  for (const key of ["decoder_start_token_id", "bos_token_id"]) {
    const ids = file ? tokenIds(file, key, vocabSize, "generation_config.json") : [];
    if (ids.length === 1) return ids[0];
    if (ids.length > 1) {
      const message = `generation_config.json: expected ${key} to be one id, got ${show(ids)}`;
      throw new ConfigError("bad-value", message, { key, value: ids });
    }
  }
  return decoderStartTokenId;
}

/** What a pipeline does with models that read a text and write another. */
export const textToTextTasks: Tasks = {
  generate: (context, prompt, options) => generate(answering(context), prompt, options),
  generateBatch: (context, prompts, options) => generateBatch(answering(context), prompts, options),
  stream: (context, prompt, options) => stream(answering(context), prompt, options),
  encode,
  embedBatch,
  readModules,
  arrangeFiles,

  async logits(context, ids, options = {}) {
    expectOptions("logits", options, ["signal", "decoder_input_ids"]);
    const answers = options.decoder_input_ids ?? [startOf(context)];
    return answer(context, ids, answers, options.signal, (row, rest) => decoderOf(context).logits(row, rest));
  },

  async hiddenStates(context, ids, options = {}) {
    if (options.decoder_input_ids === undefined) return encoderStates(context, ids, options);
    expectOptions("hiddenStates", options, ["signal", "decoder_input_ids"]);
    const { decoder_input_ids: answers, signal } = options;
    return answer(context, ids, answers, signal, (row, rest) => decoderOf(context).hiddenStates(row, rest));
  },
};
