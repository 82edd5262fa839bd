import { readFileSync } from "node:fs";
import { Command } from "commander";
import { addG2P } from "./commands/g2p.ts";
import { addGenerate } from "./commands/generate.ts";
import { addInspect } from "./commands/inspect.ts";
import { addPack } from "./commands/pack.ts";
import { addQuantize } from "./commands/quantize.ts";
import { addTokenize } from "./commands/tokenize.ts";
import { addVerify } from "./commands/verify.ts";
import { report, usageError } from "./errors.ts";
import { checkNeeded } from "./options.ts";
import { type Terminal, watchErrors } from "./terminal.ts";

const examples = `
Examples:
  kiloformer g2p "Hello 안녕하세요"
  kiloformer generate --model ./stories --prompt "Once upon a time" --temperature 0.8
  kiloformer inspect ./stories
  kiloformer quantize ./stories --dtype q8 -o ./stories-q8
  kiloformer pack ./my-g2p -o g2p.wasm
  kiloformer tokenize --tokenizer tokenizer.json "Hello world"
  kiloformer verify ./references/bert

kiloformer <command> --help shows a command's options and examples.`;

/**
 * Runs one command line and gives the exit code: 0, 1 after an error, 130 after Ctrl-C.
 * @param argv what follows `kiloformer`
 */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  watchErrors(terminal);
  const program = createProgram(terminal);
  try {
    await program.parseAsync(argumentsOf(argv, program), { from: "user" });
    return 0;
  } catch (error) {
    const command = argv.find((argument) => program.commands.some((command) => command.name() === argument));
    const name = ["kiloformer", command].join(" ").trimEnd();
    return report(error, terminal, name, program.opts().verbose === true);
  }
}

/** Nothing asks for help; help with a command that is none is the same mistake as that command. */
function argumentsOf([first, ...others]: readonly string[], { commands }: Command): string[] {
  if (first === undefined) return ["--help"];
  const isLost = first === "help" && others.length > 0 && !commands.some((command) => command.name() === others[0]);
  return isLost ? others : [first, ...others];
}

function createProgram(terminal: Terminal): Command {
  const program = new Command("kiloformer")
    .description("Opens Hugging Face model files and runs them: no Python, no server, no conversion.")
    .version(readVersion())
    .option("--verbose", "after an error, show where it came from")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      // Errors are reported once, in `report`.
      outputError: () => {},
    })
    .addHelpText("after", examples);
  addG2P(program, terminal);
  addGenerate(program, terminal);
  addInspect(program, terminal);
  addPack(program, terminal);
  addQuantize(program, terminal);
  addTokenize(program, terminal);
  addVerify(program, terminal);
  program.hook("preAction", (_, command) => checkNeeded(command));
  for (const command of [program, ...program.commands]) {
    const name = command === program ? "kiloformer" : `kiloformer ${command.name()}`;
    command.exitOverride((error) => {
      throw usageError(error, name);
    });
  }
  return program;
}

function readVersion(): string {
  return JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).version;
}
