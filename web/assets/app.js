// What the pages can do beyond links and forms: live updates, keys, selections. Each of them
// does without.
(() => {
  'use strict'
  const $ = (selector, from = document) => from.querySelector(selector)
  const all = (selector, from = document) => [...from.querySelectorAll(selector)]
  document.documentElement.classList.add('js')

  // Choices that take effect at once.
  document.addEventListener('change', e => {
    if (e.target.matches('select[data-submit]')) e.target.form.requestSubmit()
  })

  // A form is sent once, however often its button is pressed.
  document.addEventListener('submit', e => {
    const form = e.target
    if (form.method !== 'post') return
    if (Date.now() - (form.dataset.sent || 0) < 2000) return e.preventDefault()
    form.dataset.sent = Date.now()
  })

  // Live pages: one stream of events, and after each this page again, morphed into what is
  // there. A hidden page listens to nothing.
  let stream, shown = 0
  const state = $('#livestate')
  const say = on => {
    state.hidden = false
    state.classList.toggle('off', !on)
    state.textContent = on ? state.dataset.textLive : state.dataset.textStill
  }
  const busy = () => {
    const at = document.activeElement
    return $('dialog[open]') || at && at.closest('#live') && at.matches('input, select, textarea') || all('#live input[name=job]:checked').length > 0
  }
  const refresh = async () => {
    if (busy() || document.hidden || Date.now() - shown < 900) return
    shown = Date.now()
    const open = all('#live details[open][id]').map(d => d.id), away = $('#live [data-away]')
    try {
      await htmx.ajax('GET', location.href, { target: '#live', select: '#live', swap: 'outerMorph' })
    } catch { return }
    if (away && !$('#live [data-away]')) return location.reload() // Redis is back: the page may be one that is not live
    for (const id of open) document.getElementById(id)?.setAttribute('open', '')
    times()
    mark()
    charts()
  }
  const listen = () => {
    if (!('live' in document.body.dataset) || stream || document.hidden) return
    stream = new EventSource('live')
    stream.addEventListener('open', () => say(true))
    stream.addEventListener('look', refresh)
    stream.addEventListener('error', () => {
      say(false)
      if (stream.readyState === EventSource.CLOSED) { // refused: try later, as after a restart
        stream = undefined
        setTimeout(listen, 5000 + 5000 * Math.random())
      }
    })
  }
  const rest = () => {
    stream?.close()
    stream = undefined
  }
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return rest()
    listen()
    if ('live' in document.body.dataset) refresh()
  })
  addEventListener('pagehide', rest)
  addEventListener('pageshow', listen)

  // Times have the reader's zone in their title.
  const times = () => {
    for (const t of all('time[datetime]')) {
      const at = new Date(t.dateTime)
      if (!isNaN(at)) t.title = at.toLocaleString(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'long' })
    }
  }

  // Charts. What is shown without them is a plain line.
  const charts = () => {
    const box = $('#charts')
    if (!box || !window.uPlot) return
    const s = JSON.parse(box.dataset.series), label = box.dataset.labels.split('|')
    if (!s.at || s.at.length < 2) return
    const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
    // In UTC, as all times of the pages.
    const utc = (at, from, to) => new Date(at * 1000).toISOString().slice(from, to).replace('T', ' ')
    const times = { values: (u, at, axis, space, step) => at.map(t => step < 86400 ? t % 86400 ? utc(t, 11, 16) : utc(t, 5, 10) + '\n' + utc(t, 11, 16) : utc(t, 5, 10)) }
    const axis = { stroke: css('--quiet'), grid: { stroke: css('--line'), width: 1 }, ticks: { stroke: css('--line') } }
    // What has happened, such as a deploy, is a line with its name, as far as there is room.
    const happened = u => {
      const ctx = u.ctx, { top, height, left, width } = u.bbox, px = devicePixelRatio
      ctx.save()
      ctx.strokeStyle = css('--quiet')
      ctx.fillStyle = css('--text')
      ctx.font = 11 * px + 'px sans-serif'
      ctx.textBaseline = 'top'
      ctx.setLineDash([3 * px, 3 * px])
      let free = left
      for (const [at, name] of JSON.parse(box.dataset.marks)) {
        const x = Math.min(u.valToPos(at, 'x', true), left + width), room = ctx.measureText(name).width + 6 * px
        ctx.beginPath()
        ctx.moveTo(x, top)
        ctx.lineTo(x, top + height)
        ctx.stroke()
        const from = x + room > left + width ? x - room : x
        if (from < free) continue
        ctx.fillText(name, from + 3 * px, top)
        free = Math.max(x, from + room)
      }
      ctx.restore()
    }
    const draw = (series, data, more) => new uPlot({
      width: box.clientWidth, height: 220, hooks: { draw: [happened] }, tzDate: at => uPlot.tzDate(new Date(at * 1000), 'Etc/UTC'),
      series: [{ label: 'UTC', value: (u, at) => at == null ? '--' : utc(at, 0, 16) }, ...series], axes: [{ ...axis, ...times }, { ...axis, size: 60, ...more }], cursor: { drag: { x: false, y: false } },
    }, [s.at, ...data], box)
    box.replaceChildren()
    draw([{ label: label[0], stroke: css('--line1') }, { label: label[1], stroke: css('--line2') }], [s.done, s.failed])
    draw([{ label: label[2], stroke: css('--link') }, { label: label[3], stroke: css('--quiet'), dash: [4, 4] }], [s.run, s.wait])
  }

  // Rows: j and k go through them, Enter opens one, x selects it.
  let row = -1
  const rows = () => all('#live tr[data-row]')
  const mark = () => rows().forEach((r, i) => r.classList.toggle('here', i === row))
  const go = by => {
    const list = rows()
    if (!list.length) return
    row = Math.max(0, Math.min(list.length - 1, row + by))
    mark()
    const link = $('a', list[row])
    link?.focus({ preventScroll: true })
    list[row].scrollIntoView({ block: 'nearest' })
  }

  // Selections.
  const counted = () => {
    const box = $('#select-all'), jobs = all('#live input[name=job]')
    if (!box) return
    const n = jobs.filter(j => j.checked).length
    box.checked = n > 0 && n === jobs.length
    box.indeterminate = n > 0 && n < jobs.length
    const out = $('#selected')
    if (out) out.textContent = n ? out.dataset.text.replace('%d', n) : ''
  }
  document.addEventListener('change', e => {
    if (e.target.id === 'select-all') for (const j of all('#live input[name=job]')) j.checked = e.target.checked
    if (e.target.id === 'select-all' || e.target.name === 'job') counted()
  })

  // Keys.
  const help = $('#help'), button = $('#help-button')
  button.hidden = false
  button.addEventListener('click', () => help.showModal())
  let prefix = 0
  document.addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing || e.target.matches('input:not([type=checkbox]), select, textarea') || help.open) return
    if (Date.now() - prefix < 1500) {
      prefix = 0
      const link = $(`nav a[data-key="${CSS.escape(e.key)}"]`)
      if (link) { e.preventDefault(); link.click() }
      return
    }
    switch (e.key) {
      case '/': {
        const find = $('#live [type=search], #live form[role=search] input')
        if (find) { e.preventDefault(); find.focus(); find.select() }
        break
      }
      case '?': e.preventDefault(); help.showModal(); break
      case 'g': prefix = Date.now(); break
      case 'j': go(1); break
      case 'k': go(-1); break
      case 'x': {
        const box = $('input[name=job]', rows()[row] || document.createElement('p'))
        if (box) { box.checked = !box.checked; counted() }
      }
    }
  })

  times()
  charts()
  listen()
})()
