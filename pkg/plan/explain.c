/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "json/json.h"

/* The formula of each topic, with the document's own numbers in it. */

static unsigned long long number(const struct json *o, const char *path) {
	const struct json *v = json_path(o, path);

	return v ? (unsigned long long) json_value(v) : 0;
}

struct shown {
	char text[TEXT_BYTES];
};

static struct shown bytes(unsigned long long n) {
	struct shown s = {0};

	text_format_bytes(n, s.text);
	return s;
}

static struct shown at(const struct json *o, const char *path) {
	return bytes(number(o, path));
}

static struct shown milli(const struct json *o, const char *path) {
	unsigned long long v = number(o, path);
	struct shown s;

	(void) snprintf(s.text, sizeof s.text, "%llu.%llu", v / 1000, v % 1000 / 100);
	return s;
}

static const char *text(const struct json *o, const char *path) {
	const char *s = json_text(json_path(o, path));

	return s ? s : "";
}

#define LINE(...) (void) buf_printf(out, __VA_ARGS__)

static void memory(const struct json *d, struct buf *out) {
	const struct json *m = json_get(d, "memory");

	LINE("planned = weights + adapters + KV cache + recurrent states + compute buffers + "
	     "output buffers + overhead + fragmentation\n");
	LINE("        = %s + %s + %s + %s + %s + %s + %s + %s\n", at(m, "weights_bytes").text,
	     at(m, "adapters_bytes").text, at(m, "kv_bytes").text, at(m, "recurrent_bytes").text,
	     at(m, "compute_bytes").text, at(m, "output_bytes").text, at(m, "overhead_bytes").text,
	     at(m, "fragmentation_bytes").text);
	if (number(m, "uncertain_bytes"))
		LINE("        + %s: caches, states and compute buffers once more, because they are "
		     "not known exactly\n",
		     at(m, "uncertain_bytes").text);
	LINE("        = %llu bytes = %s\n", number(m, "planned_bytes"),
	     at(m, "planned_bytes").text);
	LINE("The container's limit is its host memory plus the reserve: %s.\n",
	     at(m, "limit_bytes").text);
}

static void weights(const struct json *d, struct buf *out) {
	const struct json *m = json_get(d, "model");

	LINE("weights = the sum of the tensors that the header lists, never guessed from a name: "
	     "%llu bytes\n",
	     number(m, "weights_bytes"));
	for (const struct json *t = json_first(json_get(m, "types")); t; t = json_next(t))
		LINE("  %-8s %s\n", json_key(t), bytes((unsigned long long) json_value(t)).text);
	if (number(m, "parameters"))
		LINE("  %llu parameters, %llu.%02llu bits each on average\n",
		     number(m, "parameters"),
		     number(m, "weights_bytes") * 8 / number(m, "parameters"),
		     number(m, "weights_bytes") * 800 / number(m, "parameters") % 100);
	if (number(m, "experts"))
		LINE("  %llu experts, of which %llu compute a token: all of them are in memory "
		     "(%s), only the used share is read\n",
		     number(m, "experts"), number(m, "experts_used"), at(m, "expert_bytes").text);
	if (*text(m, "sparsity"))
		LINE("  sparse (%s), and counted as dense: zeros take memory like other numbers\n",
		     text(m, "sparsity"));
}

static void kv(const struct json *d, struct buf *out) {
	const struct json *m = json_get(d, "model"), *r = json_get(d, "runtime");

	LINE("KV cache = sum over layers with a cache of: cells x KV heads x (key + value) x bytes "
	     "of a number, for each sequence\n");
	LINE("  layers: %llu with attention, %llu with a window, %llu recurrent\n",
	     number(m, "layers.attention"), number(m, "layers.window"),
	     number(m, "layers.recurrent"));
	LINE("  cells: %llu tokens of context, rounded up to multiples of %llu\n",
	     number(r, "context_tokens"), number(r, "context_multiple"));
	LINE("  heads: at most %llu, of %llu + %llu numbers (key + value) of type %s\n",
	     number(m, "kv_heads"), number(m, "key_length"), number(m, "value_length"),
	     text(r, "kv_cache"));
	if (number(m, "sliding_window"))
		LINE("  a layer with a window keeps %llu tokens and a batch\n",
		     number(m, "sliding_window"));
	if (number(m, "kv_lora_rank"))
		LINE("  latent attention: %llu numbers for each token and layer, shared by all "
		     "heads\n",
		     number(m, "kv_lora_rank"));
	if (number(d, "memory.recurrent_bytes"))
		LINE("  states of a fixed size, beside the cells: %s\n",
		     at(d, "memory.recurrent_bytes").text);
	LINE("  x %llu sequences = %llu bytes = %s\n", number(r, "concurrent_sequences"),
	     number(d, "memory.kv_bytes"), at(d, "memory.kv_bytes").text);
}

