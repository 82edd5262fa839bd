// A Cloudflare Worker: kernels and model files are modules of its upload, each piece is a line of the response.
import { Pipeline } from "kiloformer";
import files from "model-files";
import { describeError, tellAll } from "./story.js";

export default {
  async fetch(request) {
    const stories = await request.json();
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    const encoder = new TextEncoder();
    const line = (value) => writer.write(encoder.encode(`${JSON.stringify(value)}\n`));
    const run = async () => {
      try {
        const runs = await tellAll(
          Pipeline,
          () => files,
          stories,
          {},
          (piece) => line({ piece }),
        );
        await line({ runs });
      } catch (error) {
        await line(describeError(error));
      }
      await writer.close();
    };
    run();
    return new Response(readable, { headers: { "content-type": "application/x-ndjson" } });
  },
};
