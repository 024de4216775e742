/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/hub.h"
#include "model/model.h"

struct args;
struct err;

/* What a repository of the hub, a folder or a file offers as a model: which files, how much each
 * would take here, how fast it could be, and which are worth a try. */
struct offer_row {
	const struct hub_model *model;
	/* "hf://ORG/REPO@COMMIT/FILE" or "file:/PATH", readable from anywhere */
	char *source;
	char sha256[65];          /* "": not known yet, or there is none */
	struct model_facts facts; /* of its header, or scaled from another one's */
	bool read;                /* its own header was read */
	bool usable;              /* can be deployed, as far as it is known */
	char *why;                /* why it is not; NULL */
	bool is_planned, fits;
	uint64_t planned, ceiling_milli; /* ceiling: 0 where the bandwidth is not known */
	bool picked;
	char name[64]; /* of the candidate */
};

struct offer {
	const char *said;           /* as the user named it; borrowed */
	struct hub_address address; /* of a repository; repo NULL: local */
	struct hub_repo repo;
	struct hub_model *models;
	struct offer_row *rows; /* one for each of the models */
	size_t n, picks[HUB_PICKS], n_picks;
	char *folder;           /* of local files, absolute */
	uint64_t usable_bytes;  /* of the place that was planned for; 0: not known */
	uint64_t measured;      /* bytes a second, measured for this offer alone; 0: it was not */
	int64_t context_tokens; /* what was planned with, and the manifest gets */
	bool named;             /* one file was named */
	bool none_fits;
};

#define OFFER_SEQUENCES 2

void offer_done(struct offer *o);
/* Lists, reads headers, plans, picks. ERR_USAGE: a source of another kind; ERR_SPEC: nothing there
 * that a runtime could run here, by what there is; ERR_UNREACHABLE: as hub_list. */
int offer_read(struct args *a, const char *said, struct offer *o, struct err *e);
/* Digests of the picked files where they are not known: files of this machine are read. */
int offer_digests(struct args *a, struct offer *o, struct err *e);
