// One run: what it was given, what it did when, how it ended.

import { get } from "/assets/api.js";
import { byId, h } from "/assets/dom.js";
import { cost, count, duration, moment, pretty } from "/assets/format.js";

const EVERY_MS = 2000;
let shown = "";
let drawn = "";
let timer = 0;

/** Show a run, and keep it up to date until it has ended. */
export async function show(id, shut) {
  clearTimeout(timer);
  const first = shown !== id;
  shown = id;
  const drawer = byId("detail");
  drawer.hidden = false;
  if (first) drawer.replaceChildren(h("p", {}, "Loading…"));
  const path = `/api/runs/${encodeURIComponent(id)}`;
  try {
    const [run, tools, models] = await Promise.all([
      get(path),
      get(`${path}/tool-calls`, { limit: 200 }),
      get(`${path}/model-calls`, { limit: 200 }),
    ]);
    if (shown !== id) return;
    const opened = [...drawer.querySelectorAll("details[open]")].map((part) => part.dataset.name);
    drawer.replaceChildren(...parts(run, tools, models, shut));
    if (drawn === id) for (const part of drawer.querySelectorAll("details")) part.open = opened.includes(part.dataset.name);
    drawn = id;
    if (!run.ended_at && run.status !== "lost") timer = setTimeout(() => show(id, shut), EVERY_MS);
  } catch (error) {
    if (shown !== id) return;
    if (drawn !== id) drawer.replaceChildren(head("Run", shut), h("p", { class: "wrong" }, error.message));
    timer = setTimeout(() => show(id, shut), EVERY_MS); // it may pass
  }
}

/** Show no run. */
export function close() {
  clearTimeout(timer);
  shown = drawn = "";
  byId("detail").hidden = true;
}

function head(title, shut) {
  return h("div", { class: "head" }, h("h2", {}, title), h("button", { type: "button", onclick: shut, "aria-label": "Close" }, "✕"));
}

function parts(run, tools, models, shut) {
  return [
    head(run.agent_name || run.kind, shut),
    h("p", {}, h("span", { class: `status ${run.status}` }, run.status), " ", run.status === "waiting" && run.waiting_for ? `for ${run.waiting_for}` : null),
    run.error_message || run.error_type ? h("pre", { class: "wrong" }, [run.error_type, run.error_message].filter(Boolean).join(": ")) : null,
    facts(run),
    bars(run, tools.tool_calls, models.model_calls),
    tools.has_more || models.has_more ? h("p", {}, `${tools.total_count} tool calls, ${models.total_count} model calls; the first 200 are shown.`) : null,
    subRuns(run),
    ...["parameters", "input", "output"].map((name) => text(name, run[name], name !== "parameters")),
  ].filter(Boolean);
}

function facts(run) {
  const rows = [
    ["Run", run.run_id],
    ["Trace", run.trace_id],
    ["Service", [run.service_name, run.environment].filter(Boolean).join(" · ")],
    ["Trigger", [run.trigger, run.trigger_detail].filter(Boolean).join(" · ")],
    ["Started", moment(run.started_at)],
    ["Ended", moment(run.ended_at)],
    ["Duration", duration(run.duration_ms)],
    ["Queued", duration(run.queue_ms)],
    ["Waited", run.waiting_ms ? duration(run.waiting_ms) : ""],
    ["Tokens", run.input_tokens + run.output_tokens ? `${count(run.input_tokens)} in, ${count(run.output_tokens)} out` : ""],
    ["Cost", cost(run.cost_usd)],
    ["Session", run.session_id],
    ["User", run.user_id],
    ["Tags", run.tags.join(", ")],
  ];
  return h("dl", {}, ...rows.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function bars(run, tools, models) {
  const calls = [
    ...tools.map((call) => ({ ...call, kind: "tool", name: call.tool_name })),
    ...models.map((call) => ({ ...call, kind: "model", name: call.model || call.operation })),
  ].sort((a, b) => Date.parse(a.started_at) - Date.parse(b.started_at));
  if (!calls.length) return null;
  const begin = Math.min(Date.parse(run.started_at), ...calls.map((call) => Date.parse(call.started_at)));
  const end = Math.max(
    run.ended_at ? Date.parse(run.ended_at) : begin + 1,
    ...calls.map((call) => Date.parse(call.started_at) + call.duration_ms),
  );
  const span = Math.max(1, end - begin);
  return h(
    "section",
    { class: "bars" },
    h("h3", {}, "Calls"),
    ...calls.map((call) => {
      const bar = h("i", { class: `bar ${call.kind} ${call.status}` });
      bar.style.left = `${((Date.parse(call.started_at) - begin) / span) * 100}%`;
      bar.style.width = `${Math.max(0.5, (call.duration_ms / span) * 100)}%`;
      const told = [call.error_message || call.error_type, call.arguments ?? call.input, call.result ?? call.output].filter(Boolean);
      return h(
        "details",
        { "data-name": call.span_id },
        h("summary", {}, h("span", { class: "name" }, call.name || call.kind), h("span", { class: "track" }, bar), h("span", { class: "number" }, duration(call.duration_ms))),
        ...(told.length ? told.map((value) => h("pre", {}, pretty(value))) : [h("p", {}, "No content was recorded.")]),
      );
    }),
  );
}

function subRuns(run) {
  if (!run.sub_runs.length) return null;
  return h(
    "section",
    {},
    h("h3", {}, "Sub-runs"),
    h(
      "ul",
      {},
      ...run.sub_runs.map((sub) => {
        const link = new URLSearchParams(location.search);
        link.set("run", sub.run_id);
        return h("li", {}, h("span", { class: `status ${sub.status}` }, sub.status), " ", h("a", { href: `?${link}` }, sub.agent_name || sub.kind), ` ${duration(sub.duration_ms)}`);
      }),
    ),
  );
}

function text(name, value, open) {
  if (!value) return null;
  return h("details", { open, "data-name": name }, h("summary", {}, name), h("pre", {}, pretty(value)));
}
