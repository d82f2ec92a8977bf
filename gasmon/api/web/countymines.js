// The mines of a county by state: in alarm, cut off, with faults, normal.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { above, silentWord } from "./above.js";
import { tally } from "./alarmbook.js";
import { duration, number, toMs } from "./format.js";
import { GONE_MS, STALE_MS } from "./levels.js";
import { serverNow } from "./state.js";
import { Sym } from "./widgets.js";

export const STATES = ["alarm", "offline", "fault", "normal"];

/** Whether a mine is heard: connected, and its newest frame is young. */
export function onlineOf(mine, nowMs) {
  return mine.online !== false && nowMs - toMs(mine.arrived_at) <= STALE_MS;
}

/**
 * Rows `{mine, tally, state}` by state, the worst of each first. Pure: the present is an
 * argument. A node that has no values cannot say that a mine is offline.
 */
export function byState(mines, book, tier, nowMs, noValues = Boolean(above.peek())) {
  const table = tally(book, "mine", tier);
  const groups = Object.fromEntries(STATES.map((name) => [name, []]));
  for (const mine of mines) {
    const found = table.get(mine.code) || { rank: -1, device: 0, open: 0, owed: 0, owedGas: 0 };
    const state = found.rank >= 0 ? "alarm" : !noValues && !onlineOf(mine, nowMs) ? "offline" : found.device ? "fault" : "normal";
    groups[state].push({ mine, tally: found, state });
  }
  const order = (a, b) => b.tally.rank - a.tally.rank || b.tally.owed - a.tally.owed || a.mine.code.localeCompare(b.mine.code);
  for (const name of STATES) groups[name].sort(order);
  return groups;
}

/** Where no values come, a mine without alarms is not thereby normal. */
function word(state) {
  return t(state === "normal" && above.value ? "mines.no_alarm" : `mines.${state}`);
}

export function MineTable({ groups }) {
  const names = ["state", "mine", "open", "top", "where", "heard"];
  const rows = STATES.flatMap((name) => groups[name]);
  if (!rows.length) return html`<p class="empty">${t("tile.no_mines")}</p>`;
  return html`<p class="figures">${STATES.filter((name) => name !== "offline" || !above.value).map((name) => html`<span key=${name} data-state=${name}><span class="muted">${word(name)}</span> <b class="num">${groups[name].length}</b></span>`)}</p>
    <table class="mines"><thead><tr>${names.map((name) => html`<th class=${name === "top" || name === "open" ? "r" : ""}>${t(`mines.${name}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<${MineRow} key=${row.mine.code} row=${row} />`)}</tbody></table>`;
}

function MineRow({ row }) {
  const { mine, tally: found, state } = row;
  const age = serverNow() - toMs(mine.arrived_at);
  const top = mine.top_ch4 && serverNow() - toMs(mine.top_ch4.at) <= GONE_MS ? mine.top_ch4 : null;
  const key = state === "alarm" ? String(found.rank) : state === "fault" ? "d" : "";
  return html`<tr data-mine=${mine.code} data-state=${state} class=${state === "offline" ? "off" : ""}>
    <td><span class=${`level ${key ? `c-${key}` : ""}`}>${key ? html`<${Sym} k=${key} flash=${found.owed > 0} />` : null}<span>${state === "alarm" ? t(`level.${key}`) : word(state)}</span></span></td>
    <td><a href=${`/mine/${mine.code}`}>${mine.name || mine.code}</a> <span class="muted num">${mine.code}</span></td>
    <td class="r num">${found.owed}/${found.open}</td>
    <td class="r num">${number(top ? top.value : null, "%")}${top ? " %" : ""}</td>
    <td>${top ? top.place || top.no : ""}</td>
    <td>${above.value ? silentWord() : html`${t(mine.online === false ? "tile.offline" : state === "offline" ? "tile.stale" : "mine.online")} <span class="num">${duration(age)}</span>`}</td></tr>`;
}
