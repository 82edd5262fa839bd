// What sentence_bert_config.json says of the transformer, which is a folder's first module.
import type { ConfigReader } from "../config.ts";
import type { ModuleConfig, ModuleFiles } from "./module-files.ts";
import { NO_LIMIT, type TextSettings } from "./texts.ts";

/** The names that the file has had. */
export const transformerSettings = ["bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"].map(
  (name) => `sentence_${name}_config.json`,
);

/** What a transformer is asked for, as the library names it. */
interface Wanted {
  readonly task: string;
  /** Of all that the model gives. */
  readonly output: string;
  /** What the next module knows it by. */
  readonly name: string;
}

/** Hidden states of the last layer. */
export const states: Wanted = { task: "feature-extraction", output: "last_hidden_state", name: "token_embeddings" };
/** A cross-encoder's logits. */
export const scores: Wanted = { task: "sequence-classification", output: "logits", name: "scores" };

/** Arguments of Python's `from_pretrained` that say where a model lies and how it computes, not what. */
const inertArguments = new Set(
  `trust_remote_code revision code_revision token use_auth_token cache_dir local_files_only force_download subfolder
  dtype torch_dtype attn_implementation device_map max_memory offload_folder offload_state_dict low_cpu_mem_usage
  use_safetensors weights_only add_pooling_layer use_cache output_attentions output_hidden_states return_dict
  use_fast padding_side clean_up_tokenization_spaces`.split(/\s+/),
);

/**
 * How texts are read, by the first of these files that is not empty.
 * @throws {ConfigError} `unsupported-value` where the model is to give something else, or to be opened in another way
 */
export async function readTransformer(files: ModuleFiles, wanted: Wanted): Promise<TextSettings> {
  for (const name of transformerSettings) {
    const settings = await files.config(name, (config) =>
      Object.keys(config.raw).length > 0 ? readSettings(config, wanted) : undefined,
    );
    if (settings) return settings;
  }
  return {};
}

function readSettings(config: ModuleConfig, { task, output, name }: Wanted): TextSettings {
  // Of queries and documents, which nobody tells apart here; of how a batch is put together.
  config.ignore("query_length", "document_length", "query_expansion", "unpad_inputs");
  config.refuse("transformer_task", `the model is for ${task}`, [task]);
  config.refuse("module_output_name", `the model gives ${name}`, [name]);
  expectPlainTexts(config, output);
  const encoding = config.raw.processing_kwargs;
  const isEmpty = Object.values(Object(encoding)).every((options) => Object.keys(Object(options)).length === 0);
  config.refuse("processing_kwargs", "texts are encoded as the tokenizer's files say", isEmpty ? [encoding] : []);
  for (const key of ["model_kwargs", "model_args", "config_kwargs", "config_args"]) expectInert(config, key);
  let maxLength = config.count("max_seq_length");
  for (const key of ["processor_kwargs", "tokenizer_args"]) {
    const options = expectInert(config, key, "model_max_length");
    if (!options?.has("model_max_length")) continue;
    // Python writes 1e30 where there is no limit.
    const most = options.number("model_max_length", 0);
    maxLength = most > NO_LIMIT ? undefined : options.integer("model_max_length");
  }
  return { maxLength, lowercases: config.boolean("do_lower_case", false) };
}

/** Texts are to go through the model as they are, and what comes out last is what is wanted. */
function expectPlainTexts(config: ModuleConfig, output: string): void {
  const kinds = config.object("modality_config");
  if (!kinds) return;
  kinds.ignore("image", "audio", "video");
  kinds.refuse("message", "texts would be put in the tokenizer's chat template");
  const text = kinds.object("text");
  if (!text) throw kinds.bad("text", "an object", "unsupported-value");
  text.ignore("format");
  text.refuse("method", "texts go through the whole model", ["forward"]);
  text.refuse("method_output_name", `only ${output} is read`, [output]);
}

/** What holds anyway. */
const usual: Readonly<Record<string, unknown>> = { truncation_side: "right" };

/** Arguments of Python's classes, none of which may change a number; `honoured` is read by the caller. */
function expectInert(config: ModuleConfig, key: string, honoured = ""): ConfigReader | undefined {
  const options = config.object(key);
  for (const name of Object.keys(Object(config.raw[key]))) {
    if (inertArguments.has(name)) options?.ignore(name);
    else if (name !== honoured) options?.refuse(name, "models are opened as their own files say", [usual[name]]);
  }
  return options;
}
