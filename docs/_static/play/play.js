// The interactive pages: what moves, and what is drawn. Formulas are in cells.js, the trained net in data.js.
"use strict";

(() => {
  const find = (id) => document.getElementById(id);
  const make = (parent, tag, attributes = {}, text = "") => {
    const svg = ["svg", "rect", "line", "text", "g", "title"].includes(tag);
    const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
    made.textContent = text;
    return parent.appendChild(made);
  };
  const powerOfTen = (power) => `10${[...String(power)].map((sign) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign] || "⁻").join("")}`;
  // Three digits, and powers of ten where numbers are far from 1.
  const number = (value) => {
    if (!Number.isFinite(value)) return "∞";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
      const [digits, power] = value.toExponential(1).split("e");
      return `${digits} · ${powerOfTen(Number(power))}`;
    }
    return String(Number(value.toPrecision(3)));
  };

  function gradients() {
    const box = find("reach");
    if (!box) return;
    const [w, steps, cell, said, bars] = ["reach-w", "reach-steps", "reach-cell", "reach-said", "reach-bars"].map(find);
    Object.entries(Cells.units).forEach(([name, { title }]) => make(cell, "option", { value: name }, title));
    function draw() {
      const T = Number(steps.value), weight = Number(w.value);
      const values = Cells.reach(cell.value, weight, T);
      find("reach-w-value").textContent = weight.toFixed(2);
      find("reach-steps-value").textContent = T;
      const size = Math.abs(values[0]);
      const verdict = size > 3 ? "It explodes." : size < 0.3 ? "It vanishes." : "It lasts.";
      said.textContent = `After ${T} step${T > 1 ? "s" : ""} back the gradient is ${number(values[0])}. ${verdict}`;
      bars.replaceChildren();
      // the powers of ten that the axis reaches: the least that hold all bars
      const powers = values.map((value) => (value === 0 ? -Infinity : Math.log10(Math.abs(value))));
      const most = Math.max(...powers.map((power) => (Number.isFinite(power) ? Math.abs(power) : 0)));
      const reach = [1, 2, 4, 12, 40].find((limit) => most <= limit) || 40;
      const width = 400 / (T + 1), zero = 90;
      make(bars, "line", { x1: 0, x2: 400, y1: zero, y2: zero, class: "axis" });
      values.forEach((value, t) => {
        const up = powers[t] >= 0, tall = Math.max(1.5, Math.min(reach, Math.abs(powers[t])) * (80 / reach));
        const bar = make(bars, "rect", {
          x: t * width + 0.1 * width, width: 0.8 * width, y: up ? zero - tall : zero, height: tall, class: up ? "large" : "small",
        });
        // the whole height of a step is under the pointer, as a bar may be a line
        const place = make(bars, "g", { class: "place" });
        place.append(bar);
        make(place, "rect", { x: t * width, width, y: 0, height: 180, class: "under" });
        const told = `dh_${T} / dh_${t} = ${number(value)}`;
        make(place, "title", {}, told);
        ["pointerenter", "click"].forEach((event) => place.addEventListener(event, () => { value_.textContent = told; }));
      });
      const value_ = make(bars, "text", { x: 398, y: 12, "text-anchor": "end" });
      make(bars, "text", { x: 2, y: 12 }, powerOfTen(reach));
      make(bars, "text", { x: 2, y: 172 }, powerOfTen(-reach));
      make(bars, "text", { x: 398, y: 190, "text-anchor": "end" }, `step ${T}`);
      make(bars, "text", { x: 2, y: 190 }, "step 0");
    }

    [w, steps, cell].forEach((control) => control.addEventListener("input", draw));
    box.querySelectorAll("button").forEach((button) => button.addEventListener("click", () => {
      w.value = button.dataset.w;
      steps.value = button.dataset.steps;
      cell.value = "echo";
      draw();
    }));
    draw();
  }

  function stepper() {
    const box = find("order");
    if (!box) return;
    const x = [1, 2, 3], w = find("order-w"), said = find("order-said"), done = find("order-done");
    let at = 0;

    function sentences() {
      const weight = Number(w.value), { h, parts, dW, dU } = Cells.order(x, weight), u = number(weight);
      const list = [{ mark: [], text: "Three games: 1, 2, 3. The state before them is 0." }];
      x.forEach((value, t) => list.push({
        mark: [`h${t + 1}`],
        text: `Forward, step ${t + 1}: h_${t + 1} = ${value} + ${u} · ${number(h[t])} = ${number(h[t + 1])}`,
      }));
      list.push({ mark: ["y3", "h3"], text: `1. From the output to the last layer: the loss is h_3, so dL/dh_3 = 1` });
      parts.forEach(({ t, dh, W, U, before }, k) => {
        list.push({ mark: [`h${t}`, `x${t}`], text: `${2 * k + 2}. Input of step ${t}, part of dL/dW: ${number(dh)} · x_${t} = ${number(dh)} · ${x[t - 1]} = ${number(W)}` });
        const on = t > 1 ? `, and on: dL/dh_${t - 1} = ${number(dh)} · ${u} = ${number(before)}` : "";
        list.push({ mark: [`h${t}`, `h${t - 1}`], text: `${2 * k + 3}. Feedback into step ${t}, part of dL/dU: ${number(dh)} · h_${t - 1} = ${number(dh)} · ${number(h[t - 1])} = ${number(U)}${on}` });
      });
      list.push({ mark: [], text: `All parts together: dL/dW = ${number(dW)}, dL/dU = ${number(dU)}` });
      return list;
    }

    function draw() {
      const list = sentences();
      at = Math.min(Math.max(at, 0), list.length - 1);
      find("order-w-value").textContent = Number(w.value).toFixed(2);
      said.textContent = list[at].text;
      done.replaceChildren(...list.slice(0, at).map(({ text }) => make(document.createDocumentFragment(), "li", {}, text)));
      box.querySelectorAll("[data-part]").forEach((part) => part.classList.toggle("on", list[at].mark.includes(part.dataset.part)));
      find("order-back").disabled = at === 0;
      find("order-next").disabled = at === list.length - 1;
    }

    find("order-next").addEventListener("click", () => { at += 1; draw(); });
    find("order-back").addEventListener("click", () => { at -= 1; draw(); });
    w.addEventListener("input", draw);
    draw();
  }

  function gates() {
    const box = find("gates");
    if (!box || typeof PLAY === "undefined") return;
    const map = find("gates-map"), said = find("gates-said"), which = find("gates-which"), answer = find("gates-answer");
    const { words, net, dense, sentence } = PLAY;
    let text = [...sentence];
    [["forget", "keep: forget gate"], ["input", "store: input gate"], ["output", "output gate"], ["candidate", "candidate"], ["c", "cell state c"], ["h", "what is shown, h"]]
      .forEach(([name, title]) => make(which, "option", { value: name }, title));
    words.forEach((word) => make(find("gates-words"), "button", { type: "button" }, word).addEventListener("click", () => {
      text = [...text, word].slice(-16);
      draw();
    }));
    find("gates-clear").addEventListener("click", () => { text = []; draw(); });
    find("gates-reset").addEventListener("click", () => { text = [...sentence]; draw(); });
    which.addEventListener("input", draw);

    function draw() {
      const steps = Cells.lstm(net, text.map((word) => words.map((other) => +(other === word))));
      const name = which.value, units = net.recurrent.length;
      map.replaceChildren();
      const head = make(make(map, "thead"), "tr");
      make(head, "th", { scope: "col" }, "unit");
      text.forEach((word) => make(make(head, "th", { scope: "col" }), "span", {}, word));
      const body = make(map, "tbody");
      const limit = name === "c" ? Math.max(1, ...steps.map((step) => Math.max(...step.c.map(Math.abs)))) : 1;
      for (let unit = 0; unit < units; unit += 1) {
        const row = make(body, "tr");
        make(row, "th", { scope: "row" }, unit + 1);
        steps.forEach((step, t) => {
          const value = step[name][unit], part = Math.abs(value) / limit;
          const colour = value < 0 ? "213, 94, 0" : "0, 114, 178";
          const place = make(row, "td", { tabindex: 0, style: `background: rgba(${colour}, ${part.toFixed(3)})` });
          const sentence_ = `${which.selectedOptions[0].textContent}, unit ${unit + 1}, at "${text[t]}" (step ${t + 1}): ${value.toFixed(2)}`;
          place.setAttribute("aria-label", sentence_);
          ["pointerenter", "focus", "click"].forEach((event) => place.addEventListener(event, () => { said.textContent = sentence_; }));
        });
      }
      said.textContent = "Point at a square, or go there with the keyboard.";
      const chance = steps.length ? Cells.answer(dense, steps[steps.length - 1].h) : 0.5;
      answer.textContent = `More wins than losses since the last "season"? The net says ${(100 * chance).toFixed(0)} %.`;
    }

    draw();
  }

  document.addEventListener("DOMContentLoaded", () => [gradients, stepper, gates].forEach((start) => start()));
})();
