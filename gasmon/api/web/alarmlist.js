// A list of alarms that keeps its rows, its selection and its place while it updates.
import { html, useEffect, useMemo, useRef, useState } from "./html.js";
import { t } from "./i18n.js";
import { RowEditor, AlarmRow } from "./alarmrow.js";
import { drillOpened } from "./drillbook.js";
import { bindKeys } from "./keys.js";
import { KEEP_ROWS, ListModel } from "./listmodel.js";
import { go } from "./router.js";
import { link, mayConfirm, on, second } from "./state.js";
import { alarmHref, Failure } from "./widgets.js";

/**
 * `filter` as for GET /alarms; `compact` for the lists beside other things.
 *
 * Parts are drawn anew only when their properties change, so what the model holds of
 * a row is passed to it, and the toolbar is given the model's revision.
 */
export function AlarmList({ filter, empty, compact, extraKeys }) {
  const [revision, redraw] = useState(0);
  const key = JSON.stringify(filter);
  const model = useMemo(() => new ListModel(filter, () => redraw((n) => n + 1)), [key]);
  const box = useRef(null);
  const inside = useRef(false);
  useEffect(() => { model.load(false); }, [model]);
  useEffect(() => on("alarm", (body) => model.take(body)), [model]);
  useEffect(() => second.subscribe(() => { if (calm(model, box.current, inside.current)) { model.release(); model.letGo(performance.now()); } }), [model]);
  // After a lost link what was missed cannot be known: the list is read anew.
  useEffect(() => { if (link.value.phase === "open" && model.rows.length) model.load(false); }, [link.value.phase]);
  useEffect(() => { if (filter.run && drillOpened.value) model.load(false); }, [filter.run && drillOpened.value]);
  useEffect(() => bindKeys(keysOf(model, extraKeys)), [model, extraKeys]);
  useEffect(() => {
    const row = model.selected !== null && box.current.querySelector(`tr[data-alarm="${model.selected}"]`);
    if (row) row.scrollIntoView({ block: "nearest" });
  }, [model.selected]);
  // The keyboard goes with the selection: Enter must never mean a button of another row.
  useEffect(() => {
    if (!model.takesKeyboard) return;
    model.takesKeyboard = false;
    const row = model.selected !== null && box.current.querySelector(`tr[data-alarm="${model.selected}"]`);
    if (row) row.focus({ preventScroll: true });
  }, [revision]);
  const can = mayConfirm.value;
  const columns = (compact ? 6 : 11) + (can ? (compact ? 1 : 2) : 0);
  return html`<div class=${`alarm-list ${compact ? "compact" : ""}`}>
    <${Toolbar} model=${model} revision=${revision} can=${can} compact=${compact} />
    <${Failure} error=${model.error} retry=${() => model.load(false)} />
    <div class="list-scroll" ref=${box} onPointerEnter=${() => { inside.current = true; }} onPointerLeave=${() => { inside.current = false; }}>
      <table class="alarms"><${Head} model=${model} revision=${revision} can=${can} compact=${compact} />
        <tbody>${model.rows.map((row) => html`
          <${AlarmRow} key=${row.alarm_id} alarm=${row} model=${model} can=${can} compact=${compact}
            selected=${model.selected === row.alarm_id} checked=${model.checked.has(row.alarm_id)} result=${model.results.get(row.alarm_id)} />
          ${model.editing && model.editing.length === 1 && model.editing[0] === row.alarm_id
            ? html`<tr class="editor" key=${`e${row.alarm_id}`}><td colspan=${columns}><${RowEditor} model=${model} /></td></tr>` : null}`)}
        </tbody></table>
      ${!model.rows.length && !model.loading && !model.error ? html`<p class="empty">${empty || t("alarms.none")}</p>` : null}
      ${model.next && model.rows.length < KEEP_ROWS ? html`<button class="more" onClick=${() => model.load(true)}>${t("alarms.more")}</button>` : null}
    </div></div>`;
}

/** Rows may come and go by themselves only when nobody is working in the list. */
function calm(model, box, inside) {
  return !inside && !model.editing && !model.checked.size && box !== null && box.scrollTop === 0;
}

function keysOf(model, extra) {
  return {
    j: () => model.move(1),
    k: () => model.move(-1),
    Enter: () => {
      const row = model.rows.find((item) => item.alarm_id === model.selected);
      if (row) go(alarmHref(row));
    },
    x: () => { if (mayConfirm.peek()) model.toggle(model.selected); },
    X: () => { if (mayConfirm.peek()) model.toggleAll(); },
    a: () => { if (mayConfirm.peek()) model.edit(); },
    Escape: () => model.cancel(),
    ...(extra || {}),
  };
}

/** Always there and always as high, so that the rows below never jump. */
function Toolbar({ model, can, compact }) {
  const { editing, waiting, checked } = model;
  const bulk = editing && editing.length > 1;
  return html`<div class="toolbar">
    ${bulk ? html`<${RowEditor} model=${model} />` : html`
      <span class="muted">${t(compact ? "alarms.total_short" : "alarms.total", { total: model.total, shown: model.rows.length })}</span>
      ${waiting.length ? html`<button class="waiting" onClick=${() => model.release()}>${t("alarms.waiting", { n: waiting.length })}</button>` : null}
      <span class="push"></span>
      ${can && checked.size ? html`<button class="main" onClick=${() => model.edit()}>${t("alarms.confirm_checked", { n: checked.size })}</button>` : null}
      <button onClick=${() => model.load(false)}>${t("alarms.reload")}</button>`}
  </div>`;
}

function Head({ model, can, compact }) {
  const names = compact
    ? ["level", "place", "kind", "value", "lasting", "marks"]
    : ["level", "mine", "place", "kind", "value", "peak", "limit", "start", "lasting", "planned", "marks"];
  const right = ["value", "peak", "limit", "lasting"];
  return html`<thead><tr>${can && !compact ? html`<th class="check"><input type="checkbox" aria-label=${t("alarms.choose_all")} title=${t("alarms.choose_all")}
      checked=${model.checked.size > 0} onClick=${() => model.toggleAll()} /></th>` : null}
    ${names.map((name) => html`<th class=${`h-${name} ${right.includes(name) ? "r" : ""}`}>${t(`col.${name}`)}</th>`)}
    ${can ? html`<th class="act">${t("col.action")}</th>` : null}</tr></thead>`;
}
