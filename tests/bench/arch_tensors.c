/* SPDX-License-Identifier: Apache-2.0 */
/* arch_tensors FILE...: which tensors the runtime's own loader wants for the keys of each GGUF
 * file, a line each: NAME and four dimensions. To be run where libllama.so.0 is: in the image of a
 * release. The library makes the model from the keys alone (llama_model_init_from_user); a file
 * that it refuses, or on which it ends itself, is said so and costs no other. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* More than llama_model_params has: it is passed on as it came. */
struct params {
	char bytes[512];
};
struct init {
	bool no_alloc;
	void *context;
};

static void *library(const char *name) {
	void *l = dlopen(name, RTLD_NOW | RTLD_GLOBAL);

	if (!l) {
		(void) fprintf(stderr, "arch_tensors: %s\n", dlerror());
		exit(1);
	}
	return l;
}

static void *symbol(void *l, const char *name) {
	void *s = dlsym(l, name);

	if (!s) {
		(void) fprintf(stderr, "arch_tensors: there is no '%s'\n", name);
		exit(1);
	}
	return s;
}

static const char *(*name_of)(const void *);

/* ggml_tensor begins with its type, its buffer and its four dimensions. */
static void tell(void *tensor, void *ctx) {
	const int64_t *dims = (const int64_t *) ((const char *) tensor + 16);

	(void) ctx;
	printf("tensor %s %lld %lld %lld %lld\n", name_of(tensor), (long long) dims[0],
	       (long long) dims[1], (long long) dims[2], (long long) dims[3]);
}

static void silent(int level, const char *text, void *ctx) {
	(void) ctx;
	if (level >= 4) /* GGML_LOG_LEVEL_ERROR */
		(void) fputs(text, stderr);
}

static void one(void *base, void *llama, const char *path) {
	void *(*read)(const char *, struct init), *(*empty)(void),
		*(*make)(void *, void (*)(void *, void *), void *, struct params);
	void (*copy)(void *, const void *);
	struct params (*defaults)(void);

	*(void **) &read = symbol(base, "gguf_init_from_file");
	*(void **) &empty = symbol(base, "gguf_init_empty");
	*(void **) &copy = symbol(base, "gguf_set_kv");
	*(void **) &make = symbol(llama, "llama_model_init_from_user");
	*(void **) &defaults = symbol(llama, "llama_model_default_params");
	void *file = read(path, (struct init){.no_alloc = true}), *keys = empty();

	if (!file)
		_exit(1);
	copy(keys, file);
	void *model = make(keys, tell, NULL, defaults());
	(void) fflush(stdout);
	_exit(model ? 0 : 1);
}

int main(int argc, char **argv) {
	void *base = library("libggml-base.so.0"), *ggml = library("libggml.so.0"),
	     *llama = library("libllama.so.0");
	void (*log_set)(void (*)(int, const char *, void *), void *), (*load_all)(void);

	*(void **) &name_of = symbol(base, "ggml_get_name");
	*(void **) &log_set = symbol(llama, "llama_log_set");
	*(void **) &load_all = symbol(ggml, "ggml_backend_load_all");
	log_set(silent, NULL);
	load_all();
	for (int i = 1; i < argc; i++) {
		int status = 0;

		printf("file %s\n", argv[i]);
		(void) fflush(stdout);
		pid_t child = fork();
		if (!child)
			one(base, llama, argv[i]);
		if (child < 0 || waitpid(child, &status, 0) != child)
			return 1;
		printf("end %d\n", status);
	}
	return 0;
}
