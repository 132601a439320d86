/* What the payment page does when scripts run. Without them it is a form, a reload and links. */
(() => {
  "use strict";

  const language = document.documentElement.lang || "en";

  /* The number of minutes is said once, by the server; the clock that ticks is for eyes only. */
  const printTimeLeft = (element) => {
    const seconds = Math.max(0, Math.round((Date.parse(element.dateTime) - Date.now()) / 1000));
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) {
      element.textContent = `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
      element.classList.toggle("is-soon", seconds < 120);
    }
    return seconds;
  };

  let countdown = 0;
  const startCountdown = () => {
    window.clearInterval(countdown);
    const element = document.querySelector("[data-countdown]");
    if (!element) return;
    const tick = () => {
      if (printTimeLeft(element) === 0) {
        window.clearInterval(countdown);
        look();
      }
    };
    countdown = window.setInterval(tick, 1000);
    tick();
  };

  const printLocalTimes = () => {
    const format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
    document.querySelectorAll("time[data-local]").forEach((element) => {
      element.textContent = format.format(new Date(element.dateTime));
    });
  };

  /* One click, one request. The hidden key makes a second one harmless; this only spares the payer the doubt. */
  const guardForms = () => {
    document.querySelectorAll("form[data-once]").forEach((form) => {
      form.addEventListener("submit", (event) => {
        if (form.classList.contains("is-sent")) event.preventDefault();
        form.classList.add("is-sent");
      });
    });
  };

  /* Goes on to the provider's page once, right after the form; "back" from there stays here. */
  const goOn = () => {
    const address = new URL(window.location.href);
    if (!address.searchParams.has("go")) return;
    address.searchParams.delete("go");
    window.history.replaceState(null, "", address);
    const link = document.querySelector("a[data-go]");
    if (link) window.location.assign(link.href);
  };

  const openDetails = () => {
    if (!window.matchMedia("(min-width: 56rem)").matches) return;
    document.querySelectorAll("details[data-open-when-wide]").forEach((details) => {
      details.open = true;
    });
  };

  const look = () => {
    const poller = document.getElementById("poller");
    if (poller && window.htmx) window.htmx.trigger(poller, "look");
  };

  const enhance = () => {
    startCountdown();
    printLocalTimes();
    guardForms();
  };

  document.addEventListener("htmx:oobAfterSwap", startCountdown);
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "stage") return;
    enhance();
    const title = document.getElementById("stage-title");
    if (title) title.focus({ preventScroll: true });
  });
  ["htmx:sendError", "htmx:responseError", "htmx:timeout"].forEach((name) => {
    document.addEventListener(name, () => window.setTimeout(look, 5000));
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
  });
  /* A page out of the back-forward cache shows the past. */
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload();
  });

  enhance();
  openDetails();
  goOn();
})();
