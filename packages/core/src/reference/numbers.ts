/** What the reference loops read and write: f32 as the kernels have it, or f64 to see the kernels' round-off. */
export type Numbers = Float32Array | Float64Array;
