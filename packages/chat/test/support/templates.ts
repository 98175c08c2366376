/**
 * Templates that write calls in the forms of many families of models. Written for these tests: they hold what concerns
 * tools and leave out the rest.
 */
const turns = (call: string, said = "{{ m.content if m.content else '' }}") => `{{ bos_token }}
{%- if tools %}<|start_header_id|>system<|end_header_id|>Tools: {{ tools | tojson }}<|eot_id|>{% endif %}
{%- for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>

${said}{% if m.tool_calls %}${call}{% endif %}<|eot_id|>
{%- endfor %}
{%- if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}`

const each = (before: string, body: string, after: string, between = '') =>
  `${before}{% for c in m.tool_calls %}{% if not loop.first %}${between}{% endif %}{% set f = c.function %}${body}{% endfor %}${after}`

export const callTemplates: Readonly<Record<string, string>> = {
  // Hermes, Qwen 2.5 and 3: an object between tags for each call.
  tags: turns(
    each(
      '',
      '<tool_call>\n{"name": "{{ f.name }}", "arguments": {{ f.arguments | tojson }}}\n</tool_call>',
      '',
      '\n',
    ),
  ),
  // Qwen 3: an empty thought before calls, as before every reply.
  thought: turns(
    each(
      '',
      '<tool_call>\n{"name": "{{ f.name }}", "arguments": {{ f.arguments | tojson }}}\n</tool_call>',
      '',
      '\n',
    ),
    "{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ m.content if m.content else '' }}",
  ),
  // Llama 3.1 and 3.2: the bare object, its arguments called parameters, and no second call.
  bare: turns(
    '{% if m.tool_calls | length != 1 %}{{ raise_exception("One call at once!") }}{% endif %}' +
      each('', '{"name": "{{ f.name }}", "parameters": {{ f.arguments | tojson }}}', ''),
  ),
  // Mistral: a control token and a list of objects with ids behind the arguments.
  list: turns(
    each(
      '[TOOL_CALLS] [',
      '{"name": "{{ f.name }}", "arguments": {{ f.arguments | tojson }}, "id": "{{ c.id }}"}',
      ']',
      ', ',
    ),
  ),
  // Granite, Phi-4-mini: the list, and the type of each call before it.
  typed: turns(
    each(
      '<|tool_call|>[',
      '{"type": "function", "function": {"arguments": {{ f.arguments | tojson }}, "name": "{{ f.name }}"}}',
      ']<|/tool_call|>',
      ', ',
    ),
  ),
  // DeepSeek R1: a mark before all calls, the name between further ones, the arguments in a fence; no content beside calls.
  named: turns(
    '{% if m.content is none %}' +
      each(
        '<|calls_begin|>',
        '<|call_begin|>function<|call_sep|>{{ f.name }}\n```json\n{{ f.arguments | tojson }}\n```<|call_end|>',
        '<|calls_end|>',
        '\n',
      ) +
      '{% endif %}',
  ),
  // Mistral Small 3.2: the name, the call's id, the arguments.
  ids: turns(each('', '[TOOL_CALLS]{{ f.name }}[CALL_ID]{{ c.id }}[ARGS]{{ f.arguments | tojson }}', '')),
  // Functionary 3.1: the name in the tag, the arguments as the text that the client sent.
  text: turns(each('', "{{ '<function=' + f.name + '>' + f.arguments + '</function>' }}", '')),
  // Apertus: the name is the only key of the object.
  keyed: turns(
    each('<|tools_prefix|>[', '{"{{ f.name }}": {{ f.arguments | tojson }}}', ']<|tools_suffix|>', ', '),
  ),
  // Qwen 3 Coder: a tag for every parameter, values as they are.
  parameters: turns(
    each(
      '',
      '<tool_call>\n<function={{ f.name }}>\n{% for k, v in f.arguments.items() %}<parameter={{ k }}>\n{{ v if v is string else v | tojson }}\n</parameter>\n{% endfor %}</function>\n</tool_call>',
      '',
      '\n',
    ),
  ),
  // GLM 4.6: keys and values between tags, right behind the name.
  pairs: turns(
    each(
      '',
      '\n<tool_call>{{ f.name }}\n{% for k, v in f.arguments.items() %}<arg_key>{{ k }}</arg_key>\n<arg_value>{{ v if v is string else v | tojson }}</arg_value>\n{% endfor %}</tool_call>',
      '',
    ),
  ),
  // DeepSeek 3.2: the tag of a parameter says whether it is text.
  typedPairs: turns(
    each(
      '<|DSML|calls>\n',
      '<|DSML|invoke name="{{ f.name }}">\n{% for k, v in f.arguments.items() %}<|DSML|parameter name="{{ k }}" string="{{ "true" if v is string else "false" }}">{{ v if v is string else v | tojson }}</|DSML|parameter>\n{% endfor %}</|DSML|invoke>',
      '\n</|DSML|calls>',
      '\n',
    ),
  ),
}

/** Templates whose further calls, or whose text before a call, are not written. */
export const singleCall = ['bare']
export const noTextBefore = ['bare', 'named']
/** Templates whose arguments cannot be held to a schema: every parameter has tags of its own. */
export const freeArguments = ['parameters', 'pairs', 'typedPairs']
