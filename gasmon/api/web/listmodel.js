// What a list of alarms remembers: its rows, which wait, are chosen, are being confirmed,
// and how each answered. Nothing of this is drawn here.
import { t } from "./i18n.js";
import { merge, owes } from "./alarmbook.js";
import { enterDrill } from "./drillbook.js";
import { say } from "./focus.js";
import { isForecast, worstRank } from "./levels.js";
import { get, post } from "./requests.js";
import { enterAlarm, me, serverNow, tier } from "./state.js";

const PAGE_ROWS = 50;
export const KEEP_ROWS = 500;
const LINGER_MS = 60 * 1000; // long enough to be seen going
const MOST_AT_ONCE = 200;
const RED = 4;

/** Whether a new alarm belongs into a list with this filter (same terms as the API). */
export function matches(filter, alarm) {
  if ((filter.run || 0) !== (alarm.run || 0)) return false;
  if (filter.state === "cleared" && !alarm.cleared_at) return false;
  if (filter.confirmed === "true" || filter.overdue || filter.work) return false;
  if (filter.area && alarm.area !== filter.area && `${String(alarm.area).slice(0, 4)}00` !== filter.area) return false;
  if (filter.mine && alarm.mine !== filter.mine) return false;
  if (filter.point && alarm.subject !== `point:${filter.point}`) return false;
  if (filter.kind && !filter.kind.split(",").includes(alarm.kind)) return false;
  if (filter.min_rank && !(alarm.rank >= Number(filter.min_rank))) return false;
  if (filter.from || filter.to) return false;
  if (!filter.q) return true;
  const words = [alarm.mine_name, alarm.place, alarm.point, alarm.unit].join(" ").toLowerCase();
  return words.includes(filter.q.toLowerCase());
}

/** Whether a filter no longer finds an alarm that it found. What somebody still owes
 *  never leaves by itself. Pure. */
export function isOver(filter, alarm, who) {
  if (owes(alarm, who)) return false;
  if (filter.confirmed === "false" && !isForecast(alarm.kind)) return true;
  return ["open", "standing"].includes(filter.state || "open") && Boolean(alarm.cleared_at);
}

/** The list's own memory: plain data, changed in place, then `redraw`. */
export class ListModel {
  constructor(filter, redraw) {
    this.filter = filter;
    this.redraw = redraw;
    this.rows = [];
    this.waiting = [];
    this.most = PAGE_ROWS;
    this.overSince = new Map();
    this.checked = new Set();
    this.results = new Map();
    this.selected = null;
    this.editing = null;
    this.total = 0;
    this.next = null;
    this.error = null;
    this.loading = false;
    this.generation = 0;
    this.takesKeyboard = false;
  }

  async load(more) {
    const generation = more ? this.generation : (this.generation += 1);
    this.loading = true;
    this.redraw();
    try {
      // Asked anew from the top: rows at the end may have been let go since.
      const limit = more ? Math.min(KEEP_ROWS, this.most + PAGE_ROWS) : PAGE_ROWS;
      const page = await get("/alarms", { ...this.filter, limit });
      if (generation !== this.generation) return;
      this.rows = page.items.map((row) => merge(null, row, tier.peek()));
      this.most = limit;
      // What came while the answer was on its way is not in it.
      const here = new Set(this.rows.map((row) => row.alarm_id));
      this.waiting = this.waiting.filter((row) => !here.has(row.alarm_id) && !isOver(this.filter, row, tier.peek()));
      this.overSince.clear();
      this.total = page.total;
      this.next = page.next;
      this.error = null;
    } catch (error) {
      if (generation === this.generation) this.error = error;
    }
    this.loading = false;
    this.redraw();
  }

  /** Takes an event: known rows change where they stand, new ones wait their turn. */
  take(body) {
    const known = this.rows.findIndex((row) => row.alarm_id === body.alarm_id);
    if (known >= 0) {
      this.rows[known] = merge(this.rows[known], body, tier.peek());
    } else {
      const index = this.waiting.findIndex((row) => row.alarm_id === body.alarm_id);
      if (index >= 0) this.waiting[index] = merge(this.waiting[index], body, tier.peek());
      else if (this.begins(body) && matches(this.filter, body)) {
        this.waiting.unshift(merge(null, body, tier.peek()));
        this.waiting.length = Math.min(this.waiting.length, KEEP_ROWS);
        if (body.event === "raised") this.total += 1;
      }
    }
    this.redraw();
  }

  /** Whether an event brings an alarm into the list: a new one, and where the worst come
   *  first one from further down that became worse. */
  begins(body) {
    return body.event === "raised" || (this.filter.order === "worst" && body.event === "level");
  }

