// This runtime.

/** Opens a model in the dtype of its files; a count of threads that is not supported is an error of its own. */
export async function open({ build, threads }, host) {
  const { architectures, openBareModel } = await import("kiloformer");
  const files = await host.modelFiles();
  const options = { wasm: host.kernels, deterministic: build === "simd" };
  if (threads > 1) Object.assign(options, { threads, threadsFile: host.threadsFile });
  const bare = await openBareModel(files.files, architectures, options);
  const used = bare.context.runtime.build ?? build;
  if (used !== build) throw new Error(`expected the ${build} build, got ${used}`);
  await files.close();
  return bare.model.kind === "encoder-decoder"
    ? answering(bare)
    : bare.model.kind === "decoder"
      ? writing(bare)
      : reading(bare);
}

function reading({ encoder }) {
  return { encode: async (rows) => concatenate(await encoder.states(rows.map((ids) => ({ ids })))) };
}

function concatenate(parts) {
  if (parts.length === 1) return parts[0];
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    all.set(part, place);
    place += part.length;
  }
  return all;
}

function writing({ decoder }) {
  const feed = async (cache, ids) => (await decoder.step([{ cache, ids }]))[0];
  return {
    async start(prompt) {
      const cache = decoder.newCache();
      return { cache, logits: await feed(cache, prompt) };
    },
    next: ({ cache }, id) => feed(cache, [id]),
    end: ({ cache }) => cache.dispose(),
  };
}

function answering({ encoder, decoder }) {
  const writer = writing({ decoder });
  return {
    ...reading({ encoder }),
    start: async (ids) => ({ cache: decoder.newCache(await encoder.remember({ ids }, decoder.pool)) }),
    next: writer.next,
    end: writer.end,
  };
}
