// The alarm banner: on every page, at the same place, with the same content.
import { html } from "./html.js";
import { above, AboveAge, AboveBars } from "./above.js";
import { DrillBars, DrillLink } from "./drillframe.js";
import { drillOwed, drillView } from "./drillbook.js";
import { lang, pick, setLang, t } from "./i18n.js";
import { clockTime, dayText, duration, moment, toMs } from "./format.js";
import { RANKS } from "./levels.js";
import { route } from "./router.js";
import { postText } from "./shifts.js";
import { confirmHeard, silence, sound, testSound, toggleSound } from "./sound.js";
import {
  bookKnown, bookSummary, dataAtMs, escalation, link, me, proof, second, serverNow, setLook, size, theme, tier, unsigned, version,
} from "./state.js";
import { Age, alarmHref, kindName, Sym } from "./widgets.js";

const SIZES = ["100", "125", "150", "200"];

export function Banner() {
  return html`<header class="banner">
    <div class="bar">
      <a class="brand" href="/">${t("brand")}</a>
      <nav>
        <${NavLink} href="/" names=${["overview", "area", "mine", "point"]} text=${t("nav.overview")} />
        <${NavLink} href="/alarms" names=${["alarms", "statistics"]} text=${t("nav.alarms")} />
        <${NavLink} href="/shifts" names=${["shifts", "handover", "consoles"]} text=${t("nav.shifts")} />
        <${NavLink} href="/plans" names=${["plans"]} text=${t("nav.plans")} />
        <${NavLink} href="/changes" names=${["changes"]} text=${t("nav.changes")} />
      </nav>
      <${Marks} />
      <span class="push"></span>
      <${DataAge} /><${SoundButton} /><${Clock} /><${Choices} />
    </div>
    <div class="bar line2">${tier.value === "mine" ? null : html`<span class="to-county"><${NavLink} href="/county" names=${["county"]} text=${t("nav.county")} /></span>`}<${DrillLink} current=${["drills", "drill"].includes(route.value.name)} /><${Counts} /><${Owed} /><${OldestNewest} /><${Complete} /></div>
    <${Bars} />
  </header>`;
}

function NavLink({ href, names, text }) {
  const here = names.includes(route.value.name);
  return html`<a href=${href} aria-current=${here ? "page" : undefined}>${text}</a>`;
}

/** Drill and demonstration are never to be mistaken for the real thing. */
function Marks() {
  const mode = version.value && version.value.mode;
  const word = drillView.value > 0 ? t("mark.drill")
    : mode === "demo" ? t("mark.demo") : mode === "test" ? t("mark.test") : "";
  return word ? html`<strong class="mark">${word}</strong>` : null;
}

function DataAge() {
  second.value;
  if (above.value) return html`<${AboveAge} />`;
  const ms = serverNow() - dataAtMs.value;
  const old = !(ms < 30000) || link.value.phase !== "open";
  return html`<span class=${`cell ${old ? "stale" : ""}`} title=${t("banner.data_age_hint")}>
    <span class="muted">${t("banner.data_age")}</span>
    <b class="num age">${duration(ms)}</b>
    <span>${t(`link.${link.value.phase}`)}</span></span>`;
}

function SoundButton() {
  second.value;
  const { state, offUntil, played, elsewhere, askUntil } = sound.value;
  const left = state === "off" ? ` ${duration(offUntil - performance.now())}` : "";
  const word = elsewhere && state === "on" ? t("sound.elsewhere") : t(`sound.${state}`);
  return html`<span class="cell">
    <span class="muted">${t("sound.title")}</span>
    <button class=${`sound ${state}`} data-state=${state} data-played=${played}
      title=${t("sound.toggle_hint")} onClick=${toggleSound}>${word}${left}</button>
    <button title=${t("sound.silence_hint")} onClick=${silence}>${t("sound.silence")}</button>
    ${performance.now() < askUntil ? html`<button class="heard" title=${t("sound.heard_hint")} onClick=${() => confirmHeard(serverNow())}>${t("sound.heard")}</button>`
      : html`<button class="test" title=${t("sound.test_hint")} onClick=${testSound}>${t("sound.test")}</button>`}</span>`;
}

function Clock() {
  second.value;
  const now = serverNow();
  return html`<span class="cell clock" title=${t("banner.clock_hint")}>
    <span class="muted num">${dayText(now)}</span> <b class="num">${clockTime(now)}</b></span>`;
}

function Choices() {
  const next = SIZES[(SIZES.indexOf(size.value) + 1) % SIZES.length];
  const who = me.value && me.value.principal;
  return html`<span class="cell choices">
    <button title=${t("choice.size_hint")} onClick=${() => setLook(theme.value, next)}>${size.value} %</button>
    <button title=${t("choice.theme_hint")}
      onClick=${() => setLook(theme.value === "dark" ? "light" : "dark", size.value)}>${t(`choice.${theme.value}`)}</button>
    <button class="lang" onClick=${() => setLang(lang.value === "zh" ? "en" : "zh")}>${t("choice.language")}</button>
    ${who ? html`<a class="who" href="/account" title=${`${who.name} · ${t(`role.${who.role}`)} · ${t("account.hint")}`}>${who.name}</a>` : null}</span>`;
}

