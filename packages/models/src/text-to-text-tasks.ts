import type { EncoderDecoderModel } from "./architecture.ts";
import { embedBatch } from "./embedding/embed.ts";
import { arrangeFiles, readModules } from "./embedding/modules.ts";
import { encoderOf } from "./encoding/encoder.ts";
import { decoderOf } from "./generation/decoder.ts";
import { expectOptions } from "./options.ts";
import { encode, encoderStates } from "./pipeline/encoder-forwards.ts";
import { idList } from "./pipeline/forwards.ts";
import { generate, generateBatch, stream } from "./pipeline/generation.ts";
import type { TaskContext, Tasks } from "./pipeline/tasks.ts";

/** A decoder that has read what the encoder makes of ids. */
async function remember(context: TaskContext, ids: readonly number[], signal: AbortSignal) {
  return encoderOf(context).remember({ ids }, decoderOf(context).pool, { signal });
}

const answering = (context: TaskContext): TaskContext => ({ ...context, remember });

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
    const { decoderStartTokenId } = context.model as EncoderDecoderModel;
    const answer = idList(options.decoder_input_ids ?? [decoderStartTokenId]);
    const signal = context.signal(options.signal);
    const memory = await remember(context, idList(ids), signal);
    return decoderOf(context).logits(answer, { signal, memory });
  },

  async hiddenStates(context, ids, options = {}) {
    if (options.decoder_input_ids === undefined) return encoderStates(context, ids, options);
    expectOptions("hiddenStates", options, ["signal", "decoder_input_ids"]);
    const signal = context.signal(options.signal);
    const memory = await remember(context, idList(ids), signal);
    return decoderOf(context).hiddenStates(idList(options.decoder_input_ids), { signal, memory });
  },
};
