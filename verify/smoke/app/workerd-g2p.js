// A Cloudflare Worker that has our own G2P from a static import of the package.
import { sayOwn } from "./own-g2p.js";

export default {
  fetch: async () => Response.json(await sayOwn()),
};
