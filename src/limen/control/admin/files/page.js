// The page of the admin address. It asks /live every second and computes rates from the counters. Everything that comes
// from there, names above all, goes into the document as text: nothing is ever parsed as HTML.
'use strict';

const EVERY = 1000;             // ms between two questions
const RATE_WINDOW = 5;          // s that a rate is taken over
const LONG_WINDOW = 30;         // s that latencies and shares of errors are taken over
const KEPT = 180;               // samples for the traces
const CERTIFICATE_DAYS = 14;    // from here on an expiry is worth a warning
const WELL = new Set(['usable', 'up', 'ready', 'enabled', 'ok']);
const MEANT = new Set(['draining', 'drained', 'disabled', 'maintenance', 'warming']);
const SVG = 'http://www.w3.org/2000/svg';

const samples = [];
const changes = new Map();      // endpoint or worker -> {state, since}: what was seen to change here
let paused = false;
let failedSince = null;

// -- words and numbers

const whole = new Intl.NumberFormat('en', {maximumFractionDigits: 0});
const fine = new Intl.NumberFormat('en', {maximumFractionDigits: 1});
const share = new Intl.NumberFormat('en', {style: 'percent', maximumFractionDigits: 1});

const count = value => Number.isFinite(value) ? whole.format(value) : '–';

function rate(value) {
  if (!Number.isFinite(value)) return '–';
  return value === 0 ? '0' : value < 10 ? fine.format(value) : whole.format(value);
}

function bytes(value) {
  if (!Number.isFinite(value)) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) { value /= 1000; at += 1; }
  return `${at && value < 100 ? fine.format(value) : whole.format(value)} ${units[at]}`;
}

function seconds(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (value === Infinity) return 'over 60 s';
  if (value < 0.01) return `${fine.format(value * 1000)} ms`;
  return value < 1 ? `${whole.format(value * 1000)} ms` : `${fine.format(value)} s`;
}

