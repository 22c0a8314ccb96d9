// Rows of the list.

import { h } from "/assets/dom.js";
import { ago, cost, count, duration, moment } from "/assets/format.js";

/** One run as a row; `open` is called with its id. */
export function row(run, chosen, open) {
  const took = run.duration_ms ?? (run.status === "running" ? Date.now() - Date.parse(run.started_at) : null);
  const cell = (text, kind = "") => h("td", { class: kind }, text);
  return h(
    "tr",
    {
      class: chosen ? "chosen" : "",
      tabIndex: 0,
      "data-run": run.run_id,
      onclick: () => open(run.run_id),
      onkeydown: (event) => event.key === "Enter" && open(run.run_id),
    },
    h("td", {}, h("span", { class: `status ${run.status}` }, run.status)),
    h("td", { class: "agent" }, run.parent_run_id ? "↳ " : null, run.agent_name || run.kind),
    cell(run.trigger, "wide"),
    h("td", { title: moment(run.started_at) }, ago(run.started_at)),
    cell(duration(took), "number"),
    cell(run.tool_call_count ? `${run.tool_call_count}${run.tool_error_count ? ` (${run.tool_error_count} failed)` : ""}` : "", "number wide"),
    cell(count(run.input_tokens + run.output_tokens || null), "number wide"),
    cell(cost(run.cost_usd), "number wide"),
    h("td", { class: "message wide", title: run.message }, progress(run), run.message),
  );
}

function progress(run) {
  if (!run.progress_total || run.ended_at) return null;
  return h("progress", { value: run.progress_done ?? 0, max: run.progress_total });
}
