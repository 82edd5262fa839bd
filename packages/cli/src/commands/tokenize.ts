import { type Command, Option } from "commander";
import { KiloformerError, Tokenizer } from "kiloformer";
import { UsageError } from "../errors.ts";
import { batches, lineBatches } from "../lines.ts";
import { neededOption } from "../options.ts";
import { note, print, type Terminal } from "../terminal.ts";
import { readTokenizerFiles } from "../tokenizer-files.ts";

interface TokenizeOptions {
  readonly tokenizer: string;
  readonly pair?: string;
  readonly special: boolean;
  readonly codePoints?: boolean;
  readonly rule?: "sentencepiece" | "huggingface";
  readonly json?: boolean;
  readonly decode?: boolean;
}

/** What one line of input asks for. */
interface Item {
  readonly text: string;
  readonly pair?: string;
  readonly add_special_tokens?: boolean;
}

const examples = `
Without --json a line of ids is printed for each text. With --json and no TEXT, each line of standard input is an
object {"text", "pair"?, "add_special_tokens"?}, and each line of output {"ids", "tokens", "offsets", "decoded"};
offsets count UTF-16 code units, as text.slice does in JavaScript; empty lines are passed over.

Examples:
  kiloformer tokenize --tokenizer tokenizer.json "Hello world"
  kiloformer tokenize --tokenizer ./bert-base-uncased --pair "An answer." --json "A question?"
  kiloformer tokenize --tokenizer tokenizer.model --json < texts.jsonl
  kiloformer tokenize --tokenizer tokenizer.json --decode "101 7592 2088 102"`;

/** Adds `kiloformer tokenize`. */
export function addTokenize(program: Command, terminal: Terminal): void {
  program
    .command("tokenize")
    .description("text to token ids, and back")
    .argument("[TEXT...]", "texts, or lists of ids with --decode; without any, the lines of standard input")
    .addOption(
      neededOption("--tokenizer <PATH>", "tokenizer.json, .model, .tiktoken, vocab.txt, vocab.json, or a folder"),
    )
    .option("--pair <TEXT>", "a second text for each text")
    .option("--no-special", "leave out the tokens that the model expects around a text")
    .option("--code-points", "offsets count code points")
    .addOption(
      new Option("--rule <NAME>", "whose rules count where files have both").choices(["sentencepiece", "huggingface"]),
    )
    .option("--json", "JSON lines, in and out")
    .option("--decode", "ids to text")
    .addHelpText("after", examples)
    .action((texts: string[], options: TokenizeOptions) => tokenize(texts, options, terminal));
}

async function tokenize(texts: readonly string[], options: TokenizeOptions, terminal: Terminal): Promise<void> {
  const { stdin, signal } = terminal;
  checkCombination(options);
  const tokenizer = Tokenizer.from(await readTokenizerFiles(options.tokenizer), { rule: options.rule });
  const fromInput = texts.length === 0;
  if (fromInput && stdin.isTTY) note(terminal, `${tokenizer.description}; type a line at a time, Ctrl-D ends`);
  const convert = options.decode ? decodeLine : fromInput && options.json ? encodeObject : encodeText;
  let line = 0;
  for await (const batch of fromInput ? lineBatches(stdin, signal) : batches(texts)) {
    signal?.throwIfAborted();
    const lines: string[] = [];
    try {
      for (const text of batch) {
        line++;
        if (!(fromInput && options.json && text.trim() === "")) lines.push(convert(tokenizer, text, options, line));
      }
    } catch (error) {
      if (!fromInput || !(error instanceof KiloformerError)) throw error;
      throw new UsageError(`line ${line}: ${error.message}`, undefined, { cause: error });
    } finally {
      // What came before a line that is wrong has its answers.
      if (lines.length > 0) await print(terminal, `${lines.join("\n")}\n`);
    }
  }
}

/** @throws {UsageError} where an option would change nothing */
function checkCombination({ decode, json, pair, special, codePoints }: TokenizeOptions): void {
  const given = { "--pair": pair !== undefined, "--no-special": !special, "--code-points": codePoints === true };
  const idle = Object.entries(given).find(([, isGiven]) => isGiven && decode)?.[0];
  if (idle) throw new UsageError(`${idle}: expected texts to encode, got --decode`);
  if (codePoints && !json) throw new UsageError("--code-points: expected --json, which prints offsets, got none");
}

function encodeText(tokenizer: Tokenizer, text: string, options: TokenizeOptions): string {
  return encode(tokenizer, { text, pair: options.pair }, options);
}

function encodeObject(tokenizer: Tokenizer, line: string, options: TokenizeOptions, number: number): string {
  const item: unknown = parse(line, number);
  if (Object(item) !== item || Array.isArray(item)) {
    throw new UsageError(`line ${number}: expected an object with a text, got ${line.slice(0, 40)}`);
  }
  return encode(tokenizer, { pair: options.pair, ...(item as Item) }, options);
}

function encode(tokenizer: Tokenizer, { text, pair, add_special_tokens }: Item, options: TokenizeOptions): string {
  const encoding = tokenizer.encode(text, {
    add_special_tokens: add_special_tokens ?? options.special,
    ...(pair !== undefined && pair !== null && { text_pair: pair }),
    ...(options.codePoints && { offsets: "code_points" }),
  });
  const { ids, tokens, offsets } = encoding;
  return options.json ? JSON.stringify({ ids, tokens, offsets, decoded: tokenizer.decode(ids) }) : ids.join(" ");
}

/** Ids as a JSON list, or with spaces or commas between. */
function decodeLine(tokenizer: Tokenizer, line: string, options: TokenizeOptions, number: number): string {
  const value: unknown = /^\s*[[{]/.test(line)
    ? parse(line, number)
    : line
        .split(/[\s,]+/)
        .filter(Boolean)
        .map((id) => readId(id, number));
  const ids = Array.isArray(value) ? value : (value as { ids?: unknown }).ids;
  if (!Array.isArray(ids)) throw new UsageError(`line ${number}: expected a list of ids, got ${line.slice(0, 40)}`);
  const text = tokenizer.decode(ids, { skip_special_tokens: true });
  return options.json ? JSON.stringify({ ids, text }) : text;
}

function readId(id: string, number: number): number {
  if (/^\d+$/.test(id)) return Number(id);
  throw new UsageError(`line ${number}: expected ids in decimal digits, got ${id.slice(0, 40)}`);
}

function parse(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new UsageError(`line ${number}: expected JSON, got ${line.slice(0, 40)}`, undefined, { cause });
  }
}
