/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/mem.h"
#include "spec/template.h"

/* Templates: the text, and each diagnostic as LINE:COLUMN: MESSAGE, a line each; "" where the
 * runtime's Jinja reads it. */

#define M "{% for m in messages %}{{ m.content }}{% endfor %}"

static const struct {
	const char *name, *text, *want;
} cases[] = {
	{"plain", M, ""},
	{"whitespace control", "{%- for m in messages -%}\n{{- m['content'] -}}\n{%- endfor -%}",
	 ""},
	{"conditions",
	 "{% for m in messages if m.role != 'system' %}{% if loop.first and not x %}a{% elif "
	 "m.role in ['a', 'b'] %}b{% else %}c{% endif %}{% endfor %}",
	 ""},
	{"tests and filters",
	 "{% if tools is not none and messages[0].content is string %}{{ tools | tojson(indent=4) "
	 "| trim }}{% endif %}",
	 ""},
	{"slices, mappings, ternaries",
	 "{% set a = messages[1:] %}{{ messages[::-1][0] }}{{ {'a': {'b': 1}} }}{{ 'x' if a else "
	 "\"y\" }}",
	 ""},
	{"a mapping at the end", "{{ {'a': messages}}}", ""},
	{"namespaces, unpacking",
	 "{% set ns = namespace(found=false, n=0) %}{% set ns.n = ns.n + 1 %}{% for k, v in "
	 "messages | items %}{% endfor %}",
	 ""},
	{"a set with an end", "{% set x %}{{ messages }}{% endset %}{{ x ~ '}}' ~ \"%}\" }}", ""},
	{"macros and calls",
	 "{% macro f(a, b=1, c='x') -%}{{ a }}{%- endmacro %}{% call(u) f(messages) %}{{ u }}{% "
	 "endcall %}{{ f(-1, b=[]) }}",
	 ""},
	{"a filter's block, break, generation",
	 "{% filter trim %}{% for m in messages %}{% generation %}{{ m }}{% endgeneration %}{% "
	 "break %}{% endfor %}{% endfilter %}",
	 ""},
	{"comments", "{# {{ .Prompt }} of old #}" M, ""},
	{"raw braces", "{ \"a\": 1 }" M, ""},
	{"Go: a field", "x\n{{ .Prompt }}",
	 "2:1: '{{ .Prompt }}' is a Go template, as Ollama has them; the runtime reads Jinja: take "
	 "the chat template of the "
	 "model's own repository\n"},
	{"Go: an action", "{{- if .System }}a{{ end }}",
	 "1:1: '{{- if .System }}' is a Go template, as Ollama has them; the runtime reads Jinja: "
	 "take the "
	 "chat template of the model's own repository\n"},
	{"Go: a variable", "{{ $last := 1 }}",
	 "1:1: '{{ $last := 1 }}' is a Go template, as Ollama has them; the runtime reads Jinja: "
	 "take the chat template of "
	 "the model's own repository\n"},
	{"no end", "{% for m in messages %}{{ m }}", "1:1: 'for' has no 'endfor'\n"},
	{"an end of another", "{% if messages %}\n{% endfor %}",
	 "2:1: 'endfor' where the 'if' in line 1 needs its 'endif'\n"},
	{"an end of nothing", M "{% endif %}",
	 "1:51: 'endif' ends nothing: there is no open 'if'\n"},
	{"else of nothing", "{% else %}" M, "1:1: 'else' without an 'if' before it\n"},
	{"elif in a loop", "{% for m in messages %}{% elif x %}{% endfor %}",
	 "1:24: 'elif' without an 'if' before it\n"},
	{"two else", "{% if messages %}{% else %}{% else %}{% endif %}",
	 "1:28: 'else' after the 'else' of the 'if' in line 1\n"},
	{"else if", "{% if messages %}{% else if x %}{% endif %}",
	 "1:18: 'else' takes nothing behind it; 'elif' takes a condition\n"},
	{"an end with a name", M "{% macro f() %}{% endmacro f %}",
	 "1:66: 'endmacro' takes nothing behind it\n"},
	{"unknown statement", "{% fro m in messages %}",
	 "1:1: 'fro' is no statement of the runtime's Jinja; did you mean 'for'?\n"},
	{"include", "{% include 'x' %}" M,
	 "1:1: 'include' is no statement of the runtime's Jinja\n"},
	{"an open expression", "a{{ messages", "1:2: '{{ messages' is not closed\n"},
	{"an open statement", "{% if messages\n{{ x }}", "1:1: '{% if messages' is not closed\n"},
	{"an open comment", M "{# x", "1:51: a comment '{#' has no '#}'\n"},
	{"an open string", "{{ messages ~ 'a }}",
	 "1:15: '{{ messages ~ 'a }}' has a string without an end\n"},
	{"an empty expression", M "{{ }}", "1:53: in '{{ }}': there is no expression\n"},
	{"a condition that is missing", M "{% if %}{% endif %}",
	 "1:56: in '{% if %}': the statement is not whole\n"},
	{"brackets", "{{ f(messages }}", "1:3: in '{{ f(messages }}': a bracket is not closed\n"},
	{"a closed bracket", "{{ messages) }}",
	 "1:12: in '{{ messages) }}': a bracket is closed that was not opened\n"},
	{"crossed brackets", "{{ messages[0) }}",
	 "1:14: in '{{ messages[0) }}': a bracket is closed by another kind of bracket\n"},
	{"two values", "{{ messages x }}",
	 "1:13: in '{{ messages x }}': two values follow each other without an operator\n"},
	{"an operator at the end", "{{ messages + }}",
	 "1:13: in '{{ messages + }}': an operator has no value behind it\n"},
	{"a filter of nothing", M "{{ | trim }}",
	 "1:54: in '{{ | trim }}': a filter has no value before it\n"},
	{"a strange character", "{{ messages & 1 }}",
	 "1:13: in '{{ messages & 1 }}': a character has no meaning here\n"},
	{"no messages", "You are helpful. {{ bos_token }}",
	 "1:1: the template never uses 'messages', so no question would reach the model\n"},
	{"several", "{{ messages + }}\n{% fi %}\n{% if x %}",
	 "1:13: in '{{ messages + }}': an operator has no value behind it\n"
	 "2:1: 'fi' is no statement of the runtime's Jinja; did you mean 'if'?\n3:1: 'if' has no "
	 "'endif'\n"},
};

static void templates(void **state) {
	(void) state;
	EACH_CASE (k, cases) {
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct buf got CLEANUP(buf_done) = BUF_INIT(1 << 16);

		template_check("t.jinja", k->text, &c);
		diagnostics_sort(&c);
		for (size_t i = 0; i < c.n; i++)
			(void) buf_printf(&got, "%d:%d: %s\n", c.at[i].line, c.at[i].col,
					  c.at[i].message);
		if (strcmp(buf_str(&got), k->want) != 0)
			fail_msg("%s: got\n%swanted\n%s", k->name, buf_str(&got), k->want);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(templates)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