function Counts() {
  const { counts, over, more } = bookSummary.value;
  const keys = [...RANKS.map(String), "d"];
  return html`<span class="counts" title=${t("banner.counts_hint")}>
    ${keys.map((key) => html`<${Count} k=${key} pair=${counts[key]} over=${over[key] || 0} />`)}
    ${counts.planned[1] ? html`<a class="count planned" href="/alarms?tab=open">
      <span>${t("banner.planned")}</span><b class="num">${counts.planned[1]}</b></a>` : null}
    ${more ? html`<span class="muted">${t("banner.more")}</span>` : null}</span>`;
}

/** Leads to what is owed: where all of it is over already, to the tab of these. */
function Count({ k, pair, over }) {
  const [owed, all] = pair;
  const tab = owed > 0 && owed === over ? "cleared" : "unconfirmed";
  const query = k !== "d" ? `tab=${tab}&min_rank=${k}` : tab === "cleared" ? "tab=cleared" : "tab=device";
  return html`<a class=${`count ${all ? `c-${k}` : "none"}`} data-level=${k} href=${`/alarms?${query}`}>
    <${Sym} k=${k} flash=${owed > 0} /><span>${t(`level.${k}`)}</span>
    <b class="num">${bookKnown.value ? html`${owed}<i>/${all}</i>` : "–"}</b></a>`;
}

/** What one's tier must act on now, and soon; whoever has none sees the worst tier. */
function Owed() {
  const now = escalation.value;
  if (!now) return null;
  const tiers = tier.value ? [now.tiers[tier.value]] : Object.values(now.tiers);
  const overdue = Math.max(...tiers.map((counts) => counts.overdue));
  const nearly = Math.max(...tiers.map((counts) => counts.nearly_due));
  if (!overdue && !nearly) return null;
  return html`<a class="count owed" href="/alarms?tab=overdue" title=${t("banner.owed_hint")}>
    <span>${t("banner.overdue")}</span><b class="num">${overdue}</b>
    ${nearly ? html`<span class="muted">${t("banner.nearly_due", { n: nearly })}</span>` : null}</a>`;
}

/** That nothing is missing, and since when; a hole stays told until somebody saw it. */
function Complete() {
  const { sinceMs, n, completeMs, hole } = proof.value;
  if (!Number.isFinite(sinceMs)) return null;
  const told = t("banner.complete", { since: clockTime(sinceMs).slice(0, 5), n, to: clockTime(completeMs) });
  return html`<span class="complete num" title=${t("banner.complete_hint")}>
    ${hole ? html`<button class="hole" onClick=${() => { proof.value = { ...proof.value, hole: null }; }}>${t("banner.hole", { from: clockTime(hole[0]), to: clockTime(hole[1]) })}</button>` : null}
    <span class="muted">${told}</span></span>`;
}

function placeOf(alarm) {
  return [alarm.mine_name || alarm.mine, alarm.place || alarm.point].filter(Boolean).join(" ");
}

function OldestNewest() {
  const { oldest, newest } = bookSummary.value;
  const quiet = html`<span class="muted">${t(bookKnown.value ? "banner.none" : "loading")}</span>`;
  return html`<span class="lines">
    <span class="oldest"><span class="muted">${t("banner.oldest")}</span>
      ${oldest ? html`<a href=${alarmHref(oldest)}><${Age} since=${oldest.raised_at} /> · ${[placeOf(oldest), kindName(oldest.kind)].filter(Boolean).join(" · ")}</a>` : quiet}</span>
    <span class="newest"><span class="muted">${t("banner.newest")}</span>
      ${newest ? html`<a href=${alarmHref(newest)}><span class="num">${moment(newest.raised_at, serverNow())}</span> ${newest.text ? pick(newest.text.zh, newest.text.en) : placeOf(newest)}</a>` : quiet}</span>
  </span>`;
}

/** What must not be overlooked gets a bar of its own across the screen. */
function Bars() {
  second.value;
  const { counts } = bookSummary.value;
  const owed = Object.values(counts).reduce((sum, pair) => sum + pair[0], 0);
  const failing = (escalation.value ? escalation.value.channels : []).filter((one) => one.failing_since);
  const unready = (escalation.value && tier.value !== "mine" ? escalation.value.rooms_not_ready : []);
  const silent = owed + (drillOwed() || []).length;
  const blocked = sound.value.state === "blocked" && silent > 0;
  const { dead, phase } = link.value;
  const shownMs = above.value ? toMs(above.value.complete_to) : dataAtMs.value;
  return html`
    ${dead ? html`<div class="wide dead-bar" role="alert">${t("bar.dead", { at: clockTime(shownMs), age: duration(serverNow() - shownMs) })}</div>`
      : phase === "lost" ? html`<div class="wide lost-bar" role="alert">${t("bar.lost")}</div>` : null}
    <${AboveBars} />
    ${failing.length ? html`<div class="wide lost-bar channel-bar" role="alert">${t("bar.channels", { names: failing.map((one) => one.channel).join(" ") })}</div>` : null}
    ${unready.length ? html`<a class="wide lost-bar unready-bar" href="/consoles">${t("bar.unready", { names: unready.map((name) => postText({ tier: name.split("/")[0], place: name.split("/")[1] })).join(" · ") })}</a>` : null}
    ${unsigned.value.length ? html`<a class="wide lost-bar unsigned-bar" href=${`/handover/${unsigned.value[0].handover_id}`}>${t("bar.unsigned", { n: unsigned.value.length, day: unsigned.value[0].shift.day, shift: pick(unsigned.value[0].shift.name, unsigned.value[0].shift.name_en) })}</a>` : null}
    <${DrillBars} />
    ${blocked ? html`<button class="wide blocked-bar" onClick=${testSound}>${t("bar.blocked", { n: silent })}</button>` : null}`;
}
