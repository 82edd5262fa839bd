// Runs per.ts: node verify/g2p/per.mjs hypotheses.tsv ../shared/data/g2p/cmudict.dict
import { run } from "./scorer.mjs";

try {
  run(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}
