import { OptionError } from "@kiloformer/core";
import type { ChatOptions, DecodeStream, Tokenizer } from "@kiloformer/tokenizers";
import { show } from "../config.ts";
import { decoderOf } from "../generation/decoder.ts";
import {
  type FinishReason,
  generateIds,
  generateRows,
  type PromptState,
  type Sequence,
  type TokenLogprob,
} from "../generation/generate.ts";
import { type GenerationOptions, type GenerationSettings, resolveGenerationOptions } from "../generation/options.ts";
import { anything, badOption } from "../options.ts";
import { cleaned } from "./clean-up.ts";
import { idList } from "./forwards.ts";
import { knownIds, type TaskContext, tokenizerOf } from "./tasks.ts";

/** A turn of a conversation. */
export interface ChatMessage {
  readonly role: string;
  readonly content: unknown;
}

/** Text, ids that are already encoded, or a conversation, which the model's chat template turns into a prompt. */
export type Prompt = string | readonly number[] | Int32Array | readonly ChatMessage[];

/** What `generate` gives with `return_dict_in_generate`. */
export interface GenerationResult {
  /** The new text only. */
  readonly text: string;
  /** The new ids only, without the end-of-text id. */
  readonly ids: readonly number[];
  /** The ids that were fed first: for a model with an encoder what its decoder began with. */
  readonly promptIds: readonly number[];
  /** `stop` at an end-of-text id or a stop string, `length` at a limit. */
  readonly finishReason: FinishReason;
  /** The end-of-text id that ended the text, if one did. */
  readonly eosTokenId?: number;
  /** Of a beam: the sum of its log probabilities, divided by its length to the power of `length_penalty`. */
  readonly score?: number;
  /** With `logprobs`: for each new id its log probability, and the likeliest others. */
  readonly logprobs?: readonly TokenLogprob[];
}

/** How a conversation becomes a prompt. */
interface ChatCall {
  /** For conversations: the module `@huggingface/jinja`, and variables of the template. */
  readonly chat?: ChatOptions;
}

/** Options of `stream`, which gives the pieces of one text. */
export interface StreamOptions extends Omit<GenerationOptions, "logprobs" | "num_return_sequences">, ChatCall {
  /** Called with each new id, before its text; what it promises is waited for. */
  readonly on_token?: (id: number) => unknown;
}

/** Options of `generateBatch`. */
export interface BatchOptions extends GenerationOptions, ChatCall {
  /** True: results with ids and reasons instead of texts. Default false. */
  readonly return_dict_in_generate?: boolean;
}

/** Options of `generate`. */
export interface CallOptions extends BatchOptions {
  /** Called with each piece of text as it becomes certain, as `stream` gives them; what it promises is waited for. */
  readonly on_text?: (piece: string) => unknown;
  /** Called with each new id; what it promises is waited for. */
  readonly on_token?: (id: number) => unknown;
}

/** What only some calls take: it is looked at where it is used. */
const ownOptions = {
  generate: { return_dict_in_generate: anything, on_text: anything, on_token: anything, chat: anything },
  generateBatch: { return_dict_in_generate: anything, chat: anything },
  stream: { on_token: anything, chat: anything },
} as const;

/** Prompts of one call. */
const MOST_PROMPTS = 100_000;

export async function generate(context: TaskContext, prompt: Prompt, options: CallOptions = {}): Promise<unknown> {
  const { on_text, on_token, ...rest } = options;
  expectFunctions("generate", { on_text, on_token });
  if (on_text || on_token) return listen(context, prompt, options);
  const call = new Call("generate", context, rest);
  const [sequences] = await call.run([prompt]);
  const results = sequences.map((sequence) => call.result(sequence));
  return rest.num_return_sequences === undefined ? results[0] : results;
}

export async function generateBatch(
  context: TaskContext,
  prompts: readonly Prompt[],
  options: BatchOptions = {},
): Promise<unknown> {
  if (!Array.isArray(prompts)) {
    throw new OptionError("bad-prompts", `generateBatch: expected an array of prompts, got ${show(prompts)}`);
  }
  if (prompts.length > MOST_PROMPTS) {
    const message = `generateBatch: expected at most ${MOST_PROMPTS} prompts, got ${prompts.length}`;
    throw new OptionError("too-many-prompts", message);
  }
  const call = new Call("generateBatch", context, options);
  // Spread, as `map` passes over holes.
  const rows = await call.run([...prompts]);
  const results = rows.map((sequences) => sequences.map((sequence) => call.result(sequence)));
  return options.num_return_sequences === undefined ? results.map(([first]) => first) : results;
}

