/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/table.h"

#include "capability/capability.h"

/* Smaller tables first; the file itself stands at the end. */

#define MAX_BYTES ((int64_t) 1 << 46)

static const struct schema_field text = {.type = SCHEMA_STRING};
static const struct schema_field any_text = {.type = SCHEMA_STRING, .flags = SCHEMA_EMPTY};
static const struct schema_field anything = {.type = SCHEMA_ANY};
static const char *const not_flags[] = {"unsupported", "store", NULL};

static const char *const forms[] = {"plain", "path_scale", "positional", NULL};
static const char *const times[] = {"one", "sequences", NULL};
static const struct schema_field flag_fields[] = {
	{.key = "arg", .type = SCHEMA_ONE_OR_LIST, .max = 8, .doc = "The flag; of several, each gets the value."},
	{.key = "env", .type = SCHEMA_STRING, .flags = SCHEMA_EMPTY, .fallback = "''", .doc = "The environment variable that takes the value, where there is no flag."},
	{.key = "values", .type = SCHEMA_MAP, .element = &text, .max = 64, .doc = "The manifest's words and this engine's; no other is passed."},
	{.key = "times", .type = SCHEMA_ENUM, .fallback = "one", .choices = times, .doc = "Whether the engine counts for all sequences together."},
	{.key = "form", .type = SCHEMA_ENUM, .fallback = "plain", .choices = forms, .doc = "How it is written: FLAG VALUE; files as PATH:SCALE,PATH:SCALE; or the value alone, without a flag."},
	{0},
};

#define FLAG(name, what) \
	{.key = name, .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED | SCHEMA_OPTIONAL, .choices = not_flags, .fields = flag_fields, .doc = what}

static const struct schema_field flags_fields[] = {
	FLAG("model", "The model's file."),
	FLAG("adapters", "Adapters, with their scales."),
	FLAG("served_name", "The model's name in the engine's answers: the route."),
	FLAG("socket", "The Unix socket to listen on."),
	FLAG("context_tokens", "Tokens of context."),
	FLAG("concurrent_sequences", "Sequences at once."),
	FLAG("kv_cache", "Type of the numbers in the KV cache."),
	FLAG("chat_template", "A file with the chat template."),
	FLAG("tensor_parallel", "Devices that share each layer."),
	FLAG("memory_fraction", "memory.fraction, of an engine that takes a part of the device."),
	{0},
};

static const char *const memories[] = {"host", "device", NULL};
static const char *const gpus[] = {"none", "nvidia", NULL};
static const struct schema_field backend_fields[] = {
	{.key = "memory", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = memories, .doc = "Where weights, KV cache and compute buffers are."},
	{.key = "args", .type = SCHEMA_LIST, .fallback = "[]", .element = &any_text, .max = 64, .doc = "Arguments that choose this backend."},
	{.key = "gpu", .type = SCHEMA_ENUM, .fallback = "none", .choices = gpus, .doc = "Kind of GPU that the Docker Engine is asked for."},
	{.key = "devices", .type = SCHEMA_LIST, .fallback = "[]", .max = 16, .doc = "Device files that the container gets."},
	{.key = "provided", .type = SCHEMA_LIST, .fallback = "[]", .max = 64, .doc = "Libraries that the host puts into the container."},
	{.key = "image", .type = SCHEMA_STRING, .flags = SCHEMA_EMPTY, .fallback = "''", .doc = "Image that it runs from, by name and tag; a release pins its digest."},
	{.key = "device_overhead", .type = SCHEMA_BYTES, .fallback = "0B", .max = MAX_BYTES, .doc = "Device memory that the backend takes for itself."},
	{0},
};

#define BACKEND(name, what) {.key = name, .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = backend_fields, .doc = what}

static const struct schema_field backends_fields[] = {
	BACKEND("cpu", "The processor."),
	BACKEND("vulkan", "A GPU through Vulkan."),
	BACKEND("cuda", "An NVIDIA GPU."),
	BACKEND("rocm", "An AMD GPU."),
	BACKEND("metal", "An Apple GPU, which shares the machine's memory."),
	{0},
};

