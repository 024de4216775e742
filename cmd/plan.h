/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct args;
struct context;
struct err;
struct json;
struct lockfile;
struct report;
struct size_measured;
struct spec;

/* "runtimes" of the document: which runtimes could serve what is asked for, and why the others
 * cannot. */
int plan_runtimes(const struct args *a, const struct spec *s, struct json *document, struct err *e);
/* The plan of a lockfile, which is planned already: what an apply of it would change. */
int plan_of_lockfile(struct args *a, const struct lockfile *l, struct err *e);
/* A plan's document as people read it: a picture where it is a terminal, short tables, lines. */
void plan_show(struct report *r, const struct json *document);
/* changes.list of a document, a line for each field that differs; what is an object or a list is
 * gone through. */
void plan_show_changes(struct report *r, const struct json *list);

/* plan --estimate: the runtime's own number, asked of its image; for the document's "estimate".
 * *measured is what a plan can be made with. */
int plan_estimate(struct args *a, struct context *c, const struct spec *s, struct json **estimate,
		  struct size_measured *measured, struct err *e);
void plan_show_estimate(struct report *r, const struct json *estimate);
