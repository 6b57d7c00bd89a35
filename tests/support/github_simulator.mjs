// GitHub's API by @simulacrum/github-api-simulator: it answers GitHub's own description, and refuses (400) a request that does
// not keep to it. Its examples are given a memory here, for pull requests, labels and comments.
// node github_simulator.mjs FOLDER_WITH_NODE_MODULES PORT
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, port] = process.argv.slice(2);
const module = join(folder, "node_modules/@simulacrum/github-api-simulator/dist/index.mjs");
const { simulation } = await import(pathToFileURL(module));

const pulls = new Map();
const comments = new Map();
const asked = [];

const example = (context, operation) => structuredClone(context.api.mockResponseForOperation(operation).mock);

function shown(context, pull) {
  const base = example(context, "pulls/create");
  const url = `http://127.0.0.1:${port}/repos/ada/voices/pulls/${pull.number}`;
  return {
    ...base,
    ...pull,
    url,
    issue_url: url.replace("/pulls/", "/issues/"),
    html_url: `https://github.example/ada/voices/pull/${pull.number}`,
    head: { ...base.head, ref: pull.branch, repo: { ...base.head.repo, full_name: "ada/voices" } },
    base: { ...base.base, ref: pull.target, repo: { ...base.base.repo, full_name: "ada/voices" } },
    labels: pull.labels.map((name, id) => ({ ...base.labels?.[0], id, name })),
    merged_at: null,
  };
}

const found = (context) => pulls.get(Number(context.request.params.pull_number ?? context.request.params.issue_number));
const noted = (operation, act) => [
  operation,
  async (context, request, response) => {
    asked.push({ operation, token: request.headers.authorization, body: request.body });
    const [status, json] = act(context, request.query, request.body);
    response.status(status).json(json);
  },
];

const handlers = () =>
  Object.fromEntries([
    noted("pulls/list", (context, query) => {
      const wanted = [...pulls.values()].filter(
        (pull) =>
          pull.state === (query.state ?? "open") &&
          (!query.base || pull.target === query.base) &&
          (!query.head || `ada:${pull.branch}` === query.head),
      );
      return [200, wanted.map((pull) => shown(context, pull))];
    }),
    noted("pulls/create", (context, _query, body) => {
      if ([...pulls.values()].some((pull) => pull.branch === body.head && pull.state === "open")) {
        const message = `A pull request already exists for ada:${body.head}.`;
        return [422, { message: "Validation Failed", errors: [{ resource: "PullRequest", code: "custom", message }] }];
      }
      const { title, body: text, head: branch, base: target } = body;
      const pull = { number: pulls.size + 1, title, body: text, branch, target, state: "open", labels: [] };
      pulls.set(pull.number, pull);
      comments.set(pull.number, []);
      return [201, shown(context, pull)];
    }),
    noted("pulls/get", (context) => [200, shown(context, found(context))]),
    noted("pulls/update", (context, _query, body) => [200, shown(context, Object.assign(found(context), body))]),
    noted("issues/add-labels", (context, _query, body) => {
      const pull = found(context);
      pull.labels = [...new Set([...pull.labels, ...(Array.isArray(body) ? body : body.labels)])];
      return [200, shown(context, pull).labels];
    }),
    noted("issues/list-comments", (context) => [
      200,
      comments.get(found(context).number).map((body) => ({ ...example(context, "issues/create-comment"), body })),
    ]),
    noted("issues/create-comment", (context, _query, body) => {
      comments.get(found(context).number).push(body.body);
      return [201, { ...example(context, "issues/create-comment"), body: body.body }];
    }),
  ]);

const app = simulation({
  initialState: { users: [], organizations: [], repositories: [], branches: [], blobs: [] },
  extend: {
    openapiHandlers: handlers,
    extendRouter: (router) =>
      router.get("/state", (_request, response) =>
        response.json({ pulls: [...pulls.values()], comments: [...comments.values()], asked }),
      ),
  },
});
app.listen(Number(port), () => console.log("ready"));