export async function* stream(
  context: TaskContext,
  prompt: Prompt,
  { on_token, ...options }: StreamOptions = {},
): AsyncGenerator<string, void> {
  expectFunctions("stream", { on_token });
  for (const option of ["return_dict_in_generate", "logprobs"] as const) {
    if (((options as BatchOptions)[option] ?? false) === false) continue;
    const message = `stream: expected no ${option}, as pieces of text are all that it gives`;
    throw new OptionError("unknown-option", message, { option });
  }
  yield* new Call("stream", context, options).pieces(prompt, on_token);
}

/** `generate` whose caller is told of each piece. */
async function listen(context: TaskContext, prompt: Prompt, options: CallOptions): Promise<unknown> {
  const { on_text, on_token, ...rest } = options;
  if ((rest.num_return_sequences ?? 1) > 1) {
    const message = "generate: expected no num_return_sequences beside on_text and on_token, which tell of one text";
    throw new OptionError("conflicting-options", message, { options: ["num_return_sequences", "on_text"] });
  }
  if (on_text) tokenizerOf(context, "generate", " beside the model, or no on_text, got neither");
  const call = new Call("generate", context, rest);
  const pieces = call.pieces(prompt, on_token);
  try {
    for (;;) {
      const step = await pieces.next();
      if (!step.done) await on_text?.(step.value);
      else {
        const result = call.result(step.value);
        return rest.num_return_sequences === undefined ? result : [result];
      }
    }
  } finally {
    await pieces.return(undefined as never);
  }
}

/** One call: its settings, and how prompts and results are read and written. */
class Call {
  readonly settings: GenerationSettings;
  readonly #name: keyof typeof ownOptions;
  readonly #context: TaskContext;
  readonly #whole: boolean;
  readonly #chat: ChatOptions | undefined;

  constructor(
    name: keyof typeof ownOptions,
    context: TaskContext,
    { return_dict_in_generate: whole = false, chat, ...options }: BatchOptions,
  ) {
    if (typeof whole !== "boolean") {
      throw badOption(name, "return_dict_in_generate", "true or false", whole);
    }
    if (options.logprobs !== undefined && options.logprobs !== false && !whole) {
      const message = `${name}: expected return_dict_in_generate: true beside logprobs, as a text has no place for them`;
      throw new OptionError("conflicting-options", message, { options: ["logprobs", "return_dict_in_generate"] });
    }
    this.#name = name;
    this.#context = context;
    this.#whole = whole;
    this.#chat = chat;
    const settings = resolveGenerationOptions(
      options,
      context.defaults,
      decoderOf(context).vocabSize,
      name,
      ownOptions[name],
    );
    this.settings = { ...settings, signal: context.signal(settings.signal) };
    const other = " beside the model, or return_dict_in_generate: true, got neither";
    if (!whole) tokenizerOf(context, name, name === "stream" ? undefined : other);
  }

