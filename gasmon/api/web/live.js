// The live stream: snapshot, deltas, alarms and heartbeats over one WebSocket.
// Silence is never taken for calm: without any frame for DEAD_MS the page is dead.

export const DEAD_MS = 15 * 1000; // three heartbeats of 5 s
const BACKOFF_MS = [500, 1000, 2000, 4000, 8000, 15000];

/** Browsers call it an error when a line is closed before it is open. */
function closeCalmly(socket) {
  if (socket.readyState === 0) socket.onopen = () => socket.close(1000);
  else socket.close(1000);
}

/**
 * One stream that reconnects for ever.
 *
 * `handlers`: `onFrame(frame)` for snapshot and delta, `onAlarm(body)`,
 * `onClock(ms)`, `onPhase(phase, reason)`, `onRefused(code)` when asking again
 * would be pointless (4401 not signed in, 4403 not allowed). With `onBeat(frame)` the
 * stream says where it was when it connects again, and is told what it missed.
 */
export class LiveStream {
  constructor(path, handlers) {
    this.path = path;
    this.handlers = handlers;
    this.seq = null;
    this.reached = null;
    this.attempt = 0;
    this.heardAt = performance.now();
    this.openedAt = this.heardAt;
    this.socket = null;
    this.timer = 0;
    this.stopped = false;
  }

  start() {
    this.open();
    return this;
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    if (this.socket) closeCalmly(this.socket);
    this.socket = null;
  }

  /** Connects again after a refusal that turned out not to be final. */
  resume() {
    this.stopped = false;
    this.again("resumed");
  }

  /** Says a frame; false when there is no open line. */
  say(frame) {
    if (!this.socket || this.socket.readyState !== 1) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  /** Milliseconds since anything was heard. */
  silentMs() {
    return performance.now() - this.heardAt;
  }

  /**
   * Called each second: a socket that is open but silent is given up. A new one is given
   * its own time, else a slow link would never come back after a long silence.
   */
  check() {
    const since = Math.max(this.heardAt, this.openedAt);
    if (this.socket && performance.now() - since > DEAD_MS) this.drop("silent");
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const after = this.handlers.onBeat && this.reached ? `&after=${this.reached.epoch}:${this.reached.position}` : "";
    const socket = new WebSocket(`${scheme}//${location.host}${this.path}${after}`);
    this.socket = socket;
    this.seq = null;
    this.openedAt = performance.now();
    socket.onmessage = (event) => {
      if (socket === this.socket) this.take(event.data);
    };
    socket.onclose = (event) => {
      if (socket === this.socket) this.closed(event.code);
    };
  }

  take(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch (_) {
      this.drop("malformed");
      return;
    }
    this.heardAt = performance.now();
    if (typeof frame.at_ms === "number") this.handlers.onClock(frame.at_ms);
    if (frame.type === "snapshot") {
      this.seq = frame.seq;
      this.attempt = 0;
      // What was missed is still to come: until then the old place counts.
      if (!frame.resumed) this.reached = { epoch: frame.epoch, position: frame.position };
      this.handlers.onPhase("open", "");
      this.handlers.onFrame(frame);
    } else if (frame.type === "delta") {
      this.takeDelta(frame);
    } else if (frame.type === "alarm") {
      this.reach(frame.seq);
      this.handlers.onAlarm(frame.data);
    } else if (frame.type === "heartbeat" && this.handlers.onBeat) {
      this.reach(frame.position);
      this.handlers.onBeat(frame);
    }
  }

  reach(position) {
    if (this.reached && position > this.reached.position) this.reached.position = position;
  }

  takeDelta(frame) {
    // A delta before the snapshot, or one that repeats or skips: what is on the
    // screen can no longer be proven, so it is fetched anew.
    if (this.seq === null || frame.seq !== this.seq + 1) {
      this.drop("gap");
      return;
    }
    this.seq = frame.seq;
    this.handlers.onFrame(frame);
  }

  drop(reason) {
    const socket = this.socket;
    this.socket = null;
    if (socket) closeCalmly(socket);
    this.again(reason);
  }

  closed(code) {
    this.socket = null;
    if (code === 4401 || code === 4403) {
      this.stopped = true;
      this.handlers.onRefused(code);
      return;
    }
    this.again(String(code));
  }

  again(reason) {
    if (this.stopped) return;
    this.handlers.onPhase("lost", reason);
    const wait = BACKOFF_MS[Math.min(this.attempt, BACKOFF_MS.length - 1)];
    this.attempt += 1;
    // Spread by a quarter, so that a restarted server is not met by everyone at once.
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), wait * (0.75 + Math.random() / 2));
  }
}
