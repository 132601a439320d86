/* What the payment page does when scripts run. Without them it is a form, a reload and links. */
(() => {
  "use strict";

  const language = document.documentElement.lang || "en";

  const momentFormat = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

  /* The number of minutes is said once, by the server; the clock that ticks is for eyes only. */
  const printTimeLeft = (element) => {
    const seconds = Math.max(0, Math.round((Date.parse(element.dateTime) - Date.now()) / 1000));
    const minutes = Math.floor(seconds / 60);
    if (minutes >= 60 && element.hasAttribute("data-local-when-still")) {
      element.textContent = momentFormat.format(new Date(element.dateTime));
    } else if (minutes < 60) {
      element.textContent = `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
      element.classList.toggle("is-soon", seconds < 120);
      const label = element.dataset.countingLabel;
      if (label && element.previousElementSibling) element.previousElementSibling.textContent = label;
    }
    return seconds;
  };

  let countdown = 0;
  const startCountdown = () => {
    window.clearInterval(countdown);
    const tick = () => {
      const running = [...document.querySelectorAll("[data-countdown]")];
      if (!running.length) window.clearInterval(countdown);
      running.forEach((element) => {
        if (printTimeLeft(element) > 0) return;
        element.removeAttribute("data-countdown");
        look();
      });
    };
    countdown = window.setInterval(tick, 1000);
    tick();
  };

  const printLocalTimes = () => {
    document.querySelectorAll("time[data-local]").forEach((element) => {
      element.textContent = momentFormat.format(new Date(element.dateTime));
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

  /* Only where the browser lets a page write to the clipboard: the words can be marked and copied by hand as well. */
  const offerCopies = () => {
    if (!navigator.clipboard) return;
    document.querySelectorAll("button[data-copy]").forEach((button) => {
      const face = button.textContent;
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.dataset.copy);
        button.textContent = button.dataset.done;
        window.setTimeout(() => {
          button.textContent = face;
        }, 2000);
      });
    });
  };

  const enhance = () => {
    offerCopies();
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