static void compute(const struct json *d, struct buf *out) {
	LINE("compute buffers = batch x (4 bytes x the widest sum of widths that the runtime's "
	     "definition lists + a mask of the context)\n");
	LINE("  batch %llu, width of the model %llu, context %llu: %s\n",
	     number(d, "runtime.batch_tokens"), number(d, "model.embedding_length"),
	     number(d, "runtime.context_tokens"), at(d, "memory.compute_bytes").text);
	LINE("output buffers = sequences x vocabulary x 4 bytes: %llu x %llu: %s\n",
	     number(d, "runtime.concurrent_sequences"), number(d, "model.vocabulary"),
	     at(d, "memory.output_bytes").text);
	LINE("overhead = what the process or the backend takes for itself, by the runtime's "
	     "definition: %s\n",
	     at(d, "memory.overhead_bytes").text);
}

static void reserve(const struct json *d, struct buf *out) {
	const struct json *m = json_get(d, "memory");

	LINE("usable = capacity x (1 - reserve) = %s x (1 - 0.%02llu) = %s\n",
	     at(m, "capacity_bytes").text, number(m, "reserve_percent"),
	     at(m, "usable_bytes").text);
	LINE("The reserve of %s is not part of the plan: it covers fragmentation, other processes "
	     "and wrong estimates.\n",
	     at(m, "reserve_bytes").text);
}

static void admission(const struct json *d, struct buf *out) {
	const struct json *x = json_get(d, "admission");

	LINE("admitted = planned <= usable, and p95 <= the gate where it was measured\n");
	for (const struct json *p = json_first(json_get(x, "places")); p; p = json_next(p))
		LINE("  %s: %s: %s\n", text(p, "name"), text(p, "verdict"), text(p, "reason"));
	LINE("resources.admission is %s: %s\n", text(x, "mode"), text(x, "reason"));
	for (const struct json *c = json_first(json_get(x, "would_be_admitted")); c;
	     c = json_next(c))
		LINE("  would be admitted: %s (%s)\n", text(c, "change"),
		     number(c, "planned_bytes") ? at(c, "planned_bytes").text : "elsewhere");
}

static void speed(const struct json *d, struct buf *out) {
	const struct json *s = json_get(d, "speed");

	LINE("Generating a token takes at least the time to read the active weights once, and the "
	     "cells of its context.\n");
	LINE("ceiling = bandwidth / (active weights and adapters + KV bytes read for a token)\n");
	if (!number(s, "ceiling_milli")) {
		LINE("  the bandwidth is not known; %s of weights are active, %s of cells at the "
		     "end of a context\n",
		     at(s, "active_bytes").text, at(s, "kv_bytes").text);
		return;
	}
	LINE("  start of a context: %s/s / %s = %s tokens/s\n", at(s, "bandwidth").text,
	     at(s, "active_bytes").text, milli(s, "ceiling_milli").text);
	LINE("  end of a context: %s/s / (%s + %s) = %s tokens/s\n", at(s, "bandwidth").text,
	     at(s, "active_bytes").text, at(s, "kv_bytes").text,
	     milli(s, "ceiling_full_milli").text);
	LINE("  %llu sequences together: the weights are read once for all of them: %s tokens/s\n",
	     number(s, "sequences"), milli(s, "ceiling_all_milli").text);
	if (number(s, "measured_milli"))
		LINE("  measured by '%s': %s tokens/s, %llu %% of the ceiling\n",
		     text(s, "measured_by"), milli(s, "measured_milli").text,
		     number(s, "measured_percent"));
	if (*text(s, "hint"))
		LINE("  %s\n", text(s, "hint"));
}

static void traffic(const struct json *d, struct buf *out) {
	const struct json *t = json_get(d, "traffic");

	if (!t) {
		LINE("The manifest has no 'traffic': set requests_per_month, output_tokens, "
		     "peak_users and pattern.\n");
		return;
	}
	LINE("Random arrivals, served by %llu sequences: M/M/c (Erlang 1917; Kleinrock, Queueing "
	     "Systems I, 3.8).\n",
	     number(d, "speed.sequences"));
	LINE("  steady: a month of 30 days, evenly; bursty: 15 %% of a day's requests in its "
	     "busiest hour\n");
	LINE("  %llu requests a month, %s: %llu in the busiest hour\n",
	     number(t, "requests_per_month"), text(t, "pattern"), number(t, "busy_hour_requests"));
	LINE("  an answer of %llu tokens takes %llu ms (%s)\n", number(t, "output_tokens"),
	     number(t, "answer_ms"), text(t, "answer_from"));
	LINE("  utilization = arrivals x time of an answer / sequences = %llu %%; Erlang C: %llu "
	     "%% wait, %llu ms on average, p95 %llu ms\n",
	     number(t, "utilization_percent"), number(t, "waits_percent"), number(t, "wait_ms"),
	     number(t, "wait_p95_ms"));
	if (number(t, "peak_users"))
		LINE("  all %llu peak users at once: %llu rounds of %llu ms\n",
		     number(t, "peak_users"), number(t, "peak_rounds"), number(t, "answer_ms"));
}

