// Builds both kernel modules from one source, and checks what the loader relies on.
import { mkdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { decode } from "@webassemblyjs/wasm-parser";
import asc from "assemblyscript/asc";

const root = fileURLToPath(new URL("..", import.meta.url));
const builds = { simd: ["simd"], relaxed: ["simd", "relaxed-simd"] };
/** Where constants begin, and where they must end: everything else lies above. */
const constantsStart = 1024;
const constantsEnd = 65536;
const maximumBytes = 32 * 1024;

/** What is inlined is marked `@inline`: at shrink level 0 the compiler inlines so much that files are a quarter larger, and no faster. */
async function build(name, features) {
  const outFile = `dist/kernels-${name}.wasm`;
  const options = [
    "assembly/index.ts",
    "--outFile",
    outFile,
    "--baseDir",
    root,
    "--optimizeLevel",
    "3",
    "--shrinkLevel",
    "1",
    "--noAssert",
  ];
  options.push("--runtime", "stub", "--importMemory", "--noExportMemory", "--initialMemory", "1");
  options.push("--memoryBase", String(constantsStart), "--use", "abort=");
  for (const feature of features) options.push("--enable", feature);
  const { error, stderr } = await asc.main(options);
  if (error) throw new Error(`kernels-${name}: ${error.message}\n${stderr}`);
  const bytes = readFileSync(`${root}${outFile}`);
  check(outFile, bytes);
  return `${outFile} ${bytes.length} bytes`;
}

/** The only import is the memory, constants lie below 64 KiB, and the file is small. */
function check(file, bytes) {
  const imports = [];
  const ends = [];
  for (const { fields } of decode(bytes, { ignoreCodeSection: true, ignoreCustomNameSection: true }).body) {
    for (const field of fields) {
      if (field.type === "ModuleImport") imports.push(`${field.module}.${field.name}`);
      if (field.type === "Data") ends.push(Number(field.offset.args[0].value) + field.init.values.length);
    }
  }
  const expect = (what, wanted, got) => {
    if (wanted !== got) throw new Error(`${file}: expected ${what} ${wanted}, got ${got}`);
  };
  expect("imports", "env.memory", imports.join());
  expect(
    `constants below ${constantsEnd}`,
    true,
    ends.every((end) => end < constantsEnd),
  );
  expect(`at most ${maximumBytes} bytes`, true, bytes.length <= maximumBytes);
}

mkdirSync(`${root}dist`, { recursive: true });
const sizes = await Promise.all(Object.entries(builds).map(([name, features]) => build(name, features)));
console.log(sizes.join("\n"));
