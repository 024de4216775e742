/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/table.h"

#include "capability/capability.h"
#include "runtime/table_internal.h"

/* Smaller tables first; the file itself stands at the end. */

#define MAX_BYTES ((int64_t) 1 << 46)

static const struct schema_field text = {.type = SCHEMA_STRING};
static const struct schema_field any_text = {.type = SCHEMA_STRING, .flags = SCHEMA_EMPTY};
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
	{.key = "probes", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = runtime_probes_fields, .doc = "How to see that it is ready."},
	{.key = "metrics", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = runtime_metrics_fields, .doc = "Its metrics."},
	{.key = "logs", .type = SCHEMA_OBJECT, .fields = runtime_logs_fields, .doc = "What to find in its log."},
	{.key = "memory", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = runtime_memory_fields, .doc = "What it takes of memory beside weights and KV cache."},
	{.key = "sparsity", .type = SCHEMA_OBJECT, .fields = runtime_sparsity_fields, .doc = "What it gains from a pruned checkpoint."},
	{.key = "sources", .type = SCHEMA_LIST, .fallback = "[]", .element = &source, .max = 64, .doc = "Where the facts of this file are from."},
	{.key = "packages", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = runtime_packages_fields, .doc = "What `runtime lock` resolves."},
	{0},
};

static const char *const gateway_kinds[] = {"Gateway", NULL};

const struct schema_field runtime_gateway_table[] = {
	{.key = "apiVersion", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = versions, .doc = "Version of this format."},
	{.key = "kind", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = gateway_kinds, .doc = "What the file is."},
	{.key = "name", .type = SCHEMA_NAME, .flags = SCHEMA_REQUIRED, .doc = "The name of its folder."},
	{.key = "version_of", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Package whose version is the program's."},
	{.key = "command", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &any_text, .min = 1, .max = 64, .doc = "The words before all arguments."},
	{.key = "packages", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = runtime_packages_fields, .doc = "What `runtime lock` resolves."},
	{0},
};