  run(prompts: readonly Prompt[]): Promise<(readonly Sequence[])[]> {
    const encoded = prompts.map((prompt) => this.#encode(prompt));
    return generateRows(
      decoderOf(this.#context),
      encoded.map((ids) => () => this.#begin(ids)),
      this.settings,
      this.#newTextStream(),
    );
  }

  /** Pieces of text as they become certain; without a tokenizer none. Whoever stops listening gives the caches back. */
  async *pieces(prompt: Prompt, on_token?: CallOptions["on_token"]): AsyncGenerator<string, Sequence> {
    const state = await this.#begin(this.#encode(prompt));
    const ids = generateIds(decoderOf(this.#context), state, this.settings, this.#newTextStream());
    try {
      const text = this.#prints ? this.textStream(this.#shown(state.ids)) : undefined;
      for (;;) {
        const step = await ids.next();
        if (!step.done && on_token) await on_token(step.value);
        const piece = (step.done ? text?.end() : text?.push(step.value)) ?? "";
        if (piece !== "") yield piece;
        if (step.done) return step.value;
      }
    } finally {
      await ids.return(undefined as never);
    }
  }

  /** The text that stop strings are looked for in: a special token may be one. */
  #newTextStream() {
    return this.#context.tokenizer ? (ids: readonly number[]) => this.textStream(ids, false) : undefined;
  }

  /** Ids whose text stands before the new text: an encoder's answer begins with nothing. */
  #shown(ids: readonly number[]): readonly number[] {
    return this.#context.remember ? [] : ids;
  }

  /** Whether ids are printed: a result that has them does without a tokenizer. */
  get #prints(): boolean {
    const { tokenizer } = this.#context;
    return tokenizer !== undefined && !(this.#whole && tokenizer instanceof Error);
  }

  result(sequence: Sequence): GenerationResult | string {
    const ids = sequence.ids.slice(sequence.promptLength);
    const promptIds = sequence.ids.slice(0, sequence.promptLength);
    let text = "";
    if (this.#prints) {
      const stream = this.textStream(this.#shown(promptIds));
      for (const id of ids) text += stream.push(id);
      text += stream.end();
    }
    if (!this.#whole) return text;
    const { finishReason, eosTokenId, score, logprobs } = sequence;
    return {
      ...{ text, ids, promptIds, finishReason },
      ...(eosTokenId === undefined ? {} : { eosTokenId }),
      ...(score === undefined ? {} : { score }),
      ...(logprobs === undefined ? {} : { logprobs }),
    };
  }

  /**
   * Text of new ids; after a prompt, the space before its first word counts.
   * @param skip whether special tokens are left out; a stop string may be one
   */
  textStream(promptIds: readonly number[], skip = true): DecodeStream {
    const tokenizer = tokenizerOf(this.#context, "stream");
    const prefix_ids = knownIds(tokenizer, promptIds);
    const plain = tokenizer.decodeStream({ prefix_ids, skip_special_tokens: skip });
    const { cleansUp, cleanUp } = (tokenizer as Partial<Tokenizer>).parts ?? {};
    const stream = skip && cleansUp && cleanUp ? cleaned(plain, cleanUp) : plain;
    // A model may have more rows than its tokenizer has tokens: such an id prints nothing.
    return { push: (id) => (tokenizer.idToToken(id) === undefined ? "" : stream.push(id)), end: () => stream.end() };
  }

  /** What the decoder begins with. */
  async #begin(ids: readonly number[]): Promise<PromptState> {
    const context = this.#context;
    const decoder = decoderOf(context);
    if (!context.remember) return { ids, cache: decoder.newCache() };
    const memory = await context.remember(context, ids, this.settings.signal as AbortSignal);
    return { ids: [context.decoderStartTokenId as number], cache: decoder.newCache(memory) };
  }

  #encode(prompt: Prompt): readonly number[] {
    if (isConversation(prompt)) return this.#encodeChat(prompt);
    if (this.#chat !== undefined) {
      const message = `${this.#name}: expected a conversation beside chat, got a prompt that has no turns`;
      throw new OptionError("conflicting-options", message, { options: ["chat"] });
    }
    if (typeof prompt !== "string") return idList(prompt as readonly number[]);
    const tokenizer = tokenizerOf(this.#context, this.#name, " beside the model, or ids as the prompt, got text");
    const { ids } = tokenizer.encode(prompt);
    if (ids.length > 0) return ids;
    const message = `${this.#name}: expected at least one token, got an empty prompt and no begin token`;
    throw new OptionError("empty-prompt", message);
  }

  #encodeChat(messages: readonly ChatMessage[]): readonly number[] {
    const tokenizer = tokenizerOf(
      this.#context,
      this.#name,
      " with a chat template, or a text as the prompt, got messages",
    );
    const wrong = messages.findIndex((message) => typeof message?.role !== "string");
    if (wrong >= 0) {
      throw new OptionError("bad-prompt", `${this.#name}: expected messages with a role, got ${show(messages[wrong])}`);
    }
    if (typeof this.#chat !== "object" || this.#chat === null) {
      const message = `${this.#name}: expected the option chat: { jinja } with a conversation, got none`;
      throw new OptionError("missing-option", message, { option: "chat" });
    }
    if (!("applyChatTemplate" in tokenizer)) {
      throw new OptionError(
        "no-chat",
        `${this.#name}: expected a tokenizer with chat templates, got ${tokenizer.kind}`,
      );
    }
    const goesOn = Boolean(this.#chat.continue_final_message);
    const options = { add_generation_prompt: !goesOn, ...this.#chat, tokenize: true as const };
    return (tokenizer as Tokenizer).applyChatTemplate(messages, options).ids;
  }
}

function isConversation(prompt: Prompt): prompt is readonly ChatMessage[] {
  return Array.isArray(prompt) && prompt.some((turn) => typeof turn === "object");
}

function expectFunctions(call: string, callbacks: Readonly<Record<string, unknown>>): void {
  for (const [name, callback] of Object.entries(callbacks)) {
    if (callback === undefined || typeof callback === "function") continue;
    throw badOption(call, name, "a function", callback);
  }
}
