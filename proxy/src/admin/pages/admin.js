'use strict';
// What HTML lacks: keys, a live tail, a time chosen on a chart, a button that copies. Every page works without it.
(() => {
  const one = (css) => document.querySelector(css);
  const table = one('table[data-rows]');
  const links = () => (table ? [...table.querySelectorAll('tbody td:first-child a')] : []);

  const step = (by) => {
    const all = links();
    const at = all.indexOf(document.activeElement);
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by];
    if (next) next.focus();
  };
  const follow = (css) => { const link = one(css); if (link) link.click(); };
  const keys = {
    '/': () => { const search = one('[data-search]'); if (search) search.focus(); },
    j: () => step(1),
    k: () => step(-1),
    t: () => { const url = new URL(location.href); if (!table) return; if (url.searchParams.has('live')) url.searchParams.delete('live'); else url.searchParams.set('live', '1'); url.searchParams.delete('cursor'); location.assign(url); },
    '[': () => follow('a[rel=prev]'),
    ']': () => follow('a[rel=next]'),
  };
  document.addEventListener('keydown', (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === 'Escape' && typing) { document.activeElement.blur(); return; }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  // On a small screen the values stand below the entries' reach until somebody wants them.
  const values = one('[data-narrow]');
  if (values && matchMedia('(max-width: 48rem)').matches) values.open = false;

  for (const button of document.querySelectorAll('[data-copy]')) {
    if (!navigator.clipboard) break;
    button.hidden = false;
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector('[data-copied]').textContent);
      button.textContent = 'Copied';
    });
  }

  const form = one('form[data-values]');
  if (form) {
    const { field, value } = form.elements;
    const list = one('#values');
    let waits = 0;
    let asked = '';
    const complete = async () => {
      if (!field.value) return;
      const url = new URL(form.dataset.values, location.href);
      url.searchParams.set('fields', field.value);
      url.searchParams.set('top', '50');
      if (value.value) url.searchParams.append(field.value + '.contains', value.value.replaceAll(',', '\\,'));
      asked = url.href;
      const answer = await fetch(url);
      // Numbers and addresses have no parts to look for.
      if (!answer.ok || asked !== url.href) return;
      const { facets } = await answer.json();
      const options = facets[field.value].filter((one) => one.value !== null && one.value !== '').map((one) => {
        const option = document.createElement('option');
        option.value = one.value;
        option.label = one.value + ' · ' + one.count;
        return option;
      });
      list.replaceChildren(...options);
    };
    field.addEventListener('change', complete);
    value.addEventListener('input', () => { clearTimeout(waits); waits = setTimeout(complete, 200); });
  }

  // A time is chosen by dragging over bars, or by keys: one bar has the focus, arrows move it, with Shift they take several.
  const chart = one('svg[data-brush]');
  const bars = chart ? [...chart.querySelectorAll('a[data-since]')] : [];
  if (bars.length) {
    const said = one('[data-brushed]');
    const hint = said.textContent;
    let here = bars.length - 1;
    let from = -1;
    let dragging = false;
    const near = (at) => Math.max(0, Math.min(bars.length - 1, at));
    const ends = () => [bars[Math.min(from, here)], bars[Math.max(from, here)]];
    const move = (at) => { bars[here].tabIndex = -1; here = at; bars[here].tabIndex = 0; };
    const show = () => {
      const [first, last] = from < 0 ? [] : ends();
      bars.forEach((bar, at) => bar.classList.toggle('picked', from >= 0 && at >= Math.min(from, here) && at <= Math.max(from, here)));
      const shown = (time) => time.replace('T', ' ').slice(0, 19);
      said.textContent = first && first !== last ? shown(first.dataset.since) + ' to ' + shown(last.dataset.until) + ': Enter shows it.' : hint;
    };
    const forget = () => { from = -1; dragging = false; show(); };
    const choose = () => {
      const [first, last] = ends();
      forget();
      if (first === last) return;
      const url = new URL(first.getAttribute('href'), location.href);
      url.searchParams.set('since', first.dataset.since);
      url.searchParams.set('until', last.dataset.until);
      location.assign(url);
    };
    move(here);
    said.hidden = false;
    // On the figure: browsers let a drawing that listens to its focus have it.
    chart.parentElement.addEventListener('focusin', (event) => { const at = bars.indexOf(event.target.closest('a')); if (at >= 0) move(at); });
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -bars.length, End: bars.length };
    chart.parentElement.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') forget();
      if (event.key === 'Enter' && from >= 0 && from !== here) { event.preventDefault(); choose(); }
      if (!(event.key in steps) || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      if (!event.shiftKey) from = -1; else if (from < 0) from = here;
      move(near(here + steps[event.key]));
      bars[here].focus();
      show();
    });
    const barAt = (event) => {
      const box = chart.getBoundingClientRect();
      return near(Math.floor(((event.clientX - box.left) / box.width) * bars.length));
    };
    chart.addEventListener('pointerdown', (event) => { if (event.button === 0) { dragging = true; move(barAt(event)); from = here; show(); } });
    chart.addEventListener('pointermove', (event) => { if (dragging) { move(barAt(event)); show(); } });
    chart.addEventListener('dragstart', (event) => event.preventDefault());
    addEventListener('pointerup', () => { if (dragging) choose(); });
    chart.addEventListener('pointercancel', forget);
  }

  if (table && table.dataset.tail) {
    const fields = table.dataset.fields.split(',');
    const body = table.tBodies[0];
    const said = one('[data-live]');
    const most = 500;
    let count = 0;
    const toneOf = (entry) => {
      const word = entry.status || entry.action;
      if (word === 'allowed' || word === 'success') return entry.status_code >= 500 ? 'error' : 'good';
      if (word === 'error' || word === 'alert') return 'error';
      return /^(blocked|denied|failed|failure)$/.test(word) ? 'bad' : 'other';
    };
    const text = (field, value) => {
      if (value === null || value === undefined) return '';
      if (field === 'time') return value.replace('T', ' ').slice(0, 23);
      const whole = typeof value === 'object' ? JSON.stringify(value) : String(value);
      return whole.length > 96 ? whole.slice(0, 96) + '…' : whole;
    };
    const add = (entry) => {
      const row = document.createElement('tr');
      row.className = toneOf(entry) + ' new';
      fields.forEach((field, at) => {
        const cell = document.createElement('td');
        if (typeof entry[field] === 'number') cell.className = 'number';
        const shown = text(field, entry[field]);
        if (at === 0) {
          const link = document.createElement('a');
          link.href = table.dataset.entry + entry.id;
          link.textContent = shown || 'open';
          cell.append(link);
        } else {
          cell.textContent = shown;
        }
        row.append(cell);
      });
      body.prepend(row);
      setTimeout(() => row.classList.remove('new'), 2000);
      while (body.rows.length > most) body.deleteRow(-1);
    };
    const source = new EventSource(table.dataset.tail);
    source.addEventListener('open', () => { said.textContent = 'Live: new entries come to the top.'; });
    source.addEventListener('entry', (event) => { count += 1; add(JSON.parse(event.data)); said.textContent = 'Live: ' + count + ' new entries.'; });
    source.addEventListener('gap', (event) => { said.textContent = 'Live: ' + JSON.parse(event.data).count + ' entries came too fast and were skipped.'; });
    source.addEventListener('error', () => { said.textContent = source.readyState === EventSource.CLOSED ? 'The tail has ended; load the page again.' : 'The connection is lost; trying again.'; });
  }
})();
