import type { Thread, ThreadSetup } from "../threads/thread.ts";

/** Cloudflare Workers have no threads. */
export const startThread: ((setup: ThreadSetup, url?: string | URL) => Thread) | undefined = undefined;
