// The wall of tiles. Nodes are made once per mine; new values are noted and written
// together when `flush` is called (about three times a second). Alarms flush at once.
import { above, silentWord } from "./above.js";
import { t } from "./i18n.js";
import { duration, NO_DATA, number } from "./format.js";
import { GONE_MS, STALE_MS } from "./levels.js";

const SVG = "http://www.w3.org/2000/svg";
const RESORT_MS = 5000;

function node(name, className, parent) {
  const element = document.createElement(name);
  element.className = className;
  if (parent) parent.append(element);
  return element;
}

/** Writes text only when it changed: an equal write still costs a layout. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A symbol for plain DOM; `set(key, flash)` changes it in place. */
export function makeSymbol(parent) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  svg.append(use);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "sym blank");
  parent.append(svg);
  let shown = "";
  return (key, flash) => {
    const next = key === "" ? "" : `sym c-${key}${flash ? (key === "4" ? " flash fast" : " flash") : ""}`;
    if (next === shown) return;
    shown = next;
    svg.setAttribute("class", next || "sym blank");
    if (key !== "") use.setAttribute("href", `#sym-${key}`);
    else use.removeAttribute("href");
  };
}

class Tile {
  constructor(mine) {
    this.mine = mine;
    this.root = node("a", "tile");
    this.root.href = `/mine/${mine.code}`;
    this.root.dataset.mine = mine.code;
    const head = node("span", "head", this.root);
    this.symbol = makeSymbol(head);
    this.name = node("span", "name", head);
    this.owed = node("b", "num owed", head);
    const line = node("span", "value", this.root);
    this.value = node("b", "num v", line);
    this.sign = node("span", "muted sign", line);
    this.where = node("bdi", "", node("span", "where", line));
    this.fill = node("i", "fill", node("span", "meter", this.root));
    this.fresh = true;
    this.state = {};
  }

  /** Higher is worse: level, then owed, then device faults, then methane. */
  weight() {
    const { tally, online } = this.state;
    const rank = tally ? tally.rank : -1;
    const device = (tally && tally.device ? 1 : 0) + (online === false && !above.peek() ? 2 : 0);
    const value = this.state.value || 0;
    return (rank + 1) * 1e6 + (tally ? Math.min(tally.owedGas, 99) : 0) * 1e4
      + device * 1e3 + Math.min(value, 9);
  }

  draw(nowMs) {
    const { tally, online, value, place, arrivedMs, atMs } = this.state;
    // The mine may be heard while its highest value is old: the older time counts.
    const age = nowMs - (atMs < arrivedMs ? atMs : arrivedMs);
    const off = online === false || !Number.isFinite(age) || age > STALE_MS;
    const gone = !Number.isFinite(age) || age > GONE_MS;
    const rank = tally ? tally.rank : -1;
    const key = rank >= 0 ? String(rank) : tally && tally.device ? "d" : "";
    write(this.name, this.mine.name || this.mine.code);
    this.root.title = `${this.mine.name || ""} ${this.mine.code}`;
    this.symbol(key, Boolean(tally && tally.owed));
    write(this.owed, tally && tally.owed ? String(tally.owed) : "");
    const shown = gone ? NO_DATA : number(value, "%");
    write(this.value, shown);
    write(this.sign, shown === NO_DATA ? "" : "%");
    write(this.where, off ? this.silence(age, online) : place || "");
    this.root.classList.toggle("stale", off && !above.peek());
    const share = gone || typeof value !== "number" ? 0 : Math.max(0, Math.min(1, value / 2));
    this.fill.style.transform = `scaleX(${share.toFixed(3)})`;
  }

  silence(age, online) {
    if (above.peek()) return silentWord();
    const word = t(online === false ? "tile.offline" : "tile.stale");
    return Number.isFinite(age) ? `${word} ${duration(age)}` : word;
  }
}

/** All tiles of an overview, grouped by area, worst first. */
export class TileWall {
  constructor(root) {
    this.root = root;
    this.tiles = new Map();
    this.groups = new Map();
    this.dirty = new Set();
    this.sortedAt = -Infinity;
    this.pointerInside = false;
    root.addEventListener("pointerenter", () => { this.pointerInside = true; });
    root.addEventListener("pointerleave", () => { this.pointerInside = false; });
  }

