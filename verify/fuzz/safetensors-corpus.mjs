// Writes generated files and what the parser says of them, for verify/python/safetensors_differential.py:
//   node verify/fuzz/safetensors-corpus.mjs OUT [count [seed]]
// A record is a line of JSON, {size, verdict, content}, and the file's bytes.
import { closeSync, openSync, writeSync } from "node:fs";
import { importTypeScript } from "./bundle.mjs";

const [out, count = "200000", seed = "1"] = process.argv.slice(2);
if (!out) {
  console.error("usage: node verify/fuzz/safetensors-corpus.mjs OUT [count [seed]]");
  process.exit(2);
}
const { samples } = await importTypeScript("safetensors");
const file = openSync(out, "w");
for (const { bytes, verdict, content } of samples(Number(count), Number(seed))) {
  writeSync(file, `${JSON.stringify({ size: bytes.length, verdict, content })}\n`);
  writeSync(file, bytes);
}
closeSync(file);
