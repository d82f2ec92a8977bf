// The open alarms this page knows, and what follows from them. Pure: no clock, no
// network. The book is bounded; when the server has more, `more` says so.
import { isDevice, isForecast, worstRank } from "./levels.js";

export const BOOK_LIMIT = 2000;
const TIERS = ["mine", "county", "city"];

export function emptyBook() {
  return { byId: new Map(), more: false };
}

/**
 * Whether `tier` still owes a confirmation; null tier (a viewer): whether nobody gave
 * one yet. A confirmation counts up to the level it was given at, so a level above it
 * alarms again; an upper tier's confirmation never clears a lower tier's duty.
 */
export function owes(alarm, tier) {
  if (isForecast(alarm.kind) || alarm.settled) return false;
  const rank = worstRank(alarm);
  const covers = (name) => {
    const mark = alarm.confirmations[name];
    return Boolean(mark) && mark.rank >= rank;
  };
  return tier ? !covers(tier) : !TIERS.some(covers);
}

/** Whether planned work keeps it quiet now; what broke through is as loud as any. */
export function isPlanned(alarm) {
  return Boolean(alarm.planned && alarm.quiet);
}

/** Whether a shelf keeps it quiet here: up to the shelf's level, and it still owes. */
export function isShelved(alarm) {
  return Boolean(alarm.shelved_until) && worstRank(alarm) <= alarm.shelf_rank;
}

/** What a body says of a shelf; a higher level breaks through by its rank alone. */
function takeShelf(row, body) {
  if (body.event === "shelved") {
    row.shelved_until = body.until;
    row.shelf_rank = body.ceiling;
  } else if (body.event === "unshelved") {
    row.shelved_until = null;
  } else if (body.event === "raised" || body.event === "level") {
    // Raised again under a shelf that is older than the alarm.
    if (/^shelf:/.test(body.quiet || "")) {
      row.shelved_until = body.quiet;
      row.shelf_rank = row.peak_rank;
    }
  } else if (!body.event) {
    // A row of the API: the shelf stands only if it covers the present level.
    row.shelf_rank = row.peak_rank;
  }
}

/** An alarm row from an event's body or an API row; `known` is the row before. */
export function merge(known, body, tier) {
  const base = known || { confirmations: { mine: null, county: null, city: null }, peak_rank: 0 };
  const row = { ...base, ...body };
  row.peak_rank = Math.max(base.peak_rank || 0, body.peak_rank || 0, body.rank || 0);
  row.confirmations = { ...base.confirmations };
  for (const name of TIERS) {
    const mark = body.confirmations && body.confirmations[name];
    // The API sends only marks that cover the present level.
    if (mark) row.confirmations[name] = { rank: row.peak_rank, ...mark };
  }
  if (body.event === "unknown") row.unknown = true;
  if (body.event === "known" || body.event === "cleared") row.unknown = false;
  if (body.event === "confirmed" && TIERS.includes(body.tier)) {
    row.confirmations[body.tier] = {
      by: body.by, at: body.decided_at || body.happened_at, note: body.note,
      rank: typeof body.rank === "number" ? body.rank : row.peak_rank,
    };
  }
  takeShelf(row, body);
  if (body.event === "closed") row.closed_at = body.happened_at;
  // Closed by a rule that asks nobody: no duty is left, though nobody confirmed.
  if (body.event === "closed" && body.asks_nobody) row.settled = true;
  if (!body.event && body.state === "closed") row.settled = true;
  const owed = owes(row, tier);
  if (row.cleared_at) row.state = owed ? "cleared_unconfirmed" : row.closed_at ? "closed" : "cleared";
  else row.state = owed ? "unconfirmed" : "confirmed";
  return row;
}

/** Takes one event or API row into the book; true when something changed. */
export function enter(book, body, tier) {
  const id = body.alarm_id;
  if (id === undefined || id === null || isForecast(body.kind)) return false;
  const row = merge(book.byId.get(id), body, tier);
  if (row.state === "closed" || row.state === "cleared") return book.byId.delete(id);
  if (!book.byId.has(id) && book.byId.size >= BOOK_LIMIT) {
    book.more = true;
    return false;
  }
  book.byId.set(id, row);
  return true;
}

/** Counts per symbol (owed, all; `over`: owed, and its value is back), the oldest owed
 *  and the newest alarm of the book. */
export function summary(book, tier) {
  const counts = {};
  for (const key of ["4", "3", "2", "1", "0", "d", "planned"]) counts[key] = [0, 0];
  const over = {};
  let oldest = null;
  let newest = null;
  let drill = false;
  for (const alarm of book.byId.values()) {
    const owed = owes(alarm, tier);
    const key = isPlanned(alarm) ? "planned" : isDevice(alarm.kind) ? "d" : String(worstRank(alarm));
    counts[key][1] += 1;
    if (owed) counts[key][0] += 1;
    if (owed && alarm.cleared_at) over[key] = (over[key] || 0) + 1;
    if (owed && !isPlanned(alarm) && !isShelved(alarm) && (!oldest || older(alarm, oldest))) oldest = alarm;
    if (!newest || older(newest, alarm)) newest = alarm;
    if (alarm.drill) drill = true;
  }
  return { counts, over, oldest, newest, drill, more: book.more };
}

function older(a, b) {
  return Date.parse(a.raised_at) < Date.parse(b.raised_at);
}

/** Worst level, open and owed counts by a key of the alarm (`mine`, `subject`…). */
export function tally(book, field, tier) {
  const table = new Map();
  for (const alarm of book.byId.values()) {
    const key = alarm[field];
    if (key === null || key === undefined) continue;
    const entry = table.get(key) || { rank: -1, device: 0, open: 0, owed: 0, owedGas: 0 };
    const owed = owes(alarm, tier);
    entry.open += 1;
    if (owed) entry.owed += 1;
    if (isDevice(alarm.kind)) {
      entry.device += 1;
    } else {
      entry.rank = Math.max(entry.rank, worstRank(alarm));
      if (owed) entry.owedGas += 1;
    }
    table.set(key, entry);
  }
  return table;
}