  /** Makes what is missing and takes away what is gone; keeps the rest. */
  setMines(mines, areaName, single) {
    const wanted = new Set(mines.map((mine) => mine.code));
    for (const [code, tile] of this.tiles) {
      if (wanted.has(code)) continue;
      tile.root.remove();
      this.tiles.delete(code);
    }
    for (const mine of mines) {
      const known = this.tiles.get(mine.code);
      if (known) known.mine = mine;
      else this.tiles.set(mine.code, new Tile(mine));
      if (!this.groups.has(mine.area)) this.addGroup(mine.area, single);
      this.dirty.add(mine.code);
    }
    for (const [area, group] of this.groups) write(group.title, areaName(area));
    this.sortedAt = -Infinity;
  }

  addGroup(area, single) {
    const root = node("section", "group", this.root);
    const head = node(single ? "h2" : "a", "group-head", root);
    if (!single) head.href = `/area/${area}`;
    else head.hidden = true;
    const symbol = makeSymbol(head);
    const title = node("span", "name", head);
    const figures = node("span", "muted num figures", head);
    this.groups.set(area, { root, title, symbol, figures, grid: node("div", "grid", root) });
  }

  /** Merges `patch` into what is known of a mine. */
  patch(code, patch) {
    const tile = this.tiles.get(code);
    if (!tile) return;
    Object.assign(tile.state, patch);
    this.dirty.add(code);
  }

  state(code) {
    const tile = this.tiles.get(code);
    return tile ? tile.state : null;
  }

  /** Draws what is noted (or all); `urgent` lets an alarm's tile move at once. */
  flush(nowMs, all, urgent) {
    const codes = all ? this.tiles.keys() : this.dirty;
    for (const code of codes) {
      const tile = this.tiles.get(code);
      if (tile) tile.draw(nowMs);
    }
    this.dirty.clear();
    // Tiles do not move under the pointer, and not more often than people can follow.
    const now = performance.now();
    if (this.pointerInside || (!urgent && now - this.sortedAt < RESORT_MS)) return;
    this.sortedAt = now;
    this.sort();
  }

  sort() {
    const byArea = new Map();
    for (const tile of this.tiles.values()) {
      if (!byArea.has(tile.mine.area)) byArea.set(tile.mine.area, []);
      byArea.get(tile.mine.area).push({ tile, weight: tile.weight() });
    }
    const groups = [];
    for (const [area, group] of this.groups) {
      const list = byArea.get(area) || [];
      list.sort((a, b) => Math.floor(b.weight / 1e3) - Math.floor(a.weight / 1e3)
        || a.tile.mine.code.localeCompare(b.tile.mine.code));
      order(group.grid, list.map((entry) => entry.tile.root));
      this.drawHead(group, list.map((entry) => entry.tile));
      group.root.hidden = list.length === 0;
      groups.push({ root: group.root, weight: list.length ? list[0].weight : -1, area });
    }
    groups.sort((a, b) => Math.floor(b.weight / 1e4) - Math.floor(a.weight / 1e4)
      || a.area.localeCompare(b.area));
    order(this.root, groups.map((entry) => entry.root));
  }

  drawHead(group, tiles) {
    let rank = -1;
    let online = 0;
    let open = 0;
    let owed = 0;
    for (const { state } of tiles) {
      if (state.online !== false) online += 1;
      if (!state.tally) continue;
      rank = Math.max(rank, state.tally.rank);
      open += state.tally.open;
      owed += state.tally.owed;
    }
    group.symbol(rank >= 0 ? String(rank) : "", false);
    const figures = above.peek() ? "tile.figures_above" : "tile.figures";
    write(group.figures, t(figures, { online, all: tiles.length, owed, open }));
  }
}

/** Puts children into `wanted` order, moving only those out of place. */
function order(parent, wanted) {
  wanted.forEach((element, index) => {
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] || null);
  });
}