static void cost(const struct json *d, struct buf *out) {
	const struct json *c = json_get(d, "cost");

	if (!c) {
		LINE("The manifest has no 'cost': set the monthly cost of the machine, and "
		     "cost.hosted.\n");
		return;
	}
	LINE("local = hardware + power + staff + maintenance = %llu millionths a month\n",
	     number(c, "local_micro"));
	LINE("hosted = requests / 1,000 x price, or tokens / 1,000,000 x price = %llu millionths a "
	     "month\n",
	     number(c, "hosted_micro"));
	LINE("crossover = local / the price of one request = %llu requests a month\n",
	     number(c, "crossover_requests"));
	LINE("%s; %s\n", text(c, "verdict"), text(c, "reminder"));
}

static void runtime(const struct json *d, struct buf *out) {
	const struct json *r = json_get(d, "runtime");

	LINE("%s on %s, launched as %s: %llu sequences of %llu tokens, KV cache %s, batch %llu\n",
	     text(r, "name"), text(r, "backend"), text(r, "launch"),
	     number(r, "concurrent_sequences"), number(r, "context_tokens"), text(r, "kv_cache"),
	     number(r, "batch_tokens"));
	for (const struct json *x = json_first(json_get(d, "runtimes")); x; x = json_next(x))
		LINE("  %s: %s\n", text(x, "name"), text(x, "reason"));
}

static void artifact(const struct json *d, struct buf *out) {
	const struct json *x = json_get(d, "candidates");

	LINE("The smallest candidate that fits and reaches quality_min wins; without measured "
	     "quality the golden set decides (llmdeploy choose).\n");
	if (!x)
		LINE("  the manifest names one artifact; model.candidates would name several\n");
	for (const struct json *c = json_first(json_get(x, "list")); c; c = json_next(c))
		LINE("  %s: %s of weights, %s planned: %s\n", text(c, "name"),
		     at(c, "weights_bytes").text, at(c, "planned_bytes").text, text(c, "choice"));
}

static void diff(const struct json *d, struct buf *out) {
	const struct json *x = json_get(d, "changes");

	LINE("Two lockfiles are compared: the active one and the one that an apply would make.\n");
	LINE("  against %s: %llu differences\n",
	     *text(x, "against") ? text(x, "against") : "nothing", number(x, "count"));
	for (const struct json *c = json_first(json_get(x, "list")); c; c = json_next(c))
		LINE("  %s: %s -> %s\n", text(c, "what"), text(c, "now"), text(c, "then"));
}

static void rollback(const struct json *d, struct buf *out) {
	const struct json *x = json_get(d, "changes");

	LINE("warm = active + planned <= usable, and rollout.previous is not stopped\n");
	LINE("  %s + %s = %s, usable %s: %s\n", at(x, "active_bytes").text,
	     at(d, "memory.planned_bytes").text, at(x, "both_bytes").text,
	     at(d, "memory.usable_bytes").text, text(x, "rollback"));
}

static const struct topic {
	const char *name, *about;
	void (*print)(const struct json *d, struct buf *out);
} topics[] = {
	{"memory", "what is planned, part by part", memory},
	{"weights", "tensors by type", weights},
	{"kv", "the KV cache by architecture", kv},
	{"compute", "buffers and overhead", compute},
	{"reserve", "what stays free", reserve},
	{"admission", "what is admitted, and what would be", admission},
	{"speed", "the ceiling of decoding, and what was measured", speed},
	{"traffic", "queueing at the peak", traffic},
	{"cost", "local against hosted", cost},
	{"runtime", "the runtime and its settings", runtime},
	{"artifact", "which candidate, and why", artifact},
	{"diff", "what would change against the active release", diff},
	{"rollback", "whether the previous release stays warm", rollback},
};
enum { TOPICS = sizeof topics / sizeof *topics };

void plan_explain_help(struct buf *out) {
	for (size_t i = 0; i < TOPICS; i++)
		LINE("%-10s %s\n", topics[i].name, topics[i].about);
}

int plan_explain(const struct json *document, const char *topic, struct buf *out, struct err *e) {
	const char *names[TOPICS];

	for (size_t i = 0; i < TOPICS; i++) {
		names[i] = topics[i].name;
		if (strcmp(topic, names[i]) != 0)
			continue;
		topics[i].print(document, out);
		return 0;
	}
	const char *near = text_nearest(topic, names, TOPICS);
	return near ? err_set(e, ERR_USAGE, "no topic '%.40s' to explain, did you mean '%s'?",
			      topic, near)
		    : err_set(e, ERR_USAGE,
			      "no topic '%.40s' to explain; --explain help lists them", topic);
}
