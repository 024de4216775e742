/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct http;

/* What a model repository has: files with sizes and digests, by the API of huggingface.co (or
 * $HF_ENDPOINT, with $HF_TOKEN):
 *     GET /api/models/ORG/REPO/revision/REVISION             "sha": the commit; "gated"; "tags"
 *     GET /api/models/ORG/REPO/tree/COMMIT?recursive=true    pages, each with a Link to the next
 * Of a file in Git LFS the API says its SHA-256; a plain file has none there. Nothing is
 * downloaded. */

/* "hf://ORG/REPO[@REVISION][/FILE]", its parts; yours. */
struct hub_address {
	char *repo;     /* "ORG/REPO" */
	char *revision; /* branch, tag or commit; NULL: not said */
	char *file;     /* NULL: not said */
};
/* ERR_USAGE: not of that form. */
int hub_address_parse(const char *text, struct hub_address *out, struct err *e);
void hub_address_done(struct hub_address *a);
/* 40 lower-case hex digits: a commit, which never changes. */
bool hub_is_commit(const char *revision);

struct hub_file {
	char *path; /* in the repository; of a folder of this machine a file's name */
	uint64_t size;
	char sha256[65]; /* "": not known */
};

struct hub_repo {
	/* "ORG/REPO" as the hub has it now, which may be another than was asked for; NULL of a
	 * folder of this machine */
	char *name;
	char commit[41];        /* "" of a folder of this machine */
	char license[48];       /* of the tags, "" where nothing says so */
	struct hub_file *files; /* by path */
	size_t n;
};
void hub_repo_done(struct hub_repo *r);

/* Everything in the repository at a revision (NULL: "main"). Passing faults and rate limits are
 * waited for, 30 s at most. ERR_UNREACHABLE: the hub is down, refuses (gated, private, no such
 * repository or revision), or is no hub. */
int hub_list(struct http *http, const char *repo, const char *revision, struct hub_repo *out,
	     struct err *e);
/* The files of a folder, without their digests. */
int hub_list_folder(const char *path, struct hub_repo *out, struct err *e);
const struct hub_file *hub_find(const struct hub_repo *r, const char *path); /* NULL: not there */

/* ---- what the files are (files.c) ---- */

/* By names alone: what a file is in truth its header says. */
enum hub_kind {
	HUB_MODEL,   /* a GGUF file, whole */
	HUB_SPLIT,   /* a GGUF model in parts */
	HUB_MMPROJ,  /* projector of a model that sees or hears */
	HUB_IMATRIX, /* how important which weights are: for quantizing */
	HUB_SAFETENSORS,
	HUB_OTHER,
};

struct hub_model {
	enum hub_kind kind;
	const struct hub_file *file; /* of parts the first that is there; borrowed */
	uint64_t bytes;              /* of all parts */
	unsigned parts, promised;    /* there, and by the names; 1 and 1: one file */
	char label[24];              /* "Q4_K_M", as its name has it; "": none */
	unsigned bits;               /* of a weight by the label; 0: not known */
};

/* One row a model, the smallest first; of other kinds one row a file. At most `repo->n` rows; yours
 * to free(). */
struct hub_model *hub_models(const struct hub_repo *repo, size_t *n);
/* "model", "split model", "projector", "importance matrix", "safetensors", "other" */
const char *hub_kind_name(enum hub_kind k);

/* The quantizations to try: the best known of 4, 5, 6 and 8 bits; where there is none of these, of
 * 3, then 16 and 32, then what has no label, then 2 and 1. Only rows that are `usable` are taken.
 * Indices into `list`, the smallest first; at most HUB_PICKS. */
enum { HUB_PICKS = 4 };
size_t hub_pick(const struct hub_model *list, size_t n, const bool *usable,
		size_t picks[HUB_PICKS]);
