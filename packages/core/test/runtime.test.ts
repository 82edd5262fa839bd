import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import {
  chooseBuild,
  compileKernels,
  DisposedError,
  KiloformerError,
  MemoryError,
  nextTurn,
  OptionError,
  Runtime,
  RuntimeError,
  supportsBuild,
} from "../src/index.ts";
import { builds, failing } from "./builds.ts";

const kernels = (build: string) =>
  readFileSync(fileURLToPath(new URL(`../dist/kernels-${build}.wasm`, import.meta.url)));

describe("kernels are taken", () => {
  test("from bytes without a look at Response, for which Node would load all that fetches", async () => {
    const look = vi.fn();
    const own = Object.getOwnPropertyDescriptor(globalThis, "Response")!;
    Object.defineProperty(globalThis, "Response", { configurable: true, get: look });
    try {
      await Runtime.create({ wasm: kernels("simd") });
    } finally {
      Object.defineProperty(globalThis, "Response", own);
    }
    expect(look).not.toHaveBeenCalled();
  });

  test("from a response that is not the engine's own, such as undici's or happy-dom's", async () => {
    const refused = vi.spyOn(WebAssembly, "compileStreaming").mockRejectedValue(new TypeError("not a Response"));
    const wasm = new Response(kernels("simd"), { headers: { "content-type": "application/wasm" } });
    const runtime = await Runtime.create({ build: "simd", wasm });
    expect(refused).toHaveBeenCalledOnce();
    refused.mockRestore();
    runtime.dispose();
  });

  test("from a response in an engine that compiles no streams", async () => {
    vi.stubGlobal("WebAssembly", Object.assign(Object.create(WebAssembly), { compileStreaming: undefined }));
    const wasm = new Response(kernels("simd"), { headers: { "content-type": "application/wasm" } });
    const compiled = compileKernels("simd", wasm).finally(() => vi.unstubAllGlobals());
    expect(await compiled).toBeInstanceOf(WebAssembly.Module);
  });

  test("from bytes, a module, a response with any MIME type, or one file for each build", async () => {
    const bytes = kernels("simd");
    const response = (type: string) => new Response(bytes, { headers: { "content-type": type } });
    const options = [
      bytes,
      new WebAssembly.Module(bytes),
      response("application/wasm"),
      response("text/html"),
      { simd: bytes, relaxed: kernels("relaxed") },
    ];
    for (const wasm of options) {
      const runtime = await Runtime.create({ build: "simd", wasm });
      expect(runtime.kernels.gemm_f32).toBeTypeOf("function");
      runtime.dispose();
    }
  });

  test("from a URL that is fetched", async () => {
    const fetched = vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response(kernels("simd")));
    const runtime = await Runtime.create({ build: "simd", wasm: "https://example.org/kernels-simd.wasm" });
    expect(fetched).toHaveBeenCalledWith("https://example.org/kernels-simd.wasm");
    fetched.mockRestore();
    runtime.dispose();
  });

  test("from a file's URL in Node, which fetches none", async () => {
    const wasm = new URL("../dist/kernels-simd.wasm", import.meta.url);
    for (const given of [wasm, wasm.href]) (await Runtime.create({ build: "simd", wasm: given })).dispose();
    for (const url of ["file:///nowhere/kernels.wasm", "http://127.0.0.1:1/kernels.wasm"]) {
      await expect(compileKernels("simd", url)).rejects.toMatchObject({
        code: "kernels-not-found",
        message: expect.stringContaining(`${url}: expected a .wasm file, got: `),
      });
    }
  });

  test("but not from another module", async () => {
    const empty = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);
    // It imports a function.
    const importing = Uint8Array.of(...empty, 1, 4, 1, 96, 0, 0, 2, 7, 1, 1, 97, 1, 98, 0, 0);
    for (const wasm of [empty, importing]) {
      await expect(Runtime.create({ wasm })).rejects.toEqual(
        failing("wrong-kernels", "wasm: expected the kernels of this package, got another WebAssembly module"),
      );
    }
  });

  test("and a failure says which file, and what to do", async () => {
    const missing = new Response("gone", { status: 404 });
    await expect(compileKernels("simd", missing)).rejects.toEqual(
      failing("kernels-not-found", "wasm: expected a .wasm file, got HTTP 404"),
    );
    for (const none of [Uint8Array.of(1, 2, 3), null as never])
      await expect(Runtime.create({ wasm: none })).rejects.toMatchObject({ code: "kernels-refused" });
    await expect(compileKernels("relaxed", { simd: kernels("simd") })).rejects.toEqual(
      failing("no-kernels", "wasm: expected a file for the relaxed build, got none"),
    );
  });

  test.each([
    ["Chromium", "compile", "Refused to compile: 'unsafe-eval' is not an allowed source of script"],
    ["Firefox", "compile", "call to WebAssembly.compile() blocked by CSP"],
    ["WebKit", "instantiate", "Refused to create a WebAssembly object because 'wasm-unsafe-eval' is not allowed"],
  ] as const)("and a page's Content-Security-Policy that forbids them is named: %s", async (_, step, message) => {
    const refusing = vi.spyOn(WebAssembly, step).mockRejectedValue(new WebAssembly.CompileError(message));
    const created = Runtime.create({ wasm: kernels("simd"), build: "simd" });
    await expect(created).rejects.toMatchObject({
      code: "kernels-refused",
      message: expect.stringMatching(/^wasm: .* got: .* needs script-src 'wasm-unsafe-eval'/),
    });
    refusing.mockRestore();
  });
});

