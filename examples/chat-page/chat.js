// A chat over /v1/chat/completions, without a library: what is said is kept here and sent whole with each turn.
const byId = (id) => document.getElementById(id)
const turns = byId('turns')
const text = byId('text')
const send = byId('send')
let messages = []
let running

const { data } = await (await fetch('v1/models')).json()
const model = data[0].id
byId('model').textContent = model

function add(kind, content) {
  const element = document.createElement('p')
  element.className = kind
  element.textContent = content
  turns.append(element)
  element.scrollIntoView({ block: 'end' })
  return element
}

/** The data of server-sent events, until the stream ends. */
async function* eventsOf(response) {
  let rest = ''
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + part).split('\n\n')
    rest = blocks.pop()
    for (const block of blocks) if (block !== 'data: [DONE]') yield JSON.parse(block.slice('data: '.length))
  }
}

async function reply() {
  const own = (running = new AbortController())
  const chat = messages
  send.textContent = 'Stop'
  const element = add('turn assistant', '')
  const started = performance.now()
  let usage
  let ended
  try {
    const response = await fetch('v1/chat/completions', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        model,
        messages: chat,
        compression: byId('compression').value,
        stream: true,
        stream_options: { include_usage: true },
      }),
      signal: own.signal,
    })
    if (!response.ok) throw new Error((await response.json()).error.message)
    for await (const event of eventsOf(response)) {
      if (event.error) throw new Error(event.error.message)
      const choice = event.choices[0]
      element.textContent += choice?.delta.content ?? ''
      ended = choice?.finish_reason ?? ended
      usage = event.usage ?? usage
      element.scrollIntoView({ block: 'end' })
    }
  } catch (error) {
    if (error.name !== 'AbortError') {
      add('turn wrong', error.message)
    }
  }
  // "New chat" has ended it.
  if (chat !== messages) return
  // A message that was not answered, stopped or failed, is not sent again with the next one.
  if (ended === undefined && element.textContent === '') {
    chat.pop()
    element.remove()
  } else chat.push({ role: 'assistant', content: element.textContent })
  if (usage) {
    const rate = (usage.completion_tokens / (performance.now() - started)) * 1000
    const kept = usage.prompt_tokens_details.cached_tokens
    const facts = [
      `${usage.prompt_tokens} tokens read${kept > 0 ? `, ${kept} of them from a kept cache` : ''}`,
      `${usage.completion_tokens} said, ${rate.toFixed(1)} per second`,
      ...(ended === 'length' ? ['cut off at the limit'] : []),
    ]
    add('facts', facts.join(' · '))
  }
  send.textContent = 'Send'
  running = undefined
}

byId('form').addEventListener('submit', (event) => {
  event.preventDefault()
  if (running) {
    running.abort()
    return
  }
  const content = text.value.trim()
  if (content === '') return
  messages.push({ role: 'user', content })
  add('turn user', content)
  text.value = ''
  void reply()
})
text.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing || running) return
  event.preventDefault()
  byId('form').requestSubmit()
})
byId('reset').addEventListener('click', () => {
  running?.abort()
  running = undefined
  send.textContent = 'Send'
  messages = []
  turns.replaceChildren()
  text.focus()
})
