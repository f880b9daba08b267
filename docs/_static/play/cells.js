// The formulas of the interactive pages, as the package computes them. tests/docs/test_interactive.py compares both.
"use strict";

const Cells = (() => {
  const sigmoid = (z) => 1 / (1 + Math.exp(-z));

  // One unit of each cell. step(s, x, w) gives the next state and the derivative of it by s, row by row.
  // The input has weight 1 at every gate, the recurrent weight is w at every gate; the bias is 0, but forgetBias at f.
  const forgetBias = 1;
  const units = {
    echo: {
      title: "the echo: h = x + w h",
      size: 1,
      step: ([h], x, w) => ({ s: [x + w * h], J: [[w]] }),
    },
    rnn: {
      title: "SimpleRNN: h = tanh(x + w h)",
      size: 1,
      step: ([h], x, w) => {
        const next = Math.tanh(x + w * h);
        return { s: [next], J: [[(1 - next * next) * w]] };
      },
    },
    lstm: {
      title: "LSTM, forget bias 1",
      size: 2,
      step: ([h, c], x, w) => {
        const z = x + w * h;
        const i = sigmoid(z), f = sigmoid(z + forgetBias), g = Math.tanh(z), o = sigmoid(z);
        const next = f * c + i * g, shown = Math.tanh(next);
        const dch = w * (c * f * (1 - f) + g * i * (1 - i) + i * (1 - g * g));
        const slope = o * (1 - shown * shown);
        return { s: [o * shown, next], J: [[w * o * (1 - o) * shown + slope * dch, slope * f], [dch, f]] };
      },
    },
    gru: {
      title: "GRU",
      size: 1,
      step: ([h], x, w) => {
        const z = sigmoid(x + w * h), r = sigmoid(x + w * h), g = Math.tanh(x + r * w * h);
        const dz = z * (1 - z) * w, dr = r * (1 - r) * w, dg = (1 - g * g) * (r * w + dr * w * h);
        return { s: [z * h + (1 - z) * g], J: [[z + dz * (h - g) + (1 - z) * dg]] };
      },
    },
  };

  const multiply = (A, B) => A.map((row) => B[0].map((_, k) => row.reduce((sum, a, j) => sum + a * B[j][k], 0)));
  const identity = (n) => Array.from({ length: n }, (_, j) => Array.from({ length: n }, (_, k) => +(j === k)));

  // What a unit is driven by: a wave, the same for all cells.
  const inputs = (steps) => Array.from({ length: steps }, (_, t) => 0.5 * Math.sin(0.9 * t));

  // d h_T / d h_t for t = 0 .. T.
  function reach(cell, w, steps) {
    const { size, step } = units[cell];
    let s = Array(size).fill(0);
    const jacobians = inputs(steps).map((x) => {
      const done = step(s, x, w);
      s = done.s;
      return done.J;
    });
    let product = identity(size);
    const out = [1];
    for (const J of jacobians.reverse()) {
      product = multiply(product, J);
      out.unshift(product[0][0]);
    }
    return out;
  }

  // Back-propagation through time of h = x + w h, loss h_T: each product, in the order in which it is taken.
  function order(x, w) {
    const h = [0];
    x.forEach((value) => h.push(value + w * h[h.length - 1]));
    const T = x.length;
    const parts = [];
    let dh = 1;
    for (let t = T; t >= 1; t -= 1) {
      parts.push({ t, dh, W: dh * x[t - 1], U: dh * h[t - 1], before: dh * w });
      dh *= w;
    }
    const sum = (name) => parts.reduce((all, part) => all + part[name], 0);
    return { h, parts, dW: sum("W"), dU: sum("U") };
  }

  // An LSTM of several units over inputs; kernel (I, 4 H), recurrent (H, 4 H), bias (4 H), columns i, f, c, o.
  function lstm({ kernel, recurrent, bias }, x) {
    const H = recurrent.length;
    let h = Array(H).fill(0), c = Array(H).fill(0);
    return x.map((value) => {
      const z = bias.map((b, k) => {
        let sum = b;
        value.forEach((v, j) => { sum += v * kernel[j][k]; });
        h.forEach((v, j) => { sum += v * recurrent[j][k]; });
        return sum;
      });
      const at = (gate, unit) => z[gate * H + unit];
      const all = [...Array(H).keys()];
      const input = all.map((u) => sigmoid(at(0, u))), forget = all.map((u) => sigmoid(at(1, u)));
      const candidate = all.map((u) => Math.tanh(at(2, u))), output = all.map((u) => sigmoid(at(3, u)));
      c = all.map((u) => forget[u] * c[u] + input[u] * candidate[u]);
      h = all.map((u) => output[u] * Math.tanh(c[u]));
      return { input, forget, candidate, output, c, h };
    });
  }

  // The answer of a dense layer with one sigmoid unit.
  const answer = ({ weights, bias }, h) => sigmoid(h.reduce((sum, v, j) => sum + v * weights[j], bias));

  return { units, inputs, reach, order, lstm, answer };
})();

if (typeof module !== "undefined") module.exports = Cells;