static const char *const value_kinds[] = {"int", "choice", "text", NULL};
static const struct schema_field extra_fields[] = {
	{.key = "name", .type = SCHEMA_NAME, .flags = SCHEMA_REQUIRED, .doc = "The flag without its dashes."},
	{.key = "value", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = value_kinds, .doc = "What its value may be."},
	{.key = "min", .type = SCHEMA_INT, .min = -1000000000, .max = 1000000000, .doc = "Smallest number."},
	{.key = "max", .type = SCHEMA_INT, .min = -1000000000, .max = 1000000000, .doc = "Largest number."},
	{.key = "choices", .type = SCHEMA_LIST, .fallback = "[]", .max = 64, .doc = "The words of a choice."},
	{0},
};
static const struct schema_field extra = {.type = SCHEMA_OBJECT, .fields = extra_fields};

static const char *const networks[] = {"none", "internal", NULL};
static const struct schema_field container_fields[] = {
	{.key = "socket", .type = SCHEMA_STRING, .flags = SCHEMA_EMPTY, .fallback = "''", .doc = "Where the engine listens, inside the container."},
	{.key = "port", .type = SCHEMA_INT, .fallback = "0", .max = 65535, .doc = "Where it listens on TCP, if it cannot on a socket."},
	{.key = "shared_memory", .type = SCHEMA_BYTES, .fallback = "0B", .max = MAX_BYTES, .doc = "Size of /dev/shm that it needs; 0B: the Engine's own."},
	{.key = "chat_template", .type = SCHEMA_STRING, .flags = SCHEMA_EMPTY, .fallback = "''", .doc = "Where the image has the release's chat template."},
	{.key = "network", .type = SCHEMA_ENUM, .fallback = "none", .choices = networks, .doc = "none, or internal for an engine that can only listen on TCP."},
	{.key = "stop_signal", .type = SCHEMA_STRING, .fallback = "SIGTERM", .doc = "What asks the engine to end."},
	{.key = "stop_timeout", .type = SCHEMA_DURATION, .fallback = "30s", .min = 1000, .max = 3600000, .doc = "How long it may take to."},
	{.key = "pids", .type = SCHEMA_INT, .fallback = "1024", .min = 16, .max = 1 << 20, .doc = "Threads and processes at most."},
	{.key = "read_only", .type = SCHEMA_BOOL, .fallback = "true", .doc = "Whether the root file system is read-only."},
	{.key = "tmpfs", .type = SCHEMA_MAP, .fallback = "{}", .element = &text, .max = 16, .doc = "Folders in memory, with their options."},
	{.key = "env", .type = SCHEMA_MAP, .fallback = "{}", .element = &any_text, .max = 64, .doc = "Environment."},
	{0},
};

