// Words on the screen. Chinese is the source language; English has the same keys.
import { signal } from "./html.js";
import { recall, remember } from "./storage.js";
import zh from "./texts.zh.js";
import en from "./texts.en.js";

const TEXTS = { zh, en };

function firstLanguage() {
  const asked = new URLSearchParams(location.search).get("lang");
  const wanted = asked || recall("lang", "zh");
  return TEXTS[wanted] ? wanted : "zh";
}

export const lang = signal(firstLanguage());

/** Chooses the language, remembers it and keeps a `lang` in the address in step. */
export function setLang(next) {
  lang.value = next;
  remember("lang", next);
  const url = new URL(location.href);
  if (url.searchParams.has("lang")) {
    url.searchParams.set("lang", next);
    history.replaceState(history.state, "", url);
  }
  markLang();
}

export function markLang() {
  document.documentElement.lang = lang.value === "zh" ? "zh-CN" : "en";
}

/** The text of `key` with `{name}` replaced from `values`. */
export function t(key, values) {
  const text = TEXTS[lang.value][key];
  if (text === undefined) return key;
  if (!values) return text;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Text of a code which may be newer than this page: then the code itself. */
export function tCode(prefix, code) {
  const text = TEXTS[lang.value][`${prefix}.${code}`];
  return text === undefined ? String(code) : text;
}

/** The better of two names the server sends; many have no English one. */
export function pick(chinese, english) {
  return (lang.value === "en" && english) || chinese || english || "";
}
