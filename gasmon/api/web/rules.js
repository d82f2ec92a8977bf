// The rules that are judged by: versions, every rule with its line, the law's limits,
// and why one applies to a point. They are changed in the site's file, not here.
import { html } from "./html.js";
import { pick, t } from "./i18n.js";
import { moment } from "./format.js";
import { fieldsOf, useLoaded } from "./doing.js";
import { get } from "./requests.js";
import { route, setQuery } from "./router.js";
import { serverNow } from "./state.js";
import { Failure, kindName } from "./widgets.js";

const RANKS = { red: 4, orange: 3, yellow: 2, blue: 1, ungraded: 0 };
const LIMITS = ["alarm_high", "clear_high", "alarm_low", "clear_low", "cut_high", "restore_high", "cut_low", "restore_low"];

export function RulesPage() {
  const { query } = route.value;
  const { found: page, error, load } = useLoaded(() => get("/rules"));
  const versions = page && page.items;
  const current = (versions || []).find((one) => one.in_force) || (versions || [])[0];
  const wanted = Number(query.version) || (current && current.rules_id);
  const { found: shown, error: refused, load: loadShown } = useLoaded(() => (wanted ? get(`/rules/${wanted}`) : null), 0, wanted);
  return html`<main class="rules"><h1 class="crumbs"><a href="/account">${t("title.account")}</a> <span>${t("title.rules")}</span></h1>
    <p class="muted">${t("rules.about")}</p>
    <${Failure} error=${error || refused} retry=${error ? load : loadShown} />
    ${versions && !versions.length ? html`<p class="empty">${t("rules.none")}</p>` : null}
    <${Versions} rows=${versions || []} wanted=${wanted} />
    <${Explain} subject=${query.subject || ""} />
    ${shown ? html`<${Shown} answer=${shown} search=${query.search || ""} />` : null}</main>`;
}

