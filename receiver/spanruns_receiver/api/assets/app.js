// The page: what is wanted is in its address, so that it can be shared and kept; the rest is asked for again and again.

import { get, wanted } from "/assets/api.js";
import { close, show } from "/assets/detail.js";
import { byId, h } from "/assets/dom.js";
import { cost, count, percent } from "/assets/format.js";
import { row } from "/assets/list.js";

const STATUSES = ["running", "waiting", "queued", "success", "failed", "cancelled", "lost"];
// Events say when something has changed; without them it is asked for again and again.
const LISTENING_MS = 15000;
const POLLING_MS = 2000;
const AT_MOST_EVERY_MS = 1000;
const state = read();
let pages = [];
let filters = 0; // how often they have changed
let asking = null;
let timer = 0;
let listening = false;
let refreshed = 0;
let again = false;

function read() {
  const query = new URLSearchParams(location.search);
  return {
    statuses: new Set(query.getAll("status").filter((status) => STATUSES.includes(status))),
    agent: query.get("agent") || "",
    search: query.get("search") || "",
    root: query.get("root") === "true",
    run: query.get("run") || "",
  };
}

function write() {
  const query = new URLSearchParams();
  for (const status of state.statuses) query.append("status", status);
  if (state.agent) query.set("agent", state.agent);
  if (state.search) query.set("search", state.search);
  if (state.root) query.set("root", "true");
  if (state.run) query.set("run", state.run);
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
}

function later(ms) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, ms);
}

function listen() {
  const source = new EventSource("/api/events");
  // While an answer is on its way another question would only stop it.
  const soon = () => (asking ? (again = true) : later(Math.max(0, refreshed + AT_MOST_EVERY_MS - Date.now())));
  for (const name of ["run_started", "run_updated", "run_completed", "run_failed"]) source.addEventListener(name, soon);
  source.addEventListener("open", () => (listening = true));
  source.addEventListener("error", () => {
    listening = false;
    if (!asking) later(POLLING_MS);
  });
}

async function refresh() {
  clearTimeout(timer);
  refreshed = Date.now();
  again = false;
  asking?.abort();
  const mine = (asking = new AbortController());
  try {
    const parameters = wanted(state);
    const [first, stats] = await Promise.all([
      get("/api/runs", parameters, mine.signal),
      get("/api/stats", parameters, mine.signal),
    ]);
    pages = [first, ...pages.slice(1)];
    drawCards(stats);
    drawRuns();
    live("live");
  } catch (error) {
    if (error.name === "AbortError") return;
    live(error.message, true);
  }
  asking = null;
  later(again ? AT_MOST_EVERY_MS : listening ? LISTENING_MS : POLLING_MS);
}

async function more() {
  const [last, mine] = [pages.at(-1), filters];
  try {
    const page = await get("/api/runs", [...wanted(state), ["cursor", last.next_cursor]]);
    if (mine !== filters) return;
    pages.push(page);
    drawRuns();
  } catch (error) {
    live(error.message, true);
  }
}

function live(text, wrong = false) {
  byId("live").textContent = text;
  byId("live").classList.toggle("wrong", wrong);
}

function drawCards(stats) {
  const cards = [
    ["Runs", count(stats.total)],
    ["Running", count(stats.running)],
    ["Waiting", count(stats.waiting + stats.queued)],
    ["Success rate", percent(stats.success_rate)],
    ["Failed", count(stats.failed)],
    ["Lost", count(stats.lost)],
    ["Tokens", count(stats.input_tokens + stats.output_tokens)],
    ["Cost", cost(stats.cost_usd) || "–"],
  ];
  byId("cards").replaceChildren(
    ...cards.map(([name, value]) => h("div", { class: "card" }, h("b", {}, value), h("span", {}, name))),
  );
  byId("agents").replaceChildren(...stats.by_agent.map((agent) => h("option", { value: agent.agent_name })));
}

function drawRuns() {
  // The first page is asked for again while the others stand: what has moved from one to the next is shown once.
  const runs = new Map();
  for (const page of pages) for (const run of page.runs) if (!runs.has(run.run_id)) runs.set(run.run_id, run);
  byId("runs").replaceChildren(...[...runs.values()].map((run) => row(run, run.run_id === state.run, open)));
  const empty = byId("empty");
  empty.hidden = runs.size > 0;
  empty.textContent = wanted(state).length
    ? "No run matches these filters."
    : "No runs yet. Send OpenTelemetry spans to port 4317 (gRPC) or 4318 (HTTP), or try `spanruns demo`.";
  byId("more").hidden = !pages.at(-1).has_more;
}

function open(id) {
  state.run = id;
  write();
  show(id, shut);
  if (pages.length) drawRuns();
}

function shut() {
  state.run = "";
  write();
  close();
  if (pages.length) drawRuns();
}

function changed() {
  pages = [];
  filters += 1;
  write();
  refresh();
}

function drawStatuses() {
  byId("statuses").replaceChildren(
    ...STATUSES.map((status) =>
      h(
        "button",
        {
          type: "button",
          class: `chip ${status}`,
          "aria-pressed": String(state.statuses.has(status)),
          onclick: () => {
            if (!state.statuses.delete(status)) state.statuses.add(status);
            drawStatuses();
            changed();
          },
        },
        status,
      ),
    ),
  );
}

function start() {
  drawStatuses();
  for (const name of ["agent", "search"]) {
    byId(name).value = state[name];
    byId(name).addEventListener("change", (event) => {
      state[name] = event.target.value.trim();
      changed();
    });
  }
  byId("root").checked = state.root;
  byId("root").addEventListener("change", (event) => {
    state.root = event.target.checked;
    changed();
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", more);
  document.addEventListener("keydown", (event) => event.key === "Escape" && state.run && shut());
  document.addEventListener("visibilitychange", () => !document.hidden && refresh());
  if (state.run) show(state.run, shut);
  refresh();
  listen();
}

start();
