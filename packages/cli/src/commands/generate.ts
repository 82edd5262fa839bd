import type { Command } from "commander";
import type { GenerationOptions, Pipeline } from "kiloformer";
import { readAll } from "../lines.ts";
import { generationOptions, neededOption, toGenerationOptions } from "../options.ts";
import { dtypeOption, type HoldingOptions, threadsOption, withPipeline } from "../pipeline.ts";
import { print, type Terminal } from "../terminal.ts";

interface GenerateOptions extends HoldingOptions {
  readonly model: string;
  readonly prompt: string;
  readonly stop?: readonly string[];
  readonly truncate?: boolean;
  readonly json?: boolean;
}

const examples = `
A sampling option (temperature, top-k, top-p, min-p, typical-p, seed) turns sampling on; without one the likeliest token is taken,
unless the model's files say otherwise.

Examples:
  kiloformer generate --model ./stories --prompt "Once upon a time"
  kiloformer generate --model ./stories --prompt "Once" --temperature 0.8 --top-p 0.9 --seed 7
  kiloformer generate --model ./stories --prompt - --json < prompt.txt`;

/** Adds `kiloformer generate`. */
export function addGenerate(program: Command, terminal: Terminal): void {
  const command = program
    .command("generate")
    .description("continue a prompt, printing the new text as it comes")
    .addOption(neededOption("--model <PATH>", "folder or packed file of a language model"))
    .addOption(
      neededOption("--prompt <TEXT>", "text to continue; - reads standard input, less the line break that ends it"),
    );
  for (const option of generationOptions()) command.addOption(option);
  command
    .option("--stop <TEXT...>", "end the text where one of these comes")
    .option("--truncate", "keep the end of a prompt that is too long for the model")
    .addOption(dtypeOption())
    .addOption(threadsOption())
    .option("--json", 'one JSON object at the end: {"text", "ids", "prompt_ids", "finish_reason"}')
    .addHelpText("after", examples)
    .action((options: GenerateOptions) => generate(options, terminal));
}

async function generate(parsed: GenerateOptions, terminal: Terminal): Promise<void> {
  const { signal, stdin } = terminal;
  const options = {
    ...toGenerationOptions({ ...parsed }),
    stop_strings: parsed.stop,
    truncate: parsed.truncate,
    signal,
  };
  const write = parsed.json ? writeJson : writeStream;
  const prompt = parsed.prompt === "-" ? await readAll(stdin, signal) : parsed.prompt;
  await withPipeline(parsed.model, terminal, (pipeline) => write(pipeline, prompt, options, terminal), parsed);
}

type Write = (pipeline: Pipeline, prompt: string, options: GenerationOptions, terminal: Terminal) => Promise<void>;

const writeJson: Write = async (pipeline, prompt, options, terminal) => {
  const result = await pipeline.generate(prompt, { ...options, return_dict_in_generate: true });
  const { text, ids, promptIds, finishReason } = result;
  await print(terminal, `${JSON.stringify({ text, ids, prompt_ids: promptIds, finish_reason: finishReason })}\n`);
};

const writeStream: Write = async (pipeline, prompt, options, terminal) => {
  let last = "";
  try {
    for await (const piece of pipeline.stream(prompt, options)) {
      await print(terminal, piece);
      last = piece;
    }
  } finally {
    // Also after Ctrl-C or an error: what follows begins on a line of its own.
    if (last !== "" && !last.endsWith("\n")) await print(terminal, "\n");
  }
};