  /** Lets the waiting rows in, at the top or where their level belongs; as many as were
   *  asked for stay. */
  release() {
    if (!this.waiting.length) return;
    const here = new Set(this.rows.map((row) => row.alarm_id));
    this.rows = this.waiting.filter((row) => !here.has(row.alarm_id)).concat(this.rows);
    // Equal ones stay as they stand: the newest first.
    if (this.filter.order === "worst") this.rows.sort((a, b) => worstRank(b) - worstRank(a));
    this.waiting = [];
    if (this.rows.length > this.most) {
      this.rows.length = this.most;
      this.next = true;
    }
    this.redraw();
  }

  /** Lets rows go that the filter has not found for a while; a list that is open for
   *  months would else hold every alarm that it ever had. The selected one stays. */
  letGo(nowMs) {
    const gone = new Set();
    for (const row of this.rows) {
      const id = row.alarm_id;
      if (!isOver(this.filter, row, tier.peek())) this.overSince.delete(id);
      else if (!this.overSince.has(id)) this.overSince.set(id, nowMs);
      else if (id !== this.selected && nowMs - this.overSince.get(id) >= LINGER_MS) gone.add(id);
    }
    if (!gone.size) return;
    this.rows = this.rows.filter((row) => !gone.has(row.alarm_id));
    for (const id of gone) {
      this.overSince.delete(id);
      this.results.delete(id);
    }
    this.total = Math.max(this.rows.length, this.total - gone.size);
    this.redraw();
  }

  move(step) {
    if (!this.rows.length) return;
    const at = this.rows.findIndex((row) => row.alarm_id === this.selected);
    const next = at < 0 ? 0 : Math.max(0, Math.min(this.rows.length - 1, at + step));
    this.selected = this.rows[next].alarm_id;
    this.takesKeyboard = true;
    this.redraw();
  }

  toggle(id) {
    if (id === null) return;
    if (!this.checked.delete(id)) this.checked.add(id);
    this.redraw();
  }

  /** Checks all that is shown and owed, or nothing any more. Red is never among them:
   *  each red one is looked at by itself. */
  toggleAll() {
    const owed = this.rows.filter((row) => owes(row, tier.peek()) && worstRank(row) < RED);
    this.checked = this.checked.size ? new Set() : new Set(owed.map((row) => row.alarm_id));
    this.redraw();
  }

  /** Opens the note for the checked rows, or for the selected one. */
  edit(id) {
    const ids = id !== undefined ? [id] : this.checked.size ? [...this.checked] : [this.selected];
    const owed = this.rows.filter((row) => ids.includes(row.alarm_id) && owes(row, tier.peek()));
    if (!owed.length) return;
    if (id !== undefined) this.selected = id;
    this.editing = owed.map((row) => row.alarm_id);
    this.redraw();
  }

  cancel() {
    this.takesKeyboard = this.editing !== null;
    this.editing = null;
    this.redraw();
  }

  /** Confirms each alarm being edited with one note; every row says how it went. */
  async confirm(note) {
    const ids = this.editing || [];
    this.editing = null;
    this.results.clear();
    for (let at = 0; at < ids.length; at += MOST_AT_ONCE) {
      const part = ids.slice(at, at + MOST_AT_ONCE);
      for (const id of part) this.results.set(id, { phase: "busy" });
      this.redraw();
      try {
        const { items } = await post("/alarms/confirm", { alarm_ids: part, text: note });
        for (const item of items) this.answered(item, note);
      } catch (error) {
        for (const id of part) this.results.set(id, { phase: "failed", status: error.status, message: error.message });
      }
    }
    this.toNextOwed();
    const failed = ids.filter((id) => (this.results.get(id) || {}).phase === "failed").length;
    say(t(failed ? "said.confirmed_some" : "said.confirmed", { n: ids.length - failed, failed }));
    this.takesKeyboard = true;
    this.redraw();
  }

  /** How one row went. What it shows is what its event will tell again: the level that is
   *  known here, so a higher one that came meanwhile is still owed. */
  answered({ alarm_id: id, ok, status, detail }, note) {
    if (!ok) {
      this.results.set(id, { phase: "failed", status, message: detail });
      return;
    }
    this.results.set(id, { phase: "ok" });
    this.checked.delete(id);
    const known = this.rows.findIndex((row) => row.alarm_id === id);
    if (known < 0) return;
    const row = this.rows[known];
    const at = new Date(serverNow()).toISOString();
    const mark = { event: "confirmed", tier: tier.peek(), by: me.peek().principal.name, happened_at: at, decided_at: at, note, rank: worstRank(row) };
    this.rows[known] = merge(row, { ...row, ...mark }, tier.peek());
    (row.run ? enterDrill : enterAlarm)({ ...row, ...mark });
  }

  toNextOwed() {
    const at = this.rows.findIndex((row) => row.alarm_id === this.selected);
    const after = this.rows.slice(at + 1).concat(this.rows.slice(0, Math.max(at, 0)));
    const next = after.find((row) => owes(row, tier.peek()));
    if (next) this.selected = next.alarm_id;
  }
}
