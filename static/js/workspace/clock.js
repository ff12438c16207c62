// Counts the seconds in which somebody works: a pause of more than a minute counts nothing.

const IDLE_MS = 60_000;
const SIGNS = ["pointermove", "pointerdown", "keydown", "wheel"];

export class Clock {
  constructor(signal, now = () => performance.now()) {
    this.now = now;
    this.start(0);
    for (const sign of SIGNS) addEventListener(sign, () => this.sign(), { signal, passive: true, capture: true });
  }

  start(seconds) {
    this.active = seconds * 1000;
    this.last = this.now();
  }

  sign() {
    const now = this.now();
    if (now - this.last <= IDLE_MS) this.active += now - this.last;
    this.last = now;
  }

  get idle() {
    return this.now() - this.last > IDLE_MS;
  }

  get seconds() {
    return Math.round((this.active + (this.idle ? 0 : this.now() - this.last)) / 100) / 10;
  }

  get text() {
    const whole = Math.floor(this.seconds);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  }
}