function Versions({ rows, wanted }) {
  const now = serverNow();
  if (!rows.length) return null;
  return html`<table class="journal"><thead><tr>${["file", "scope", "from", "taken", "changes", "sum"].map((name) => html`<th>${t(`rules.${name}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.rules_id} data-rules=${row.rules_id} class=${row.rules_id === wanted ? "chosen" : ""}>
      <td><a href=${`/rules?version=${row.rules_id}`}>${row.file}</a> ${row.in_force ? html`<b>${t("rules.in_force")}</b>` : null}</td>
      <td>${row.scope === "*" ? t("rules.everywhere") : row.scope}</td>
      <td class="num">${row.from ? moment(row.from, now) : t("rules.ever")}</td><td class="num">${moment(row.taken_at, now)}</td>
      <td>${row.limit_changes.map((number) => html`<a href="/changes">${number}</a> `)}</td><td class="num muted">${row.sha256.slice(0, 12)}</td></tr>`)}</tbody></table>`;
}

/** Which rules apply to a point, a unit or a mine, and why. */
function Explain({ subject }) {
  const { found, error, load } = useLoaded(() => (subject ? get("/rules/explain", { subject }) : null), 0, subject);
  const submit = (event) => {
    event.preventDefault();
    const name = fieldsOf(event.target).subject.trim();
    if (!name) return;
    if (name === subject) load();
    setQuery({ ...route.value.query, subject: name });
  };
  return html`<section><h2>${t("rules.explain")}</h2>
    <form class="action" onSubmit=${submit}><label>${t("rules.subject")} <input name="subject" defaultValue=${subject} size="30" autocomplete="off" /></label>
      <button class="main">${t("audit.show")}</button></form>
    <${Failure} error=${error} retry=${load} />
    ${found ? html`<${Story} story=${found.story} />` : null}</section>`;
}

function Story({ story }) {
  const limits = Object.entries(story.limits || {});
  return html`<div class="story"><p>${Object.entries(story.attributes).filter(([, value]) => value).map(([name, value]) => html`<span class="muted">${t(`rules.by.${name}`)}</span> ${value} `)}</p>
    ${limits.length ? html`<table class="journal"><thead><tr>${["limit", "number", "line"].map((name) => html`<th>${t(`rules.${name}`)}</th>`)}</tr></thead>
      <tbody>${limits.map(([name, limit]) => html`<tr><td>${t(`rules.limit.${name}`)}</td><td class="num">${limit.value}</td><td class="muted">${limit.at}</td></tr>`)}</tbody></table>` : null}
    <table class="journal"><thead><tr>${["kind", "says", "levels", "line", "lost"].map((name) => html`<th>${t(`rules.${name}`)}</th>`)}</tr></thead>
      <tbody>${story.kinds.map((kind) => html`<tr key=${kind.kind}><td>${kindName(kind.kind.replace("/after_rise", ""))}</td>
        <td class="said">${kind.on ? html`${words(kind.text)} <span class="muted num">${numbersOf(kind.with)}</span>` : html`<b>${t("rules.off")}</b>`}</td>
        <td>${levelsOf(kind.levels)}</td><td class="muted">${[...new Set(kind.used.map((rule) => rule.at))].join(" · ")}</td>
        <td class="said muted">${kind.lost.map((one) => `${one.at} ${pick(one.why_zh, one.why)}`).join(" · ")}</td></tr>`)}</tbody></table></div>`;
}

function Shown({ answer, search }) {
  if (!answer.readable) return html`<p class="empty">${t("rules.unreadable")}</p>`;
  const { rules } = answer;
  const term = search.toLowerCase();
  const rows = rules.rules.filter((rule) => !term || JSON.stringify(rule).toLowerCase().includes(term) || kindName(rule.kind).toLowerCase().includes(term));
  return html`<section><h2>${t("rules.all")} <span class="muted num">${rows.length}/${rules.rules.length}</span></h2>
    <form class="action" onSubmit=${(event) => { event.preventDefault(); setQuery({ ...route.value.query, search: fieldsOf(event.target).search }); }}>
      <label>${t("rules.search")} <input name="search" defaultValue=${search} autocomplete="off" /></label><button class="main">${t("audit.show")}</button></form>
    <table class="journal"><thead><tr>${["kind", "whom", "says", "levels", "source", "line"].map((name) => html`<th>${t(`rules.${name}`)}</th>`)}</tr></thead>
      <tbody>${rows.map((rule) => html`<tr key=${rule.at} data-rule=${rule.at}><td>${kindName(rule.kind)}${rule.after_rise ? html` <span class="muted">${t("rules.after_rise")}</span>` : null}</td>
        <td class="said">${whom(rule.match, rules.names)}</td><td class="said">${rule.enabled ? null : html`<b>${t("rules.off")}</b> `}${words(rule.text)} <span class="muted num">${numbersOf(rule.with)}</span></td>
        <td>${levelsOf(rule.levels)}</td><td class="said muted">${words(rule.source)}</td><td class="muted">${rule.at}</td></tr>`)}</tbody></table></section>
    <section><h2>${t("rules.law")}</h2><table class="journal"><thead><tr><th>${t("rules.by.place_class")}</th><th>${t("rules.by.quantity")}</th><th>${t("rules.by.mine_kind")}</th>
        ${LIMITS.map((name) => html`<th>${t(`rules.limit.${name}`)}</th>`)}<th>${t("rules.line")}</th></tr></thead>
      <tbody>${rules.law.map((row) => html`<tr key=${row.at}><td>${named(rules.names, "place_class", row.place_class)}</td><td>${named(rules.names, "quantity", row.quantity)}</td><td>${row.mine_kinds.join(" ")}</td>
        ${LIMITS.map((name) => html`<td class="num">${row[name] === undefined ? "" : row[name]}</td>`)}<td class="muted">${row.at}</td></tr>`)}</tbody></table></section>`;
}

function words(text) {
  return pick(text.zh || "", text.en || text.zh || "");
}

/** What a place or quantity is called; its code where it has no name. */
function named(names, by, code) {
  const one = names && names[by] && names[by][code];
  return one ? pick(one.zh, one.en) : code;
}

function whom(match, names) {
  const parts = Object.entries(match);
  if (!parts.length) return t("rules.all_points");
  return parts.map(([name, values]) => html`<span class="muted">${t(`rules.by.${name}`)}</span> ${values.map((value) => named(names, name, value)).join(" · ")} `);
}

function numbersOf(given) {
  return Object.entries(given || {}).map(([name, one]) => {
    const value = one !== null && typeof one === "object" && "value" in one ? one.value : one;
    return `${name} ${Array.isArray(value) ? value.join(" ") : value}`;
  }).join(" · ");
}

/** Which level after how long; of a band also from which value. */
function levelsOf(levels) {
  return levels.map((band) => {
    const from = levels.length === 1 ? "" : band.factor === undefined ? `≥ ${band.at_least} ` : `≥ ${band.factor} A `;
    return html`<div>${from}${band.steps_s.map(([s, name]) => `${t(`level.${RANKS[name] ?? "d"}`)}${s ? ` ≥ ${s / 60} min` : ""}`).join(" · ")}</div>`;
  });
}