function duration(value) {
  if (!Number.isFinite(value)) return '–';
  const days = Math.floor(value / 86400), hours = Math.floor(value / 3600) % 24, minutes = Math.floor(value / 60) % 60;
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${Math.floor(value)} s`;
}

// A time as the API may give it: ISO text, Unix seconds, or seconds ago.
function moment(value) {
  const date = value instanceof Date ? value : typeof value === 'string' ? new Date(value)
    : value > 1e9 ? new Date(value * 1000) : new Date(Date.now() - value * 1000);
  if (Number.isNaN(date.getTime())) return '';
  const today = date.toDateString() === new Date().toDateString();
  return today ? date.toLocaleTimeString() : date.toLocaleString();
}

// -- the document

const at = id => document.getElementById(id);

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function put(element, text, className) {
  if (element.textContent !== text) element.textContent = text;
  if (className !== undefined && element.className !== className) element.className = className;
}

// Children of `parent`, one per item, kept by key: what did not change is not touched, so that a selection survives.
function each(parent, items, keyOf, create, update) {
  const kept = parent.kept || (parent.kept = new Map());
  const wanted = new Set();
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    wanted.add(key);
    let child = kept.get(key);
    if (!child) { child = create(item); kept.set(key, child); }
    update(child, item);
    if (child === place) place = place.nextSibling;
    else parent.insertBefore(child, place);
  }
  for (const [key, child] of kept) if (!wanted.has(key)) { child.remove(); kept.delete(key); }
}

const text = value => ({value: value === null || value === undefined || value === '' ? '–' : String(value), kind: 'text'});
const number = (value, raw) => ({value, kind: raw === 0 ? 'number zero' : 'number'});
const state = (value, level) => ({value: String(value), level, kind: ''});
const actions = () => ({value: '', kind: 'actions'});   // the place of buttons that change something

function table(parent, name, columns, rows, nothing) {
  if (!parent.body) {
    const box = make('div', 'scroll');
    box.tabIndex = 0;
    box.setAttribute('role', 'region');
    box.setAttribute('aria-label', name);
    const grid = make('table');
    grid.append(make('caption', 'unseen', name));
    const head = grid.createTHead().insertRow();
    for (const [title, kind] of columns) {
      const cell = make('th', kind || '', title);
      cell.scope = 'col';
      head.append(cell);
    }
    parent.body = grid.createTBody();
    box.append(grid);
    parent.none = make('p', 'empty', nothing || 'none');
    parent.grid = box;
    parent.append(box, parent.none);
  }
  parent.grid.hidden = rows.length === 0;
  parent.none.hidden = rows.length > 0;
  each(parent.body, rows, row => row.key, () => document.createElement('tr'), fillRow);
}

function fillRow(element, row) {
  row.cells.forEach((cell, index) => {
    const place = element.cells[index] || element.insertCell();
    if (cell.level) {
      if (!place.firstChild) place.append(make('span'));
      put(place.firstChild, cell.value, `state ${cell.level}`);
    } else if (cell.kind !== 'actions') put(place, cell.value);
    if (place.className !== cell.kind) place.className = cell.kind;
  });
}

// -- rates: differences between the newest sample and one that is old enough

function before(window) {
  const newest = samples.at(-1);
  return samples.find(sample => newest.at - sample.at <= window) || newest;
}

function perSecond(now, then, span) {
  return span > 0 && Number.isFinite(now) && Number.isFinite(then) ? Math.max(0, now - then) / span : NaN;
}

function byName(rows) {
  return new Map((rows || []).map(row => [row.name, row]));
}

function endpointsOf(sample) {
  const found = new Map();
  for (const upstream of sample.upstreams || [])
    for (const one of upstream.endpoints || []) found.set(`${upstream.name}\n${one.address}`, one);
  return found;
}

// The duration that a part of the exchanges stayed under; within a bucket they count as evenly spread.
function percentile(buckets, bounds, part) {
  const total = buckets.reduce((sum, one) => sum + one, 0);
  if (!total) return null;
  let seen = 0;
  for (let i = 0; i < buckets.length; i += 1) {
    if (buckets[i] && seen + buckets[i] >= part * total) {
      if (i >= bounds.length) return Infinity;
      const low = i ? bounds[i - 1] : 0;
      return low + (bounds[i] - low) * (part * total - seen) / buckets[i];
    }
    seen += buckets[i];
  }
  return Infinity;
}

const less = (now, then) => now.map((value, index) => Math.max(0, value - (then[index] || 0)));

// -- what is told of an endpoint

function endpointState(one, workers) {
  const given = one.state || (one.out > 0 ? (one.out < workers ? `out for ${one.out} of ${workers} workers` : 'out') : 'usable');
  const level = WELL.has(given) ? 'good' : MEANT.has(given) ? 'warn' : 'bad';
  return {given: String(given), level, reason: one.reason || (one.out > 0 && !one.state ? 'cannot be dialled' : '')};
}

function since(key, given, told) {
  if (told !== null && told !== undefined) return moment(told);
  const seen = changes.get(key);
  if (!seen) { changes.set(key, {given, since: null}); return ''; }
  if (seen.given !== given) { seen.given = given; seen.since = new Date(); }
  return seen.since ? moment(seen.since) : '';
}

// -- the sections

function showInstance(live) {
  const revision = live.revision || {};
  put(at('instance'), `${live.state} · version ${live.version} · revision ${revision.number} (${revision.digest}) · up ${duration(live.uptime)}`);
}

function showTiles(live) {
  const then = before(RATE_WINDOW), long = before(LONG_WINDOW), now = live.traffic;
  const span = live.at - then.at;
  const change = less(now.buckets, long.traffic.buckets);
  const ended = now.exchanges - long.traffic.exchanges;
  const failed = now.classes['5xx'] - long.traffic.classes['5xx'];
  const errors = ended > 0 ? failed / ended : 0;
  const [middle, high, highest] = [0.5, 0.95, 0.99].map(part => percentile(change, live.bounds, part));
  const received = perSecond(now.received, then.traffic.received, span), sent = perSecond(now.sent, then.traffic.sent, span);
  const tunnels = perSecond(now.tunnel_bytes, then.traffic.tunnel_bytes, span);
  const tiles = [
    ['Requests per second', rate(perSecond(now.exchanges, then.traffic.exchanges, span)), `${count(now.exchanges)} in all`, '', s => s.traffic.exchanges],
    ['Errors (5xx), last 30 s', ended > 0 ? share.format(errors) : '–', `${count(now.classes['5xx'])} in all`, errors > 0.1 ? 'bad' : errors > 0.01 ? 'warn' : '', s => s.traffic.classes['5xx']],
    ['Latency, median of 30 s', seconds(middle), `95 %: ${seconds(high)} · 99 %: ${seconds(highest)}`, '', null],
    ['Sent per second', bytes(sent), `received ${bytes(received)} · tunnels ${bytes(tunnels)}`, '', s => s.traffic.sent],
    ['Client connections', count(now.connections), `${count(now.in_flight)} in flight · ${count(now.tunnels)} tunnels`, '', null],
  ];
  each(at('tiles'), tiles, tile => tile[0], createTile, (element, [name, value, more, level, counter]) => {
    element.className = `tile ${level}`;
    const [title, figure, detail] = element.children;
    put(title, name); put(figure, value); put(detail, more);
    drawTrace(element.lastElementChild, counter, name === 'Client connections' ? s => s.traffic.connections : null);
  });
}

function createTile() {
  const element = make('li', 'tile');
  const trace = document.createElementNS(SVG, 'svg');
  trace.setAttribute('viewBox', `0 0 ${KEPT} 30`);
  trace.setAttribute('preserveAspectRatio', 'none');
  trace.setAttribute('aria-hidden', 'true');
  trace.append(document.createElementNS(SVG, 'polygon'), document.createElementNS(SVG, 'polyline'));
  element.append(make('span', 'name'), make('strong', 'value'), make('span', 'more'), trace);
  return element;
}

function drawTrace(trace, counter, gauge) {
  let values = [];
  if (gauge) values = samples.map(gauge);
  else if (counter) values = samples.slice(1).map((sample, index) =>
    perSecond(counter(sample), counter(samples[index]), sample.at - samples[index].at) || 0);
  const most = Math.max(...values, 1e-9);
  const line = values.map((value, index) => `${KEPT - values.length + index + 1},${(28 - 26 * value / most).toFixed(1)}`);
  trace.lastElementChild.setAttribute('points', line.join(' '));
  trace.firstElementChild.setAttribute('points', line.length ? `${KEPT - values.length + 1},30 ${line.join(' ')} ${KEPT},30` : '');
}

const ENDPOINT_COLUMNS = [['Endpoint'], ['State'], ['Why, since'], ['Weight', 'number'], ['Requests/s', 'number'],
  ['In flight', 'number'], ['Connections', 'number'], ['Mean', 'number'], ['Failures/s', 'number'], ['Retries', 'number'],
  ['Ejections', 'number'], ['Says busy', 'number'], ['', 'actions']];
const FAILURES = ['dial_failures', 'response_faults'];

function showUpstreams(live) {
  const then = before(RATE_WINDOW), span = live.at - then.at, old = endpointsOf(then);
  const workers = (live.workers || []).length;
  const problems = [];
  const parent = at('upstreams');
  each(parent, live.upstreams || [], upstream => upstream.name, () => {
    const box = make('div', 'box'), title = make('div', 'title');
    title.append(make('h3'), make('span', 'quiet'), make('span'));
    box.append(title, make('div'));
    return box;
  }, (box, upstream) => {
    const endpoints = upstream.endpoints || [];
    let usable = 0;
    const rows = endpoints.map(one => {
      const key = `${upstream.name}\n${one.address}`, past = old.get(key) || {};
      const {given, level, reason} = endpointState(one, workers);
      if (level === 'good') usable += 1;
      const began = since(key, given, one.since);
      const why = [reason, began && `since ${began}`].filter(Boolean).join(', ');
      if (level === 'bad') problems.push([`${upstream.name}: ${one.address} is ${given}${why ? ` (${why})` : ''}`, 'warn']);
      const requests = perSecond(one.requests, past.requests, span);
      const failures = FAILURES.reduce((sum, name) => sum + (perSecond(one[name], past[name], span) || 0), 0);
      const answers = perSecond(one.responses, past.responses, span);
      const mean = answers ? perSecond(one.response_seconds, past.response_seconds, span) / answers : null;
      const kind = [one.region, one.backup ? 'backup' : '', one.priority ? `priority ${one.priority}` : ''].filter(Boolean).join(', ');
      return {key, cells: [text(kind ? `${one.address} (${kind})` : one.address), state(given, level), text(why),
        number(count(one.weight)), number(rate(requests), requests), number(count(one.active), one.active),
        number(count(one.connections), one.connections), number(seconds(mean)), number(rate(failures), failures),
        number(count(one.retries), one.retries), number(count(one.ejections || 0), one.ejections || 0),
        number(one.load === null || one.load === undefined ? '–' : `${Math.round(100 * one.load)} %`), actions()]};
    });
    const total = upstream.count ?? endpoints.length;
    const [name, policy, health] = box.firstChild.children;
    put(name, upstream.name);
    const source = upstream.discovery;
    put(policy, `${upstream.balance || ''}${source ? ` · from ${source.source}` : ''}`);
    if (source && source.error) problems.push([`${upstream.name}: ${source.source} fails: ${source.error}`, 'warn']);
    const level = usable === 0 ? 'bad' : usable < endpoints.length ? 'warn' : 'good';
    put(health, total > endpoints.length ? `${usable} of the ${endpoints.length} shown usable (${total} in all)` : `${usable} of ${total} usable`, `state ${level}`);
    if (usable === 0 && endpoints.length) problems.unshift([`${upstream.name}: no endpoint is usable`, 'bad']);
    table(box.lastChild, `Endpoints of ${upstream.name}`, ENDPOINT_COLUMNS, rows);
  });
  if (!(live.upstreams || []).length && !parent.firstChild) parent.append(make('p', 'box empty', 'none are configured'));
  return problems;
}

function boxed(id) {
  const parent = at(id);
  parent.className = 'box';
  return parent;
}

// A route that was not asked for before.
const NEVER = {exchanges: 0, classes: {'4xx': 0, '5xx': 0}, buckets: [], received: 0, sent: 0};

function showRoutes(live) {
  const then = before(RATE_WINDOW), long = before(LONG_WINDOW), span = live.at - then.at;
  const old = byName(then.routes), older = byName(long.routes);
  const rows = (live.routes || []).map(route => {
    const past = old.get(route.name) || NEVER, far = older.get(route.name) || NEVER;
    const [all, bad, worse] = [[route.exchanges, past.exchanges], [route.classes['4xx'], past.classes['4xx']], [route.classes['5xx'], past.classes['5xx']]].map(pair => perSecond(...pair, span));
    return {key: route.name, cells: [text(route.name), number(rate(all), all), number(rate(bad), bad), number(rate(worse), worse),
      number(seconds(percentile(less(route.buckets, far.buckets), live.bounds, 0.95))),
      number(bytes(perSecond(route.received, past.received, span))), number(bytes(perSecond(route.sent, past.sent, span))),
      number(count(route.exchanges), route.exchanges)]};
  });
  table(boxed('routes'), 'Routes', [['Route'], ['Requests/s', 'number'], ['4xx/s', 'number'], ['5xx/s', 'number'],
    ['95 % under', 'number'], ['Received/s', 'number'], ['Sent/s', 'number'], ['In all', 'number']], rows, 'nothing was asked for yet');
}

function showListeners(live) {
  const then = before(RATE_WINDOW), span = live.at - then.at, old = byName(then.listeners);
  const rows = (live.listeners || []).map(one => {
    const past = old.get(one.name) || one;
    const [accepted, refused, shakes] = ['accepted', 'refused', 'handshakes'].map(name => perSecond(one[name], past[name], span));
    return {key: one.name, cells: [text(one.name), text(one.address), text(one.kind === 'routes' ? `${one.routes} routes` : one.kind),
      number(count(one.connections), one.connections), number(rate(accepted), accepted), number(rate(refused), refused), number(rate(shakes), shakes)]};
  });
  table(boxed('listeners'), 'Listeners', [['Listener'], ['Address'], ['Serves'], ['Connections', 'number'], ['Accepted/s', 'number'],
    ['Refused/s', 'number'], ['TLS/s', 'number']], rows);
}

function showFaults(live) {
  const then = before(RATE_WINDOW), span = live.at - then.at;
  const rows = Object.entries(live.faults || {}).sort((a, b) => b[1].count - a[1].count).map(([name, fault]) => {
    const now = perSecond(fault.count, (then.faults[name] || {count: 0}).count, span);
    return {key: name, cells: [text(name), text(fault.side), number(rate(now), now), number(count(fault.count))]};
  });
  table(boxed('faults'), 'Faults', [['Fault'], ['Side'], ['Per second', 'number'], ['In all', 'number']], rows, 'none so far');
}

function showWorkers(live) {
  const problems = [];
  const rows = (live.workers || []).map(worker => {
    const level = worker.state === 'ready' ? 'good' : worker.state === 'draining' ? 'warn' : 'bad';
    if (level === 'bad') problems.push([`worker ${worker.number} is ${worker.state}`, 'warn']);
    const counts = worker.live || {};
    return {key: String(worker.number), cells: [number(String(worker.number)), state(worker.state, level), number(worker.pid ? String(worker.pid) : '–'),
      number(count(counts.connections), counts.connections), number(count(counts.exchanges), counts.exchanges),
      number(count(worker.restarts), worker.restarts), number(duration(worker.since))]};
  });
  table(boxed('workers'), 'Workers', [['Worker', 'number'], ['State'], ['Process', 'number'], ['Connections', 'number'], ['In flight', 'number'],
    ['Restarts', 'number'], ['Since', 'number']], rows);
  return problems;
}

function showCertificates(live) {
  const found = live.certificates || [];
  at('certificates-section').hidden = found.length === 0;
  const problems = [];
  const rows = found.map(one => {
    const level = one.days < 0 ? 'bad' : one.days < CERTIFICATE_DAYS ? 'warn' : 'good';
    const ends = one.days < 0 ? 'has expired' : `expires in ${one.days} days`;
    if (level !== 'good') problems.push([`${one.file} ${ends}`, level]);
    return {key: `${one.listener}\n${one.upstream}\n${one.file}`, cells: [text(one.file), text(one.listener || one.upstream),
      state(one.days < 0 ? 'expired' : `${one.days} days`, level), text(moment(one.expires))]};
  });
  table(boxed('certificates'), 'Certificates', [['File'], ['Of'], ['Left'], ['Expires']], rows);
  return problems;
}

function trafficProblems(live) {
  const long = before(LONG_WINDOW);
  const ended = live.traffic.exchanges - long.traffic.exchanges;
  const failed = live.traffic.classes['5xx'] - long.traffic.classes['5xx'];
  const part = ended > 0 ? failed / ended : 0;
  const problems = part > 0.01 ? [[`${share.format(part)} of the requests of the last 30 s were answered with an error (5xx)`, part > 0.1 ? 'bad' : 'warn']] : [];
  if (live.state !== 'running') problems.push([`the instance is ${live.state}`, 'warn']);
  return problems;
}

function showCondition(problems) {
  const worst = problems.some(problem => problem[1] === 'bad') ? 'bad' : problems.length ? 'warn' : 'good';
  const words = problems.length === 0 ? 'All is well' : problems.length === 1 ? 'One thing needs attention' : `${problems.length} things need attention`;
  put(at('summary'), words);
  at('condition').className = `condition ${worst}`;
  const shown = problems.slice(0, 8).map(problem => problem[0]);
  if (problems.length > 8) shown.push(`and ${problems.length - 8} more`);
  each(at('problems'), shown, line => line, () => make('li'), put);
  document.title = problems.length ? `(${problems.length}) Limen` : 'Limen';
}

function show(live) {
  const last = samples.at(-1);
  // counters began anew: another process
  if (last && (last.pid !== live.pid || last.at > live.at)) samples.length = 0;
  samples.push(live);
  if (samples.length > KEPT) samples.shift();
  showInstance(live);
  showTiles(live);
  const problems = [...showUpstreams(live), ...trafficProblems(live), ...showWorkers(live), ...showCertificates(live)];
  problems.sort((a, b) => (b[1] === 'bad') - (a[1] === 'bad'));
  showRoutes(live);
  showListeners(live);
  showFaults(live);
  showCondition(problems);
}

// -- asking

// Without what a login may have put into the page's own address: a fetch refuses that.
const here = path => new URL(path, location.origin);

async function ask() {
  if (paused || document.hidden) return;
  try {
    const answer = await fetch(here('/live'), {cache: 'no-store', signal: AbortSignal.timeout(5000)});
    if (!answer.ok) throw new Error(`answered with ${answer.status}`);
    const live = await answer.json();
    failedSince = null;
    document.body.classList.remove('stale');
    if (!paused) show(live);
  } catch (error) {
    failedSince = failedSince || new Date();
    document.body.classList.add('stale');
    showCondition([[`the instance does not answer since ${moment(failedSince)}: ${error.message}`, 'bad']]);
  }
}

async function run() {
  await ask();
  setTimeout(run, EVERY);
}

at('pause').addEventListener('click', () => {
  paused = !paused;
  at('pause').setAttribute('aria-pressed', String(paused));
  put(at('pause'), paused ? 'Paused: go on' : 'Pause');
});

// -- explaining

function said(value) {
  return Array.isArray(value) ? value.map(said).join(' | ') : typeof value === 'object' && value ? JSON.stringify(value) : String(value);
}

function explanation(answer) {
  const lines = [['listener', `${answer.listener.name} (${answer.listener.address}): ${answer.listener.reason}`]];
  for (const one of answer.passed_over || []) lines.push(['not', `${one.name}: ${one.failed} ${said(one.wanted)}`]);
  if (answer.route) lines.push(['route', [answer.route.name, ...answer.route.matched.map(one => `${one.name} ${said(one.wanted)}`)].join(' · ')]);
  else if ('route' in answer) lines.push(['route', 'none']);
  if (answer.access) lines.push(['access', `${answer.access.verdict}: ${answer.access.rule === null ? 'no rule allows it' : `rule ${answer.access.rule}`}`]);
  for (const one of answer.addresses || []) lines.push(['address', `${one.address}: ${one.usable ? 'may be dialled' : one.reason}`]);
  for (const one of answer.rates || []) if (one.refuses) lines.push(['limit', `${one.name}: ${one.dry_run ? 'would refuse' : 'refuses'}`]);
  if (answer.share) lines.push(['share', `${answer.share.upstream}, weight ${answer.share.weight}: ${answer.share.reason}`]);
  if (answer.upstream) {
    lines.push(['upstream', `${answer.upstream.name}: ${answer.upstream.policy}, ${answer.upstream.meaning}; ${answer.upstream.live} of ${answer.upstream.count} usable`]);
    if (answer.upstream.sticky) lines.push(['sticky', answer.upstream.sticky.reason]);
    for (const one of answer.upstream.endpoints) lines.push([one.place === null ? '–' : `${one.place}.`, `${one.address}: ${one.reason}`]);
  }
  for (const note of answer.notes || []) lines.push(['note', note]);
  const verdict = answer.verdict;
  lines.push(['outcome', [verdict.outcome, verdict.to && `to ${verdict.to}`, verdict.status && `with ${verdict.status}`].filter(Boolean).join(' ') + `: ${verdict.reason}`]);
  return lines;
}

at('explain').addEventListener('submit', async event => {
  event.preventDefault();
  const asked = new URLSearchParams();
  for (const [name, value] of new FormData(event.target)) if (value) asked.append(name, value);
  let lines;
  try {
    const answer = await fetch(here(`/explain?${asked}`), {cache: 'no-store'});
    const content = await answer.json();
    lines = answer.ok ? explanation(content) : [['outcome', content.error]];
  } catch (error) {
    lines = [['outcome', error.message]];
  }
  at('explained').replaceChildren(...lines.map(([key, value]) => {
    const item = make('li', key === 'outcome' ? 'outcome' : '');
    item.append(make('span', 'key', key), make('span', '', value));
    return item;
  }));
});

document.addEventListener('visibilitychange', ask);
run();
