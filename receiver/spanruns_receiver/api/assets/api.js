// The query API.

/** The answer to a GET, or an error with the API's own message. */
export async function get(path, parameters, signal) {
  const query = new URLSearchParams(parameters).toString();
  const answer = await fetch(query ? `${path}?${query}` : path, { signal, headers: { accept: "application/json" } });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.message || `the server answered ${answer.status}`);
  return body;
}

/** What the address of the page says is wanted, as parameters of /api/runs. */
export function wanted(state) {
  const parameters = [];
  for (const status of state.statuses) parameters.push(["status", status]);
  if (state.agent) parameters.push(["agent", state.agent]);
  if (state.search) parameters.push(["search", state.search]);
  if (state.root) parameters.push(["root_only", "true"]);
  return parameters;
}
