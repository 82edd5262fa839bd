/** What a bundler makes of a `.wasm` file: its address, its bytes or a compiled module. The option `wasm` takes each. */
declare const file: string & BufferSource & WebAssembly.Module;
export default file;
