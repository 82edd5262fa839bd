// A Worker's answer: each piece is a line of the response, and the last one is what all runs told.
import { describeError, tellAll } from "./story.js";

export async function respond(request, Pipeline, open) {
  const stories = await request.json();
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  const line = (value) => writer.write(encoder.encode(`${JSON.stringify(value)}\n`));
  const run = async () => {
    try {
      const runs = await tellAll(Pipeline, open, stories, {}, (piece) => line({ piece }));
      await line({ runs });
    } catch (error) {
      await line(describeError(error));
    }
    await writer.close();
  };
  run();
  return new Response(readable, { headers: { "content-type": "application/x-ndjson" } });
}
