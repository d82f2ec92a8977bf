// What one workstation remembers (language, theme, size, sound). A browser may
// forbid storage altogether; the page then works with its defaults.

export function recall(key, fallback) {
  try {
    const value = localStorage.getItem(`gasmon.${key}`);
    return value === null ? fallback : value;
  } catch (_) {
    return fallback;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(`gasmon.${key}`, value);
  } catch (_) {
    // Without storage the choice lasts as long as the page.
  }
}
