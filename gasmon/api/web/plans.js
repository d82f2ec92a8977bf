// Planned work: what was filed, by whom and with what end; filing and deciding on it.
import { html, useState } from "./html.js";
import { pick, t, tCode } from "./i18n.js";
import { above, NotHere } from "./above.js";
import { AskForm, Deciding, Steps } from "./deciding.js";
import { useLoaded } from "./doing.js";
import { moment } from "./format.js";
import { get } from "./requests.js";
import { PlanStatistics } from "./planstats.js";
import { me, serverNow } from "./state.js";
import { Failure, kindName } from "./widgets.js";

const WORKS = ["calibration", "blasting", "gas_discharge", "fan_changeover", "power_outage", "maintenance"];
const CEILINGS = [2, 3, 1, 0];
const RELOAD_MS = 15 * 1000;
const BEIJING = "+08:00";

/** The minute of `ms` in Beijing time as a date field holds it; never the PC's zone. */
export function localMinute(ms) {
  return new Date(ms + 8 * 3600 * 1000).toISOString().slice(0, 16);
}

/** Words between commas or spaces, in either width. */
export function listed(text) {
  return text.split(/[\s,;\uff0c\u3001\uff1b]+/).filter(Boolean);
}

function numberOf(text) {
  return text.trim() === "" ? null : Number(text);
}

/** What the server is asked, from the fields of the form. */
export function planOf(fields) {
  return {
    mine: fields.mine.trim(),
    work: fields.work,
    points: listed(fields.points),
    units: listed(fields.units),
    from: `${fields.from}:00${BEIJING}`,
    until: `${fields.until}:00${BEIJING}`,
    rank_ceiling: Number(fields.rank_ceiling),
    value_ceiling: numberOf(fields.value_ceiling),
    test_gas: numberOf(fields.test_gas),
    reason: fields.reason.trim(),
  };
}

export function PlansPage() {
  const { found: page, error, load } = useLoaded(() => get("/plans", { limit: 100 }), RELOAD_MS);
  const { role, mines } = me.value.principal;
  return html`<main class="plans"><h1>${t("nav.plans")}</h1>
    ${above.value ? html`<${NotHere} what="plans" />` : role === "mine_dispatcher" ? html`<section><h2>${t("plans.file")}</h2><${Form} mines=${mines || []} done=${load} /></section>` : null}
    <${Failure} error=${error} retry=${load} />
    ${page && !page.items.length ? html`<p class="muted">${t("plans.none")}</p>` : null}
    ${page ? page.items.map((plan) => html`<${Plan} key=${plan.plan_id} plan=${plan} done=${load} />`) : null}
    ${above.value ? null : html`<${PlanStatistics} after=${page ? page.items.map((plan) => plan.plan_id + plan.state).join() : ""} />`}</main>`;
}

function Form({ mines, done }) {
  const [work, setWork] = useState("calibration");
  const { found } = useLoaded(() => get("/mines"));
  const names = new Map((found ? found.items : []).map((mine) => [mine.code, mine.name]));
  const now = serverNow();
  const bodyOf = (fields) => planOf({ value_ceiling: "", test_gas: "", units: "", ...fields });
  const field = (name, more) => html`<label>${t(`plans.${name}`)} <input name=${name} autocomplete="off" ...${more} /></label>`;
  return html`<${AskForm} path="/plans" bodyOf=${bodyOf} done=${done} send=${t("plans.send")}>
    <label>${t("plans.mine")} <select name="mine">${mines.map((code) => html`<option value=${code}>${names.get(code) || code}</option>`)}</select></label>
    <label>${t("plans.work")} <select name="work" value=${work} onChange=${(event) => setWork(event.target.value)}>
      ${WORKS.map((name) => html`<option value=${name}>${t(`work.${name}`)}</option>`)}</select></label>
    ${field("points", { placeholder: "01-001A01" })}
    ${work === "calibration" ? field("test_gas", { type: "number", step: "any", min: 0, required: true }) : html`${field("units", { placeholder: "11121" })}
      ${field("value_ceiling", { type: "number", step: "any", min: 0 })}`}
    <label>${t("plans.rank_ceiling")} <select name="rank_ceiling">${CEILINGS.map((rank) => html`
      <option value=${rank}>${t(`level.${rank}`)}</option>`)}</select></label>
    ${field("from", { type: "datetime-local", required: true, defaultValue: localMinute(now) })}
    ${field("until", { type: "datetime-local", required: true, defaultValue: localMinute(now + 3600 * 1000) })}<//>`;
}

export function Plan({ plan, done }) {
  const now = serverNow();
  return html`<section data-plan=${plan.plan_id} data-state=${plan.state}>
    <h2>#${plan.plan_id} ${pick(plan.work_text.zh, plan.work_text.en)} <b class="state">${pick(plan.state_text.zh, plan.state_text.en)}</b>${" "}
      <span class="muted"><a href=${`/mine/${plan.mine}`}>${plan.mine_name || plan.mine}</a></span></h2>
    <p class="num">${moment(plan.from, now)} – ${moment(plan.until, now)} · ${t("plans.rank_ceiling")} ${t(`level.${plan.rank_ceiling}`)}
      ${plan.value_ceiling === null ? null : html` · ${t("plans.value_ceiling")} ${plan.value_ceiling}`}
      ${plan.test_gas === null ? null : html` · ${t("plans.test_gas")} ${plan.test_gas}`}</p>
    <p>${plan.subjects.map((one) => one.replace(/^[a-z]+:/, "")).join(" ")} <span class="muted">${plan.alarm_kinds.map(kindName).join(" · ")}</span></p>
    <${Steps} rows=${plan.records} word=${(event) => tCode("planned", event)} />
    <${Deciding} path=${`/plans/${plan.plan_id}`} actions=${plan.actions} word=${(name) => t(`plans.${name}`)} done=${done} /></section>`;
}
