/* exposition.mjs - Prometheus' text format (0.0.4) read, by the letter: what a scraper would forgive is an error. */

import assert from 'node:assert/strict';

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)$/i;
const UNESCAPED = { '\\n': '\n', '\\\\': '\\', '\\"': '"' };

function parseLabels(text = '') {
  const labels = {};
  for (LABEL.lastIndex = 0; LABEL.lastIndex < text.length;) {
    const at = LABEL.lastIndex;
    const [, name, value] = LABEL.exec(text) ?? assert.fail(`no label at ${at} of ${text}`);
    assert.ok(!(name in labels), `label ${name} twice: ${text}`);
    labels[name] = value.replace(/\\[n"\\]/g, (escape) => UNESCAPED[escape]);
  }
  return labels;
}

/* Of a histogram a sample's name has one of these behind it. */
function belongs(family, name) {
  if (family.type !== 'histogram') return name === family.name;
  return ['_bucket', '_sum', '_count'].some((suffix) => name === family.name + suffix);
}

function checkHistogram({ name, samples }) {
  const of = (suffix) => samples.filter((sample) => sample.name === name + suffix);
  const [buckets, [count], sums] = [of('_bucket'), of('_count'), of('_sum')];
  assert.equal(sums.length, 1, name);
  assert.equal(buckets.at(-1).labels.le, '+Inf', name);
  assert.equal(buckets.at(-1).value, count.value, name);
  buckets.reduce((before, { labels, value }) => {
    const bound = Number(labels.le.replace('+Inf', 'Infinity'));
    assert.ok(bound > before.bound && value >= before.value, `${name}: ${labels.le} ${value}`);
    return { bound, value };
  }, { bound: -Infinity, value: 0 });
}

function checkFamily(family) {
  assert.ok(family.help && family.type, `${family.name} lacks help or type`);
  assert.ok(family.samples.length > 0, `${family.name} has no sample`);
  assert.equal(family.type === 'counter', family.name.endsWith('_total'), family.name);
  const seen = family.samples.map(({ name, labels }) => JSON.stringify([name, Object.entries(labels).sort()]));
  assert.equal(new Set(seen).size, seen.length, `${family.name} has a sample twice`);
  for (const { value } of family.samples) assert.ok(Number.isFinite(value) && value >= 0, family.name);
  if (family.type === 'histogram') checkHistogram(family);
}

/** What one scrape told. */
export class Exposition {
  families = new Map(); // name: {name, help, type, samples: [{name, labels, value}]}

  constructor(text) {
    assert.ok(text.endsWith('\n'), 'the last line has an end');
    let family;
    for (const line of text.slice(0, -1).split('\n')) family = this.#line(line, family);
    for (const one of this.families.values()) checkFamily(one);
  }

  #line(line, family) {
    const [, kind, name, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      assert.match(name, NAME);
      assert.ok(!this.families.has(name), `${name} begins twice`);
      family = { name, help: rest, samples: [] };
      this.families.set(name, family);
    } else if (kind === 'TYPE') {
      assert.ok(family?.name === name && !family.type && !family.samples.length, `TYPE out of place: ${line}`);
      assert.match(rest, /^(counter|gauge|histogram)$/);
      family.type = rest;
    } else {
      const [, sample, labels, value] = SAMPLE.exec(line) ?? assert.fail(`not a line of the format: ${line}`);
      assert.ok(family?.type && belongs(family, sample), `a sample out of place: ${line}`);
      assert.match(value, NUMBER);
      family.samples.push({ name: sample, labels: parseLabels(labels), value: Number(value) });
    }
    return family;
  }

  /** The sum of all samples of that name that have these labels. There must be one. */
  value(name, labels = {}) {
    const family = this.families.get(name.replace(/_(bucket|sum|count)$/, '')) ?? this.families.get(name);
    const found = family?.samples.filter((sample) => sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === String(value))) ?? [];
    assert.ok(found.length > 0, `no sample of ${name} ${JSON.stringify(labels)}`);
    return found.reduce((sum, sample) => sum + sample.value, 0);
  }

  /** All samples that may never fall: name and labels as text, and value. */
  *counters() {
    for (const { type, samples } of this.families.values())
      if (type !== 'gauge') for (const { name, labels, value } of samples) yield [`${name}${JSON.stringify(labels)}`, value];
  }
}

/** Scrapes the listener for metrics, or another one. */
export async function scrape(server, port = server.ports.metrics) {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  return new Exposition(await response.text());
}
