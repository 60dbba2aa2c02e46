// The page of emergency calls: it looks for new ones by itself, and makes itself
// heard. Without this script it loads itself again now and then, in silence.
"use strict";
(() => {
  // Browsers slow down the timers of pages that nobody looks at to one a minute; those
  // of a worker go on. So this file is also a worker, that tells the page when to look.
  if (typeof document === "undefined") {
    setInterval(() => postMessage(0), 2000);
    return;
  }

  const calls = document.getElementById("calls");
  const bar = document.getElementById("bar");
  const lost = document.getElementById("lost");
  const button = document.getElementById("sound");
  const said = document.getElementById("said");

  // Sound: two tones in turn, made by oscillators that need no timer.
  let audio = null;
  let volume = null;

  const build = () => {
    audio = new AudioContext();
    const tone = new OscillatorNode(audio, { type: "triangle", frequency: 760 });
    const turn = new OscillatorNode(audio, { type: "square", frequency: 1.4 });
    const depth = new GainNode(audio, { gain: 190 });
    volume = new GainNode(audio, { gain: 0 });
    turn.connect(depth).connect(tone.frequency);
    tone.connect(volume).connect(audio.destination);
    tone.start();
    turn.start();
    audio.onstatechange = show;
  };

  const heard = () => audio !== null && audio.state === "running";
  const waiting = () => Number(calls.dataset.waiting);

  const show = () => {
    const on = heard();
    document.body.dataset.sound = on ? "on" : "off";
    document.body.dataset.alarm = waiting() > 0 ? "on" : "off";
    said.textContent = on ? "Sound is on. A new call is heard here." : "Sound is off. Nobody hears a new call here.";
    button.textContent = on ? "Test the sound" : "Turn sound on";
    if (audio !== null) {
      volume.gain.setTargetAtTime(waiting() > 0 ? 0.5 : 0, audio.currentTime, 0.01);
    }
  };

  button.addEventListener("click", async () => {
    if (audio === null) {
      build();
    }
    await audio.resume();
    show();
    volume.gain.setTargetAtTime(0.5, audio.currentTime, 0.01);
    if (waiting() === 0) {
      volume.gain.setTargetAtTime(0, audio.currentTime + 1, 0.01);
    }
  });

  // Times go on.
  let offset = Date.now() - Number(calls.dataset.now); // this clock against the server's

  const age = (ms) => {
    for (const [unit, name] of [[86400000, "day"], [3600000, "hour"], [60000, "minute"]]) {
      const n = Math.floor(ms / unit);
      if (n > 0) {
        return `${n} ${name}${n > 1 ? "s" : ""} ago`;
      }
    }
    return `${Math.max(0, Math.floor(ms / 1000))} seconds ago`;
  };

  const tick = () => {
    for (const e of calls.querySelectorAll("[data-at]")) {
      e.textContent = age(Date.now() - offset - Number(e.dataset.at));
    }
  };

  // put shows what the server says, and leaves alone what somebody types or has open.
  const put = (html) => {
    const typed = [...calls.querySelectorAll("input[id]")].map((e) => [e.id, e.value]);
    const open = [...calls.querySelectorAll("details[open][id]")].map((e) => e.id);
    const active = calls.contains(document.activeElement) ? document.activeElement.id : "";
    calls.innerHTML = html;
    for (const [id, value] of typed) {
      const e = document.getElementById(id);
      if (e !== null) {
        e.value = value;
      }
    }
    for (const id of open) {
      document.getElementById(id)?.setAttribute("open", "");
    }
    if (active !== "") {
      document.getElementById(active)?.focus({ preventScroll: true });
    }
  };

  let busy = false;
  let failed = 0;
  let seen = Date.now();

  const look = async () => {
    if (busy) {
      return;
    }
    busy = true;
    try {
      const url = `${calls.dataset.live}?tag=${calls.dataset.tag}`;
      const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (!answer.ok) {
        throw new Error(answer.statusText);
      }
      const news = await answer.json();
      offset = Date.now() - news.now;
      if (news.html !== undefined) {
        put(news.html);
      }
      calls.dataset.tag = news.tag;
      calls.dataset.waiting = news.waiting;
      document.title = news.title;
      failed = 0;
      seen = Date.now();
    } catch {
      failed++;
    } finally {
      busy = false;
    }
    lost.hidden = failed < 2;
    if (failed >= 2) {
      document.title = "NO CONNECTION";
      document.getElementById("lost-since").textContent = new Date(seen).toLocaleTimeString();
    }
    show();
    tick();
  };

  // A form is sent without leaving the page: another one would have to be told anew
  // that it may be heard.
  calls.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    try {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      if (!answer.ok) {
        throw new Error(answer.statusText);
      }
      await look();
    } catch {
      form.submit(); // then the next page says what is wrong
    }
  });

  bar.hidden = false;
  try {
    build(); // a browser that has let this page be heard before may do so again
  } catch {
    // the button tries again
  }
  show();
  tick();
  const byItself = () => setInterval(look, 2000);
  try {
    const clock = new Worker(document.currentScript.src);
    clock.onmessage = look;
    clock.onerror = byItself;
  } catch {
    byItself();
  }
})();
