/**
 * Templates that write calls in the forms of five families of models, and of a sixth. Written for these tests: they hold
 * what concerns tools and leave out the rest.
 */
const turns = (call: string) => `{{ bos_token }}
{%- if tools %}<|start_header_id|>system<|end_header_id|>Tools: {{ tools | tojson }}<|eot_id|>{% endif %}
{%- for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>

{{ m.content if m.content else '' }}{% if m.tool_calls %}${call}{% endif %}<|eot_id|>
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
  // Llama 3.1 and 3.2: the bare object, its arguments called parameters.
  bare: turns(each('', '{"name": "{{ f.name }}", "parameters": {{ f.arguments | tojson }}}', '', '; ')),
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
  // DeepSeek: the name, a separator, the arguments in a fence.
  named: turns(
    each(
      '',
      '<|call_begin|>{{ f.name }}<|call_sep|>\n```json\n{{ f.arguments | tojson }}\n```<|call_end|>',
      '',
    ),
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
}