static const struct schema_field status_number = {.type = SCHEMA_INT, .min = 100, .max = 599};
static const struct schema_field liveness_fields[] = {
	{.key = "path", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Asked by GET."},
	{.key = "status", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &status_number, .min = 1, .max = 16, .doc = "Answers of an engine that lives."},
	{0},
};
static const struct schema_field ready_fields[] = {
	{.key = "status", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 100, .max = 599, .doc = "The answer's status."},
	{.key = "json", .type = SCHEMA_MAP, .fallback = "{}", .element = &anything, .max = 16, .doc = "Paths in the answer and what must stand there."},
	{0},
};
static const struct schema_field loading_fields[] = {
	{.key = "status", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &status_number, .max = 16, .doc = "Answers of an engine that is not ready yet."},
	{0},
};
static const char *const refusals[] = {"loading", "failed", NULL};
static const char *const completion_only[] = {"completion_only", NULL};
static const struct schema_field readiness_fields[] = {
	{.key = "path", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Asked by GET."},
	{.key = "ready", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = ready_fields, .doc = "How a ready engine answers."},
	{.key = "loading", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = loading_fields, .doc = "How one that still loads answers."},
	{.key = "refused", .type = SCHEMA_ENUM, .choices = refusals, .doc = "What it means that nothing listens yet; loading where it is not said."},
	{0},
};
static const struct schema_field identity_fields[] = {
	{.key = "path", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Asked by GET."},
	{.key = "name_at", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Path in the answer where the served name stands."},
	{0},
};
static const struct schema_field warmup_fields[] = {
	{.key = "path", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Asked by POST, in OpenAI's form."},
	{.key = "max_tokens", .type = SCHEMA_INT, .fallback = "1", .min = 1, .max = 64, .doc = "Tokens that are asked for."},
	{0},
};
static const struct schema_field probes_fields[] = {
	{.key = "liveness", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = liveness_fields, .doc = "Does it answer at all?"},
	{.key = "readiness", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .choices = completion_only, .fields = readiness_fields,
	 .doc = "Is the model loaded? completion_only: no answer but a real token tells."},
	{.key = "identity", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = identity_fields, .doc = "Is it the one that was asked for?"},
	{.key = "warmup", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = warmup_fields, .doc = "One real token."},
	{0},
};

static const char *const metric_formats[] = {"prometheus", "json", NULL};
static const struct schema_field metrics_fields[] = {
	{.key = "path", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Asked by GET."},
	{.key = "format", .type = SCHEMA_ENUM, .fallback = "prometheus", .choices = metric_formats, .doc = "Form of the answer."},
	{.key = "enabled_by", .type = SCHEMA_STRING, .flags = SCHEMA_EMPTY, .fallback = "''", .doc = "What switches them on, where they are not on by default."},
	{.key = "names", .type = SCHEMA_MAP, .fallback = "{}", .element = &text, .max = 64, .doc = "Our words and the engine's."},
	{0},
};

static const struct schema_field estimate_fields[] = {
	{.key = "args", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &any_text, .min = 1, .max = 16, .doc = "Added to the arguments of a release."},
	{.key = "row", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Regular expression of a line: device, then MiB of model, context and compute."},
	{.key = "done", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "What the log says when all of it is there."},
	{0},
};
static const struct schema_field logs_fields[] = {
	{.key = "fatal", .type = SCHEMA_LIST, .fallback = "[]", .max = 64, .doc = "Texts of a start that has failed."},
	{.key = "oom", .type = SCHEMA_LIST, .fallback = "[]", .max = 64, .doc = "Texts of an engine without memory."},
	{.key = "buffers", .type = SCHEMA_STRING, .flags = SCHEMA_EMPTY, .fallback = "''", .doc = "Regular expression of a buffer's line: backend, kind, MiB."},
	{.key = "estimate", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = estimate_fields, .doc = "How the engine says what it would take, before it takes it."},
	{0},
};

#define WIDTH(name) {.key = name, .type = SCHEMA_INT, .fallback = "0", .max = 1000, .doc = "Times this width of the model."}

static const struct schema_field sum_fields[] = {
	WIDTH("embedding"), WIDTH("feed_forward"), WIDTH("query"), WIDTH("kv"), WIDTH("rotated"), WIDTH("experts_inner"),
	WIDTH("experts_output"), WIDTH("per_layer"), WIDTH("convolution"), WIDTH("inner"), WIDTH("index_query"), WIDTH("selected"),
	{.key = "states", .type = SCHEMA_INT, .fallback = "0", .max = 1000, .doc = "Times the states of one recurrent layer, once a batch."},
	{0},
};
static const struct schema_field sum = {.type = SCHEMA_OBJECT, .fields = sum_fields};
static const struct schema_field family_fields[] = {
	{.key = "architectures", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .min = 1, .max = 64, .doc = "As the model's file names them."},
	{.key = "sums", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &sum, .min = 1, .max = 8, .doc = "In place of the common ones."},
	{.key = "cell_bytes", .type = SCHEMA_INT, .fallback = "0", .max = 1024, .doc = "In place of the common ones; 0: those."},
	{0},
};
static const struct schema_field family = {.type = SCHEMA_OBJECT, .fields = family_fields};
static const struct schema_field compute_fields[] = {
	{.key = "sums", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &sum, .min = 1, .max = 8, .doc = "Numbers a token of a batch; the largest counts."},
	{.key = "families", .type = SCHEMA_LIST, .fallback = "[]", .element = &family, .max = 8, .doc = "Architectures with sums of their own."},
	{.key = "cell_bytes", .type = SCHEMA_INT, .fallback = "0", .max = 1024, .doc = "Bytes for each token of a batch and of a context."},
	{.key = "token_bytes", .type = SCHEMA_INT, .fallback = "0", .max = 1 << 20, .doc = "Bytes for each token of a batch."},
	{.key = "number_bytes", .type = SCHEMA_INT, .fallback = "4", .min = 1, .max = 8, .doc = "Bytes of a number of the sums."},
	{0},
};
static const struct schema_field overhead_fields[] = {
	{.key = "base", .type = SCHEMA_BYTES, .fallback = "0B", .max = MAX_BYTES, .doc = "Of the process."},
	{.key = "sequence", .type = SCHEMA_BYTES, .fallback = "0B", .max = MAX_BYTES, .doc = "Of each sequence."},
	{.key = "vocabulary_entry", .type = SCHEMA_BYTES, .fallback = "0B", .max = 1 << 20, .doc = "Of each entry of the vocabulary."},
	{0},
};
static const char *const memory_models[] = {"llama_cpp", "paged_fraction_of_total", "paged_fraction_of_free", "unified", NULL};
static const struct schema_field memory_fields[] = {
	{.key = "model", .type = SCHEMA_ENUM, .fallback = "llama_cpp", .choices = memory_models,
	 .doc = "How the engine takes memory: as much as it needs (llama_cpp, unified), or a fraction of the device, with the KV cache in pages."},
	{.key = "fraction", .type = SCHEMA_FRACTION, .fallback = "0.90", .min = 1, .max = 100,
	 .doc = "What an engine with pages takes: of the device, or of what the weights leave free."},
	{.key = "block_tokens", .type = SCHEMA_INT, .fallback = "16", .min = 1, .max = 65536, .doc = "Tokens of a page."},
	{.key = "fragmentation", .type = SCHEMA_FRACTION, .fallback = "0", .max = 100, .doc = "Memory lost between allocations, of KV cache and buffers."},
	{.key = "one_pool", .type = SCHEMA_BOOL, .fallback = "false", .doc = "Whether all sequences share one pool of cells."},
	{.key = "window_multiple", .type = SCHEMA_INT, .fallback = "1", .min = 1, .max = 65536, .doc = "Tokens that the cells of a sliding window are rounded up to."},
	{.key = "rotates_quantized", .type = SCHEMA_BOOL, .fallback = "false",
	 .doc = "Whether a quantized KV cache needs a rotation matrix for keys and one for values."},
	{.key = "host_embeddings", .type = SCHEMA_BOOL, .fallback = "false",
	 .doc = "Whether the embedding tables that are read by row stay with the host when a device computes."},
	{.key = "context_multiple", .type = SCHEMA_INT, .fallback = "1", .min = 1, .max = 65536, .doc = "Tokens that a context is rounded up to."},
	{.key = "batch_tokens", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 1, .max = 1 << 20, .doc = "Tokens of a batch that is computed at once."},
	{.key = "batch_args", .type = SCHEMA_LIST, .fallback = "[]", .max = 8, .doc = "Extra arguments that change it."},
	{.key = "compute", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = compute_fields, .doc = "The compute buffer."},
	{.key = "output_bytes", .type = SCHEMA_INT, .fallback = "4", .max = 1024, .doc = "Bytes for each sequence and entry of the vocabulary."},
	{.key = "overhead", .type = SCHEMA_OBJECT, .fields = overhead_fields, .doc = "Memory of the process beside all that."},
	{0},
};

static const struct schema_field sparsity_fields[] = {
	{.key = "executes", .type = SCHEMA_LIST, .fallback = "[]", .max = 16, .doc = "Patterns whose zeros it skips (2:4); every other checkpoint counts as dense."},
	{0},
};

static const struct schema_field suite_fields[] = {
	{.key = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Suite or codename: testing."},
	{.key = "components", .type = SCHEMA_LIST, .fallback = "[main]", .max = 16, .doc = "main, contrib, ..."},
	{.key = "archive", .type = SCHEMA_STRING, .fallback = "debian", .doc = "Kind of mirror."},
	{0},
};
static const struct schema_field root_fields[] = {
	{.key = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "The package."},
	{.key = "layer", .type = SCHEMA_NAME, .fallback = "base", .doc = "Layer of the image that it goes to."},
	{.key = "files", .type = SCHEMA_LIST, .max = 256, .doc = "Only these paths of it; a folder ends with a slash."},
	{0},
};
static const struct schema_field exclude_fields[] = {
	{.key = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "The package that is left out."},
	{.key = "reason", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Why that is right."},
	{0},
};
static const struct schema_field prefer_fields[] = {
	{.key = "virtual", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "A virtual package."},
	{.key = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "The package that shall provide it."},
	{0},
};
static const struct schema_field suite = {.type = SCHEMA_OBJECT, .fields = suite_fields};
static const struct schema_field root = {.type = SCHEMA_OBJECT, .fields = root_fields};
static const struct schema_field exclude = {.type = SCHEMA_OBJECT, .fields = exclude_fields};
static const struct schema_field prefer = {.type = SCHEMA_OBJECT, .fields = prefer_fields};
static const struct schema_field layer = {.type = SCHEMA_NAME};

#define REQUEST                                                                                                                        \
	{.key = "suites", .type = SCHEMA_LIST, .fallback = "[]", .element = &suite, .max = 16, .doc = "Where packages are taken from, in order."}, \
	{.key = "roots", .type = SCHEMA_LIST, .fallback = "[]", .element = &root, .max = 256, .doc = "Packages to have."},	       \
	{.key = "excludes", .type = SCHEMA_LIST, .fallback = "[]", .element = &exclude, .max = 256, .doc = "Packages to leave out."},  \
	{.key = "prefer", .type = SCHEMA_LIST, .fallback = "[]", .element = &prefer, .max = 64, .doc = "Choices among providers."},    \
	{.key = "layers", .type = SCHEMA_MAP, .fallback = "{}", .element = &layer, .max = 256, .doc = "Layers of packages that are no roots."}

static const struct schema_field request_fields[] = {REQUEST, {0}};
static const struct schema_field request = {.type = SCHEMA_OBJECT, .fields = request_fields};
static const struct schema_field packages_fields[] = {
	REQUEST,
	{.key = "backends", .type = SCHEMA_MAP, .flags = SCHEMA_REQUIRED, .element = &request, .max = 8, .doc = "What each backend adds."},
	{0},
};

static const char *const layouts[] = {"file", "directory", "store", NULL};
static const char *const formats[] = {"gguf", "safetensors", "mlx", NULL};
static const struct schema_field format = {.type = SCHEMA_ENUM, .choices = formats};
static const struct schema_field quantization = {.type = SCHEMA_NAME};
static const struct schema_field artifacts_fields[] = {
	{.key = "format", .type = SCHEMA_ONE_OR_LIST, .flags = SCHEMA_REQUIRED, .element = &format, .max = 4, .doc = "Formats of a model that it reads; the first is the usual one."},
	{.key = "layout", .type = SCHEMA_ENUM, .fallback = "file", .choices = layouts, .doc = "What it is given: a file, a directory, or a name in a store of its own."},
	{.key = "architectures", .type = SCHEMA_LIST, .fallback = "[]", .element = &any_text, .max = 1024,
	 .doc = "Architectures of a model that it loads, as the file names them; none named: it is not known which."},
	{.key = "quantizations", .type = SCHEMA_LIST, .fallback = "[]", .element = &quantization, .max = 32, .doc = "Quantizations of weights that it reads; none named: all of its format."},
	{.key = "adapter", .type = SCHEMA_STRING, .flags = SCHEMA_EMPTY, .fallback = "''", .doc = "Kind of adapter that it takes."},
	{.key = "folder", .type = SCHEMA_STRING, .fallback = "/models", .doc = "Where the container has them."},
	{0},
};

static const char *const auths[] = {"none", "bearer", "partial", NULL};
static const char *const model_names[] = {"name", "omit", NULL};
static const struct schema_field openai_fields[] = {
	{.key = "base", .type = SCHEMA_STRING, .fallback = "/v1", .doc = "Path before every endpoint."},
	{.key = "endpoints", .type = SCHEMA_LIST, .fallback = "[]", .max = 32, .doc = "What it answers, without the base."},
	{.key = "auth", .type = SCHEMA_ENUM, .fallback = "none", .choices = auths, .doc = "Whether it can ask for a key: nowhere, everywhere, or only on some paths."},
	{.key = "model_field", .type = SCHEMA_ENUM, .fallback = "name", .choices = model_names, .doc = "Whether a request names the route, or must leave the model out."},
	{.key = "unsupported_fields", .type = SCHEMA_LIST, .fallback = "[]", .max = 32, .doc = "Fields of a request that it ignores or refuses."},
	{0},
};

static const char *const statuses[] = {"verified", "unverified", NULL};
static const struct schema_field source_fields[] = {
	{.key = "fact", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "What of this file it is the source of."},
	{.key = "source", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Where it stands: an address, an issue, a file at a commit, or what was measured."},
	{.key = "status", .type = SCHEMA_ENUM, .fallback = "verified", .choices = statuses, .doc = "unverified: nobody has seen it, the definition only assumes it."},
	{0},
};
static const struct schema_field source = {.type = SCHEMA_OBJECT, .fields = source_fields};
static const struct schema_field command_words = {.type = SCHEMA_LIST, .element = &any_text, .min = 1, .max = 64};

static const char *const versions[] = {"llmdeploy/v1", NULL};
static const char *const kinds[] = {"Runtime", NULL};
static const char *const launches[] = {"packages", "image", "host", NULL};
static const struct schema_field capability = {.type = SCHEMA_ENUM, .choices = capability_names};

const struct schema_field runtime_table[] = {
	{.key = "apiVersion", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = versions, .doc = "Version of this format."},
	{.key = "kind", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = kinds, .doc = "What the file is."},
	{.key = "name", .type = SCHEMA_NAME, .flags = SCHEMA_REQUIRED, .doc = "The name of its folder, and of the runtime in a manifest."},
	{.key = "checked", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Version of the engine that the facts were checked with."},
	{.key = "launch", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = launches, .doc = "How it gets to run."},
	{.key = "version_of", .type = SCHEMA_STRING, .flags = SCHEMA_EMPTY, .fallback = "''", .doc = "Package whose version is the engine's."},
	{.key = "command", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &any_text, .min = 1, .max = 64, .doc = "The words before all arguments."},
	{.key = "before", .type = SCHEMA_LIST, .fallback = "[]", .element = &command_words, .max = 8, .doc = "Commands that run before it, one after the other."},
	{.key = "capabilities", .type = SCHEMA_LIST, .fallback = "[]", .element = &capability, .max = 64, .doc = "What a manifest may require of it."},
	{.key = "artifacts", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = artifacts_fields, .doc = "Files that it reads."},
	{.key = "flags", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = flags_fields, .doc = "Each setting as a flag, or unsupported."},
	{.key = "fixed_args", .type = SCHEMA_LIST, .fallback = "[]", .element = &any_text, .max = 64, .doc = "Arguments of every release."},
	{.key = "backends", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = backends_fields, .doc = "What it can compute on."},
	{.key = "allow_extra", .type = SCHEMA_LIST, .fallback = "[]", .element = &extra, .max = 128, .doc = "Flags that a manifest may add."},
	{.key = "container", .type = SCHEMA_OBJECT, .fields = container_fields, .doc = "The container around it."},
	{.key = "openai", .type = SCHEMA_OBJECT, .fields = openai_fields, .doc = "Its OpenAI-compatible API."},
	{.key = "probes", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = probes_fields, .doc = "How to see that it is ready."},
	{.key = "metrics", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = metrics_fields, .doc = "Its metrics."},
	{.key = "logs", .type = SCHEMA_OBJECT, .fields = logs_fields, .doc = "What to find in its log."},
	{.key = "memory", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = memory_fields, .doc = "What it takes of memory beside weights and KV cache."},
	{.key = "sparsity", .type = SCHEMA_OBJECT, .fields = sparsity_fields, .doc = "What it gains from a pruned checkpoint."},
	{.key = "sources", .type = SCHEMA_LIST, .fallback = "[]", .element = &source, .max = 64, .doc = "Where the facts of this file are from."},
	{.key = "packages", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = packages_fields, .doc = "What `runtime lock` resolves."},
	{0},
};

static const char *const gateway_kinds[] = {"Gateway", NULL};

const struct schema_field runtime_gateway_table[] = {
	{.key = "apiVersion", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = versions, .doc = "Version of this format."},
	{.key = "kind", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = gateway_kinds, .doc = "What the file is."},
	{.key = "name", .type = SCHEMA_NAME, .flags = SCHEMA_REQUIRED, .doc = "The name of its folder."},
	{.key = "version_of", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Package whose version is the program's."},
	{.key = "command", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &any_text, .min = 1, .max = 64, .doc = "The words before all arguments."},
	{.key = "packages", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = packages_fields, .doc = "What `runtime lock` resolves."},
	{0},
};
