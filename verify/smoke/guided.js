// In browsers that no test can drive, a page asks the server what to call, tells what came of it, and goes where it is sent.
const post = async (path, value) => (await fetch(path, { method: "POST", body: JSON.stringify(value) })).json();

const problems = [];
globalThis.addEventListener("error", ({ message }) => problems.push(message));
globalThis.addEventListener("unhandledrejection", ({ reason }) => problems.push(String(reason)));

async function run({ call, argument }) {
  try {
    return { result: await globalThis[call](argument) };
  } catch (error) {
    return { failure: [String(error), ...problems].join("; ") };
  }
}

location.href = await post("/told", await run(await post("/asked", navigator.userAgent)));
