import type { StartThread } from "../threads/thread.ts";

/** Cloudflare Workers have no threads. */
export const startThread: StartThread = undefined;
