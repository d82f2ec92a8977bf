// Classes of places: what the location text leaves open, and a person decides.
import { html, useState } from "./html.js";
import { pick, t } from "./i18n.js";
import { fieldsOf, Refused, useDoing, useLoaded } from "./doing.js";
import { moment } from "./format.js";
import { areaName } from "./overview.js";
import { get, post } from "./requests.js";
import { route, setQuery } from "./router.js";
import { areas, serverNow } from "./state.js";
import { Failure } from "./widgets.js";

export function PlacesPage() {
  const { mine, area, all } = route.value.query;
  const asked = { mine, area, undecided: all ? "false" : "true" };
  const { found, error, load } = useLoaded(() => get("/places", asked), 0, JSON.stringify(asked));
  areas.value;
  const names = new Map((found ? found.classes : []).map((one) => [one.place_class, pick(one.zh, one.en)]));
  const nameOf = (name) => names.get(name) || t("places.nobody");
  return html`<main class="plans places"><h1>${t("title.places")}</h1>
    <p class="muted">${t("places.about")}</p>
    <p><label><input type="checkbox" name="all" checked=${Boolean(all)}
      onChange=${(event) => setQuery({ ...route.value.query, all: event.target.checked ? "1" : "" })} /> ${t("places.all")}</label></p>
    <${Failure} error=${error} retry=${load} />
    ${found && !found.items.length ? html`<p class="empty">${t("places.none")}</p>` : null}
    ${found && found.n > found.items.length ? html`<p class="muted">${t("places.more", { n: found.n, shown: found.items.length })}</p>` : null}
    ${found && found.items.length ? html`<div class="scroll"><table><thead><tr>${["mine", "place", "now", "why", "suggested"].map((name) => html`<th>${t(name === "mine" ? "differences.mine" : `places.${name}`)}</th>`)}
      ${found.may_rule ? html`<th>${t("places.decide")}</th>` : null}</tr></thead>
      <tbody>${found.items.map((item) => html`<${Line} key=${item.point_id} item=${item} found=${found} nameOf=${nameOf} done=${load} />`)}</tbody></table></div>` : null}</main>`;
}

function Line({ item, found, nameOf, done }) {
  const { ruling } = item;
  return html`<tr data-point=${`${item.system}-${item.point}`} data-mine=${item.mine} data-why=${item.why || ""}>
    <td><a href=${`/mine/${item.mine}`}>${item.mine_name || item.mine}</a> <span class="muted">${areaName(item.area)}</span></td>
    <td><a href=${`/point/${item.point_id}`}>${item.place || item.point}</a> <span class="muted num">${item.system}-${item.point}</span></td>
    <td>${nameOf(item.place_class)}${ruling ? html`<br /><span class="muted">${t("places.ruled", {
      name: ruling.place_class ? nameOf(ruling.place_class) : t("places.none_class"), by: ruling.by, at: moment(ruling.at, serverNow()), reason: ruling.reason })}</span>` : null}</td>
    <td>${item.why ? t(`places.${item.why}`) : null}</td>
    <td>${item.suggested ? html`${nameOf(item.suggested)} <span class="muted num">${t("places.sure", { sure: item.confidence.toFixed(2) })}</span>` : null}</td>
    ${found.may_rule ? html`<td><${Decide} item=${item} classes=${found.classes} done=${done} /></td>` : null}</tr>`;
}

function Decide({ item, classes, done }) {
  const { busy, failure, run } = useDoing();
  const [open, setOpen] = useState(false);
  if (!open) return html`<button class="open" onClick=${() => setOpen(true)}>${t("places.decide")}</button>`;
  const submit = (event) => {
    event.preventDefault();
    const { place_class, reason } = fieldsOf(event.target);
    const point = `${item.system}-${item.point}`;
    run(async () => {
      await post("/places/rulings", { mine: item.mine, point, place_class, place: item.place, reason: reason.trim() });
      setOpen(false);
      await done();
    });
  };
  const options = [...classes.map((one) => [one.place_class, pick(one.zh, one.en)]), ["none", t("places.none_class")], ["text", t("places.by_text")]];
  return html`<form class="action" onSubmit=${submit}>
    <label>${t("places.class")} <select name="place_class" required>${item.suggested ? null : html`<option value="" selected></option>`}
      ${options.map(([value, name]) => html`<option value=${value} selected=${value === item.suggested}>${name}</option>`)}</select></label>
    <label>${t("places.reason")} <input name="reason" required maxlength="1000" autocomplete="off" /></label>
    <button class="main" disabled=${busy}>${t("places.rule")}</button><${Refused} failure=${failure} /></form>`;
}
