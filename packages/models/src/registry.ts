import type { Architecture } from "./architecture.ts";
import { bert } from "./bert.ts";
import { distilbert } from "./distilbert.ts";
import { electra } from "./electra.ts";
import { gemma3 } from "./gemma3.ts";
import { gptNeo } from "./gpt-neo.ts";
import { gptNeox } from "./gpt-neox.ts";
import { gpt2 } from "./gpt2.ts";
import { llama } from "./llama.ts";
import { longt5 } from "./longt5.ts";
import { mistral } from "./mistral.ts";
import { modernbert } from "./modernbert.ts";
import { mpnet } from "./mpnet.ts";
import { phi3 } from "./phi3.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen3 } from "./qwen3.ts";
import { roberta } from "./roberta.ts";
import { smollm3 } from "./smollm3.ts";
import { staticEmbedding } from "./static-embedding.ts";
import { t5 } from "./t5.ts";

/** Every architecture that `kiloformer` opens. */
export const architectures: readonly Architecture[] = [
  ...[bert, roberta, distilbert, electra, mpnet, modernbert, staticEmbedding],
  ...[gpt2, gptNeo, gptNeox, llama, mistral, qwen2, qwen3, gemma3, phi3, smollm3],
  ...[t5, longt5],
];
