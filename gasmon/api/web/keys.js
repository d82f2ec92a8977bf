// Keyboard: one table of keys per page, asleep while somebody writes text.

const tables = [];

/** Adds a table `{key: handler}`; the newest table wins. Returns how to remove it. */
export function bindKeys(table) {
  tables.push(table);
  return () => tables.splice(tables.indexOf(table), 1);
}

/** Text fields and Chinese input composition own the keyboard. */
export function isWriting(event) {
  if (event.isComposing || event.keyCode === 229) return true;
  const target = event.target;
  if (!target || !target.tagName) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event)) return;
    // Enter on a focused button or link is that control's own business.
    if (event.key === "Enter" && /^(A|BUTTON)$/.test(event.target.tagName)) return;
    for (let i = tables.length - 1; i >= 0; i -= 1) {
      const handler = tables[i][event.key];
      if (handler) {
        event.preventDefault();
        handler(event);
        return;
      }
    }
  });
}
