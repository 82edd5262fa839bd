// The import direction of the packages: core and tokenizers import nothing, models imports both, cli imports models.
// It looks at the built JavaScript, whose imports are those of the sources; Biome checks that types are declared too.
const only = (from, to, comment) => ({
  name: `${from}-imports-only-${to || "nothing"}`,
  comment,
  severity: "error",
  from: { path: `^packages/${from}/dist` },
  to: { path: "^packages/", pathNot: `^packages/(${[from, ...to.split("-")].filter(Boolean).join("|")})/` },
});

module.exports = {
  forbidden: [
    only("core", "", "core is bytes in, numbers out, and stands alone"),
    only("tokenizers", "", "tokenizers is text in, ids out, and stands alone"),
    only("models", "core-tokenizers", "models builds on core and tokenizers"),
    only("cli", "models", "the command line uses the public API of models only"),
    {
      name: "no-reaching-inside",
      comment: "packages meet at their index, never at a file inside",
      severity: "error",
      from: { path: "^packages/([^/]+)/dist" },
      to: {
        path: "^packages/([^/]+)/dist/(?!index\\.|core\\.|node\\.|verify/index\\.|reference/index\\.|platform/file-source-node\\.)",
        pathNot: "^packages/$1/",
      },
    },
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    // What is joined for Node is made of the other files.
    exclude: { path: "node_modules|/dist/node/" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "default"],
    },
  },
};