test("one file for either build is what it is, and an error where the other was asked for", async () => {
  const runtime = await Runtime.create({ wasm: kernels("simd") });
  expect(runtime.build).toBe("simd");
  if (!builds.includes("relaxed")) return;
  expect((await Runtime.create({ wasm: kernels("relaxed") })).build).toBe("relaxed");
  await expect(Runtime.create({ wasm: kernels("relaxed"), deterministic: true })).rejects.toEqual(
    failing("wrong-kernels", "wasm: expected the simd build, got the relaxed one"),
  );
});

describe("the build", () => {
  test("is the fastest that the engine runs, or the baseline if results must be equal everywhere", () => {
    expect(chooseBuild(false)).toBe(builds.at(-1));
    expect(chooseBuild(true)).toBe("simd");
  });

  test("is the baseline where no other is given, on every engine", async () => {
    expect((await Runtime.create({ wasm: { simd: kernels("simd") } })).build).toBe("simd");
    expect(chooseBuild(false, { simd: kernels("simd"), relaxed: kernels("relaxed") })).toBe(builds.at(-1));
    const relaxed = Runtime.create({ wasm: { relaxed: kernels("relaxed") }, deterministic: true });
    await expect(relaxed).rejects.toMatchObject({ code: "no-kernels" });
  });

  test("is the baseline where the processor rounds a product before it is added to, and nothing else is taken there", async () => {
    const { Instance } = WebAssembly;
    const unfused = vi.spyOn(WebAssembly, "Instance").mockImplementation(function instance(module) {
      const { f } = new Instance(module).exports as { f: (a: number, c: number) => number };
      // What is left of a product that was not rounded is lost; the other build's probe gives its operand.
      return { exports: { f: (a: number, c: number) => Math.trunc(f(a, c)) } };
    });
    try {
      expect(supportsBuild("relaxed")).toBe(false);
      expect(chooseBuild(false, { simd: kernels("simd"), relaxed: kernels("relaxed") })).toBe("simd");
      for (const options of [{}, { build: "relaxed" }] as const) {
        if (!builds.includes("relaxed")) break;
        await expect(Runtime.create({ wasm: kernels("relaxed"), ...options })).rejects.toEqual(
          failing("wrong-kernels", "wasm: expected the simd build, got the relaxed one"),
        );
      }
    } finally {
      unfused.mockRestore();
    }
  });

  test("is what the engine takes where a policy forbids to compile at once", () => {
    const forbidden = vi.spyOn(WebAssembly, "Module").mockImplementation(() => {
      throw new WebAssembly.CompileError("Wasm code generation disallowed by embedder");
    });
    expect((["simd", "relaxed"] as const).filter(supportsBuild)).toEqual(builds);
    forbidden.mockRestore();
  });

  test("R7 engines without SIMD or without WebAssembly are named", () => {
    const validate = vi.spyOn(WebAssembly, "validate").mockReturnValue(false);
    expect(() => chooseBuild(false)).toThrow(
      failing("no-simd", "runtime: expected an engine with WebAssembly SIMD, got one without"),
    );
    validate.mockRestore();
    vi.stubGlobal("WebAssembly", undefined);
    expect(() => chooseBuild(false)).toThrow(
      failing("no-wasm", "runtime: expected an engine with WebAssembly, got one without"),
    );
    expect(supportsBuild("simd")).toBe(false);
    vi.unstubAllGlobals();
  });
});

test("an engine that gives no memory at all is a MemoryError", async () => {
  const memory = vi.spyOn(WebAssembly, "Memory").mockImplementation(() => {
    throw new RangeError("could not allocate memory");
  });
  await expect(Runtime.create()).rejects.toEqual(
    failing("no-memory", "runtime: expected WebAssembly memory, got none: the engine refused"),
  );
  memory.mockRestore();
});

test("a disposed runtime refuses everything, and disposing it twice does nothing", async () => {
  const runtime = await Runtime.create();
  runtime.dispose();
  runtime.dispose();
  expect(runtime.disposed).toBe(true);
  expect(() => runtime.allocate([1])).toThrow(DisposedError);
});

test("every error is a KiloformerError, also one of another package that shares the symbol", () => {
  const foreign = Object.defineProperty(new Error("foreign"), Symbol.for("kiloformer.error"), { value: true });
  expect(foreign).toBeInstanceOf(KiloformerError);
  expect(foreign).not.toBeInstanceOf(MemoryError);
  expect(new MemoryError("code", "message")).toBeInstanceOf(KiloformerError);
  expect(new MemoryError("code", "message").name).toBe("MemoryError");
  expect(new Error("plain")).not.toBeInstanceOf(KiloformerError);
  expect(null).not.toBeInstanceOf(KiloformerError);
  expect(new RuntimeError("code", "message")).not.toBeInstanceOf(MemoryError);
});

test.each([
  null,
  5,
  [[]],
  { banana: 1 },
  { build: "banana" },
  { limitBytes: -1 },
  { limitBytes: "5" },
  { deterministic: "no" },
  { debug: 1 },
])("is not made with options %j", async (options) => {
  await expect(Runtime.create(options as never)).rejects.toBeInstanceOf(OptionError);
});

test("a clock that stands still, as tests of programs have it, holds no turn back", async () => {
  vi.useFakeTimers({ toFake: ["setImmediate", "setTimeout"] });
  try {
    await nextTurn();
  } finally {
    vi.useRealTimers();
  }
});
