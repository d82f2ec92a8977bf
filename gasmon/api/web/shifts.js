// Who has duty where, signing on and off, and the hand-overs of shifts.
import { html } from "./html.js";
import { pick, t } from "./i18n.js";
import { Calendars } from "./calendar.js";
import { Refused, useDoing, useLoaded } from "./doing.js";
import { moment } from "./format.js";
import { areaName } from "./overview.js";
import { get, post } from "./requests.js";
import { go } from "./router.js";
import { areas, role, serverNow } from "./state.js";
import { Failure } from "./widgets.js";

const RELOAD_MS = 30 * 1000;

export function ShiftsPage() {
  const ask = () => Promise.all([get("/shifts"), get("/handovers", { limit: 50 })]);
  const { found, error, load } = useLoaded(ask, RELOAD_MS);
  const [posts, handovers] = found ? found.map((page) => page.items) : [null, []];
  areas.value;
  return html`<main class="shifts"><h1>${t("title.shifts")}</h1>
    <p><a href="/consoles">${t("title.consoles")}</a></p>
    <${Failure} error=${error} retry=${load} />
    ${posts && !posts.length ? html`<p class="empty">${t("shifts.none")}</p>` : null}
    ${posts && posts.length ? html`<section><h2>${t("shifts.posts")}</h2><${Posts} posts=${posts} load=${load} /></section>` : null}
    ${handovers.length ? html`<section><h2>${t("shifts.handovers")}</h2><${Handovers} rows=${handovers} /></section>` : null}
    ${role.value === "administrator" ? html`<${Calendars} done=${load} />` : null}</main>`;
}

/** `2026-11-27 night shift 20:00–08:00`. */
export function shiftText(shift) {
  if (!shift) return t("shifts.no_shift");
  return `${shift.day} ${pick(shift.name, shift.name_en)} ${shift.from.slice(11, 16)}–${shift.until.slice(11, 16)}`;
}

export function postText({ tier, place }) {
  return `${t(`tier.${tier}`)} ${areaName(place.slice(0, 6))}${tier === "mine" ? ` ${place}` : ""}`;
}

export function Posts({ posts, load }) {
  const names = ["post", "now", "there", "assigned", "next"];
  return html`<table class="posts"><thead><tr>${names.map((name) => html`<th>${t(`shifts.${name}`)}</th>`)}<th></th></tr></thead>
    <tbody>${posts.map((row) => html`<tr key=${`${row.tier}/${row.place}`} data-post=${`${row.tier}/${row.place}`}>
      <td>${postText(row)}</td><td class="num">${shiftText(row.now)}</td>
      <td class="there">${row.signed_on.length ? row.signed_on.map((one) => html`<span class="flag">${one.name} ${moment(one.since, serverNow())}</span> `)
        : html`<strong>${t("shifts.nobody")}</strong>`}</td>
      <td>${row.assigned.join(" ")}</td>
      <td><span class="num">${shiftText(row.next)}</span> ${row.assigned_next.join(" ")}</td>
      <td>${row.may_sign ? html`<${Signing} row=${row} load=${load} />` : null}</td></tr>`)}</tbody></table>`;
}

/** One's own post: sign on, sign off, hand over this shift or the one before. */
function Signing({ row, load }) {
  const { busy, failure, run } = useDoing();
  const sign = (way) => run(() => post(`/shifts/${row.tier}/${row.place}/sign-${way}`, {}).then(load));
  const open = (shift) => run(() => post("/handovers", { tier: row.tier, place: row.place, shift })
    .then((found) => go(`/handover/${found.handover_id}`)));
  return html`<span class="buttons"><button class="sign-on" disabled=${busy} onClick=${() => sign("on")}>${t("shifts.sign_on")}</button>
    <button class="sign-off" disabled=${busy} onClick=${() => sign("off")}>${t("shifts.sign_off")}</button>
    <button class="hand-over" disabled=${busy} onClick=${() => open("now")}>${t("shifts.hand_over")}</button>
    <button disabled=${busy} onClick=${() => open("before")}>${t("shifts.hand_over_before")}</button></span>
    <${Refused} failure=${failure} />`;
}

export function Handovers({ rows }) {
  const names = ["post", "shift", "state", "outgoing", "incoming"];
  return html`<table class="handovers"><thead><tr>${names.map((name) => html`<th>${t(`shifts.${name}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.handover_id} data-handover=${row.handover_id}>
      <td>${postText(row)}</td><td class="num"><a href=${`/handover/${row.handover_id}`}>${shiftText(row.shift)}</a></td>
      <td>${t(`handover.${row.state}`)}${row.unsigned ? html` <strong>${t("handover.unsigned")}</strong>` : null}</td>
      <td><${Signer} mark=${row.outgoing} /></td><td><${Signer} mark=${row.incoming} /></td></tr>`)}</tbody></table>`;
}

function Signer({ mark }) {
  return mark ? html`${mark.by} <span class="num">${moment(mark.at, serverNow())}</span>` : null;
}
