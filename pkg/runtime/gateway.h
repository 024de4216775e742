/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct diagnostics;
struct err;
struct json;

/* The program in front of the routes, described as data in runtimes/NAME/gateway.yaml. It is no LLM
 * server: the name of its file keeps it out of runtime_find and runtime_list. Everything is
 * borrowed from the struct. */
struct runtime_gateway {
	const char *path;              /* of the file */
	const char *name, *version_of; /* the package whose version is the program's */
	const char *const *command;
	size_t n_command;
	/* request for debian_request_from_json; its one backend is "cpu" */
	const struct json *packages;
};

#define RUNTIME_GATEWAY "haproxy"
#define RUNTIME_GATEWAY_BACKEND "cpu"

/* The first of `dirs` that has NAME/gateway.yaml; yours. *dir NULL: none. */
void runtime_gateway_find(const char *const *dirs, size_t n_dirs, const char *name, char **dir);
/* Reads DIR/gateway.yaml, as runtime_load. */
int runtime_gateway_load(const char *dir, struct runtime_gateway **out, struct diagnostics *c,
			 struct err *e);
void runtime_gateway_free(struct runtime_gateway *g);
void runtime_gateway_freep(struct runtime_gateway **g); /* for CLEANUP */
