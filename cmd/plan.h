#pragma once

struct json;
struct report;

/* A plan's document as people read it: a picture where it is a terminal, short tables, lines. */
void plan_show(struct report *r, const struct json *document);
