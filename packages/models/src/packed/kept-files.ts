import type { Source, TensorReader } from "@kiloformer/core";
import type { Plan } from "../pipeline/load.ts";

/** Where a packed module has a tensor that is read beside the weights: a table's rows of tokens. */
export const tensorFile = (name: string) => `tensors/${name}`;

/** Keeps what a load reads whole: the small files beside the weights. */
export class KeptFiles {
  readonly #bytes = new Map<Source, Uint8Array>();
  readonly #tensors = new Map<string, Uint8Array>();

  /** The same sources, watched. */
  watch(sources: ReadonlyMap<string, Source>): Map<string, Source> {
    return new Map([...sources].map(([name, source]) => [name, this.#watched(source)]));
  }

  /** A plan's files, watched where planning made them. */
  watchPlan<C extends TensorReader>(plan: Plan<C>): Plan {
    const { tensors } = plan.checkpoint;
    const read = async (name: string, signal?: AbortSignal) => {
      const bytes = await plan.checkpoint.read(name, signal);
      this.#tensors.set(tensorFile(name), bytes);
      return bytes;
    };
    const watched = [...plan.sources].map(([name, source]) => {
      return [name, this.#bytes.has(source) ? source : this.#watched(source)] as const;
    });
    return { ...plan, sources: new Map(watched), checkpoint: { tensors, read } };
  }

  /** What was read so far, by the names that a plan has for it; the config as it was parsed. */
  of({ sources, config }: Pick<Plan, "sources" | "config">): Map<string, Uint8Array> {
    const read = [...sources].flatMap(([name, source]) => {
      const bytes = this.#bytes.get(source);
      return bytes ? [[name, bytes] as const] : [];
    });
    const plain = new TextEncoder().encode(JSON.stringify(config));
    return new Map([...read, ["config.json", plain], ...this.#tensors]);
  }

  #watched(source: Source): Source {
    const keep = (bytes: Uint8Array | undefined) => {
      if (bytes) this.#bytes.set(watched, bytes);
      return bytes;
    };
    const watched: Source = {
      name: source.name,
      get size() {
        return source.size;
      },
      sequential: source.sequential,
      remote: source.remote,
      async read(offset, length, signal) {
        const bytes = await source.read(offset, length, signal);
        if (offset === 0 && length === source.size) keep(bytes);
        return bytes;
      },
      readInto: source.readInto && ((offset, target, signal) => source.readInto!(offset, target, signal)),
      expectSize: source.expectSize && ((size, signal) => source.expectSize!(size, signal)),
      readToEnd: source.readToEnd && (async (most, signal) => keep(await source.readToEnd!(most, signal))),
    };
    return watched;
  }
}
