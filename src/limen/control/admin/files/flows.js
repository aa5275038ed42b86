// Exchanges and tunnels under way, which may be ended here, and who has had most of them. Every worker is asked for these,
// so it is done more seldom than the rest, and only while somebody looks. Words and tables are those of page.js.
'use strict';

const FLOWS_EVERY = 3000;       // ms between two questions
const FLOWS_SHOWN = 100;        // the oldest
const SURE_FOR = 4000;          // ms in which a second press ends an exchange

const FLOW_COLUMNS = [['Client'], ['User'], ['Target'], ['Rule'], ['Way out'], ['Protocol'], ['Received', 'number'],
  ['Sent', 'number'], ['Age', 'number'], ['', 'actions']];
const TALKER_COLUMNS = [['Bytes', 'number'], ['Exchanges', 'number'], ['Refused', 'number']];

// -- who moves most

function showTalkers(found) {
  const off = found === null;
  at('talkers').hidden = at('talkers-form').hidden = off;
  at('talkers-off').hidden = !off;
  if (off) { put(at('talkers-off'), 'nobody keeps count: log: {talkers: true} has it done'); return; }
  for (const [kind, title] of [['clients', 'Client'], ['targets', 'Target']]) {
    const rows = found[kind].map(one => ({key: `${one.kind || ''}\n${one.name}`, cells: [
      text(one.kind === 'user' ? `${one.name} (user)` : one.name), number(bytes(one.bytes), one.bytes),
      number(count(one.exchanges), one.exchanges), number(count(one.refused), one.refused)]}));
    table(boxed(`talkers-${kind}`), title === 'Client' ? 'Clients with most' : 'Targets with most', [[title], ...TALKER_COLUMNS], rows);
  }
}

async function askTalkers() {
  const live = samples.at(-1);
  if (!live) return;
  if (!live.talkers) { showTalkers(null); return; }
  const asked = new URLSearchParams(new FormData(at('talkers-form')));
  const answer = await fetch(here(`/talkers?${asked}`), {cache: 'no-store', signal: AbortSignal.timeout(10000)});
  const content = await answer.json();
  if (answer.ok) showTalkers(content);
}

// -- what is under way

function showFlows(found) {
  const rows = found.exchanges.map(one => ({key: one.id, cells: [text(one.client), text(one.user), text(one.target || one.address),
    text(one.rule || one.listener), text(one.egress || one.upstream), text(one.protocol),
    number(bytes(one.received), one.received), number(bytes(one.sent), one.sent), number(duration(one.age)), actions()]}));
  const rest = found.count - rows.length;
  put(at('flows-note'), rest > 0 ? `the ${count(rows.length)} oldest of ${count(found.count)}` : '');
  table(boxed('flows'), 'Exchanges and tunnels under way', FLOW_COLUMNS, rows, 'nothing');
  for (const [id, row] of at('flows').body.kept) {
    const place = row.cells[FLOW_COLUMNS.length - 1];
    if (place && !place.firstChild) place.append(makeEnd(id));
  }
}

// A button that asks first: what it ends does not come back.
function makeEnd(id) {
  const button = make('button', 'end', 'End');
  button.type = 'button';
  let timer = null;
  const calm = () => { timer = null; put(button, 'End', 'end'); };
  button.addEventListener('click', async () => {
    if (timer === null) {
      put(button, 'Sure?', 'end sure');
      timer = setTimeout(calm, SURE_FOR);
      return;
    }
    clearTimeout(timer);
    calm();
    button.disabled = true;
    try {
      const answer = await fetch(here('/exchanges/kill'), {
        method: 'POST', headers: {'X-Limen-Control': 'page', 'Content-Type': 'application/json'}, body: JSON.stringify({id}),
      });
      const content = await answer.json();
      if (!answer.ok) throw new Error(content.error || `answered with ${answer.status}`);
      put(at('flows-note'), content.killed ? 'ended' : 'it was over before');
      await askFlows();
    } catch (error) {
      put(at('flows-note'), `not ended: ${error.message}`);
      button.disabled = false;
    }
  });
  return button;
}

async function askFlows() {
  const form = new FormData(at('flows-form'));
  const asked = new URLSearchParams({limit: FLOWS_SHOWN});
  if (form.get('value')) asked.set(form.get('by'), form.get('value'));
  const answer = await fetch(here(`/exchanges?${asked}`), {cache: 'no-store', signal: AbortSignal.timeout(10000)});
  const content = await answer.json();
  if (answer.ok) showFlows(content);
  else put(at('flows-note'), content.error);
}

// -- what was refused

async function askRefused() {
  const live = samples.at(-1);
  at('refused-section').hidden = !live || !live.audit;
  if (at('refused-section').hidden) return;
  const answer = await fetch(here('/refused?limit=50'), {cache: 'no-store', signal: AbortSignal.timeout(10000)});
  if (!answer.ok) return;
  const seen = new Map();
  const rows = (await answer.json()).refused.map(one => {
    const name = [one.time, one.client, one.request_id].join('\n');
    seen.set(name, (seen.get(name) || 0) + 1);
    return {key: `${name}\n${seen.get(name)}`, cells: [text(one.time && moment(one.time)), text(one.client), text(one.user),
      text(one.host), text(one.limit || one.rule || one.route), text(one.fault)]};
  });
  table(boxed('refused'), 'Refused lately', [['When'], ['Client'], ['User'], ['Target'], ['By'], ['Why']], rows, 'nothing so far');
}

// -- asking

async function askBoth() {
  if (paused || document.hidden) return;
  try {
    await askTalkers();
    await askFlows();
    await askRefused();
  } catch (error) {
    // that the instance does not answer is said at the top of the page
    put(at('flows-note'), `no answer: ${error.message}`);
  }
}

async function runFlows() {
  await askBoth();
  setTimeout(runFlows, FLOWS_EVERY);
}

for (const id of ['talkers-form', 'flows-form']) {
  at(id).addEventListener('submit', event => event.preventDefault());
  at(id).addEventListener('input', askBoth);
}
document.addEventListener('visibilitychange', askBoth);
runFlows();
