/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "fs/step.h"
#include "root/root.h"
#include "json/json.h"

enum { STATE_CAP = 16 << 20, TEXT_CAP = 32 << 20, LOCK_WAIT_MS = 60000 };

static const char slot_names[] = "ab";

int persist_lock(const struct gateway *g, int *fd, struct err *e) {
	char *holder CLEANUP(freep) = root_holder("gateway");

	return fs_file_lock(g->h.dir, "lock", holder, LOCK_WAIT_MS, fd, e) ? err_wrap(e, "gateway")
									   : 0;
}

int persist_state(const struct gateway *g, struct gateway_state **out, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(STATE_CAP);
	bool found;

	if (fs_read_if(g->h.dir, "state", &text, &found, e))
		return err_wrap(e, "gateway");
	if (found)
		return gateway_state_parse(buf_str(&text), text.len, out, e);
	*out = gateway_state_new();
	return 0;
}

/* How HAProxy is to be told of the operator's files. */
static struct haproxy_paths paths_with(const struct staged *f) {
	struct haproxy_paths paths = HAPROXY_PATHS;

	paths.missing = f->missing;
	return paths;
}

int persist_digest_of(const struct gateway_state *s, const struct staged *f,
		      char digest[SHA256_HEX], struct err *e) {
	struct gateway_state *bare CLEANUP(gateway_state_freep) = gateway_state_copy(s);
	struct haproxy_texts texts CLEANUP(haproxy_texts_done) = {0};
	struct buf all CLEANUP(buf_done) = BUF_INIT(TEXT_CAP);
	const struct haproxy_paths paths = paths_with(f);
	char content[SHA256_HEX];

	for (size_t i = 0; i < gateway_state_count(bare); i++) {
		struct haproxy_route *r = gateway_state_at(bare, i);
		haproxy_slot_clear(&r->slots[0]);
		haproxy_slot_clear(&r->slots[1]);
		r->canary_percent = 0;
	}
	if (haproxy_render(gateway_state_routes(bare), &paths, &texts, e))
		return -1;
	for (size_t i = 0; i < HAPROXY_TEXTS; i++)
		(void) buf_add(&all, texts.files[i].bytes, texts.files[i].n);
	for (size_t i = 0; i < f->n; i++) {
		sha256_of(buf_str(&f->at[i].bytes), f->at[i].bytes.len, content);
		(void) buf_printf(&all, "%s %s\n", f->at[i].name, content);
	}
	if (all.cut)
		return err_set(e, ERR_SYS, "the gateway's configuration is larger than %d bytes",
			       TEXT_CAP);
	sha256_of(buf_str(&all), all.len, digest);
	return 0;
}

int persist_digest(const struct gateway *g, const struct gateway_state *s, char digest[SHA256_HEX],
		   struct err *e) {
	struct staged f CLEANUP(staged_done) = {0};

	staged_read(g, s, STAGED_FRESH_FIRST, &f);
	return persist_digest_of(s, &f, digest, e);
}

/* Written only where it differs: *differed says so. */
static int put(const struct gateway *g, enum effect as, const char *name, const char *bytes,
	       size_t n, bool *differed, struct err *e) {
	struct buf old CLEANUP(buf_done) = BUF_INIT(TEXT_CAP);
	bool found;

	if (fs_read_if(g->h.dir, name, &old, &found, e))
		return err_wrap(e, "gateway");
	*differed = !found || old.len != n || memcmp(buf_str(&old), bytes, n) != 0;
	return *differed && fs_write(as, g->h.dir, name, bytes, n, 0644, e) ? err_wrap(e, "gateway")
									    : 0;
}

#define MARK "# of a state with the digest "

/* Design: of a change that was cut off between the state and its texts, the configuration says
 * another state: then it is finished, and nobody edited anything. */
static int render(const struct gateway_state *s, const struct staged *f,
		  struct haproxy_texts *texts, char mark[SHA256_HEX], struct err *e) {
	struct buf state CLEANUP(buf_done) = BUF_INIT(STATE_CAP);
	const struct haproxy_paths paths = paths_with(f);
	struct haproxy_text *cfg = &texts->files[HAPROXY_TEXTS - 1];

	if (haproxy_render(gateway_state_routes(s), &paths, texts, e))
		return -1;
	gateway_state_print(s, &state);
	sha256_of(buf_str(&state), state.len, mark);
	char *text = mem_printf("%s" MARK "%s\n", cfg->bytes, mark);
	free(cfg->bytes);
	cfg->bytes = text;
	cfg->n = strlen(text);
	return 0;
}

/* What a process has that no text of the routes says. */
static void process_text(const char *digest, struct buf *text) {
	(void) buf_printf(text,
			  "# Written by llmdeploy beside haproxy.cfg, which says all the rest.\n"
			  "global\n"
			  "\tnoreuseport # a port that is another's is a fault, and never shared\n"
			  "\tdescription %s # what this process was loaded with\n",
			  digest);
}

static void compare(const struct gateway *g, const char *name, const char *bytes, size_t n,
		    gateway_found *found, void *ctx) {
	struct buf have CLEANUP(buf_done) = BUF_INIT(TEXT_CAP);
	char *what CLEANUP(freep) = mem_printf("gateway/%s", name);
	struct err unread = {0};
	bool there = false;

	if (fs_read_if(g->h.dir, name, &have, &there, &unread))
		found(ctx, what, "as gateway/state says", unread.msg);
	else if (!there || have.len != n || memcmp(buf_str(&have), bytes, n) != 0)
		found(ctx, what, "as gateway/state says", there ? "edited" : "nothing");
}

static void compare_link(const struct gateway *g, const struct haproxy_route *r, int slot,
			 gateway_found *found, void *ctx) {
	char *path CLEANUP(freep) = mem_printf("run/routes/%s/%c.sock", r->name, slot_names[slot]),
		   *now CLEANUP(freep) = NULL;
	char *target CLEANUP(freep) = *r->slots[slot].id
		? mem_printf("../../%s/engine.sock", r->slots[slot].id)
		: mem_strdup("nothing");
	struct err no_link = {0};

	if (fs_readlink(g->o.root->fd, path, &now, &no_link))
		found(ctx, path, target, no_link.msg);
	else if (strcmp(now ? now : "nothing", target))
		found(ctx, path, target, now ? now : "nothing");
}

int persist_compare(const struct gateway *g, const struct gateway_state *s, const char *route,
		    gateway_found *found, void *ctx, struct err *e) {
	struct haproxy_texts texts CLEANUP(haproxy_texts_done) = {0};
	struct buf process CLEANUP(buf_done) = BUF_INIT(4096);
	struct staged f CLEANUP(staged_done) = {0};
	char mark[SHA256_HEX], digest[SHA256_HEX];

	staged_read(g, s, STAGED_FRESH_FIRST, &f);
	if (render(s, &f, &texts, mark, e) ||
	    persist_digest_of(s, &f, digest, e))
		return -1;
	process_text(digest, &process);
	for (size_t i = 0; i < HAPROXY_TEXTS; i++)
		compare(g, texts.files[i].name, texts.files[i].bytes, texts.files[i].n, found, ctx);
	compare(g, "process.cfg", buf_str(&process), process.len, found, ctx);
	persist_links(g, s, route, found, ctx);
	return 0;
}

static int put_in(const struct gateway *g, const char *folder, const char *name, const char *bytes,
		  size_t n, bool *differed, struct err *e) {
	char *path CLEANUP(freep) = mem_printf("%s%s", folder, name);

	return put(g, EFFECT_GATEWAY_CONFIG, path, bytes, n, differed, e);
}

/* It comes last: a digest is never ahead of what it stands for. */
static int put_process(const struct gateway *g, const char *folder, const char *digest,
		       bool *differed, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(4096);

	process_text(digest, &text);
	return put_in(g, folder, "process.cfg", buf_str(&text), text.len, differed, e);
}

static int put_texts(const struct gateway *g, const char *folder, const struct haproxy_texts *texts,
		     bool *any, struct err *e) {
	bool differed;

	for (size_t i = 0; i < HAPROXY_TEXTS; i++) {
		if (put_in(g, folder, texts->files[i].name, texts->files[i].bytes,
			   texts->files[i].n, &differed, e))
			return -1;
		*any = *any || differed;
	}
	return 0;
}

int persist_lay_out(const struct gateway *g, const struct gateway_state *s, const struct staged *f,
		    const char *folder, struct err *e) {
	struct haproxy_texts texts CLEANUP(haproxy_texts_done) = {0};
	char mark[SHA256_HEX], digest[SHA256_HEX];
	bool any = false;

	if (render(s, f, &texts, mark, e) ||
	    persist_digest_of(s, f, digest, e))
		return -1;
	if (put_texts(g, folder, &texts, &any, e))
		return -1;
	return put_process(g, folder, digest, &any, e);
}

static int save(const struct gateway *g, const struct gateway_state *s, const struct staged *f,
		const char *digest, bool *repaired, struct err *e) {
	struct haproxy_texts texts CLEANUP(haproxy_texts_done) = {0};
	struct buf state CLEANUP(buf_done) = BUF_INIT(STATE_CAP);
	bool state_differed, differed, torn, any = false;
	char mark[SHA256_HEX];

	/* 1. It can be rendered. 2. What it reads. 3. What should be. 4. What follows from it. */
	if (gateway_state_check(s, e) ||
	    render(s, f, &texts, mark, e) ||
	    persist_torn(g, s, &torn, e))
		return -1;
	if (staged_put(g, "", f, e))
		return -1;
	gateway_state_print(s, &state);
	if (put(g, EFFECT_GATEWAY_STATE, "state", buf_str(&state), state.len, &state_differed, e))
		return -1;
	if (put_texts(g, "", &texts, &any, e))
		return -1;
	if (digest && put_process(g, "", digest, &differed, e))
		return -1;
	if (repaired)
		*repaired = !state_differed && !torn && any;
	return 0;
}

int persist_save(const struct gateway *g, const struct gateway_state *s, const struct accepted *a,
		 bool *repaired, struct err *e) {
	struct staged kept CLEANUP(staged_done) = {0};

	if (a)
		return save(g, s, &a->files, a->digest, repaired, e);
	staged_read(g, s, STAGED_KEPT_FIRST, &kept);
	staged_leave_out_unseen(&kept);
	return save(g, s, &kept, NULL, repaired, e);
}

int persist_torn(const struct gateway *g, const struct gateway_state *s, bool *torn,
		 struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(TEXT_CAP),
			state CLEANUP(buf_done) = BUF_INIT(STATE_CAP);
	char mark[SHA256_HEX];
	bool found;

	*torn = false;
	if (fs_read_if(g->h.dir, "haproxy.cfg", &text, &found, e))
		return err_wrap(e, "gateway");
	const char *said = found ? strstr(buf_str(&text), MARK) : NULL;
	if (!said)
		return 0;
	gateway_state_print(s, &state);
	sha256_of(buf_str(&state), state.len, mark);
	*torn = strncmp(said + strlen(MARK), mark, strlen(mark)) != 0;
	return 0;
}

int persist_mark_loaded(const struct gateway *g, const struct gateway_state *s, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(STATE_CAP);
	bool differed;

	gateway_state_print(s, &text);
	return put(g, EFFECT_GATEWAY_STATE, "state.loaded", buf_str(&text), text.len, &differed, e);
}

static int tree_of(const struct gateway_state *s, struct json **out, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(STATE_CAP);

	gateway_state_print(s, &text);
	return json_parse(buf_str(&text), text.len, out, e);
}

static void take_servers(struct json *route, const struct json *now) {
	static const char *const keys[] = {"a", "b", "canary_percent"};
	const char *name = json_str(route, "name");

	for (const struct json *r = json_first(json_get(now, "routes")); r && name;
	     r = json_next(r))
		for (size_t i = 0;
		     !strcmp(json_str(r, "name"), name) && i < sizeof keys / sizeof *keys; i++)
			json_set(route, keys[i], json_copy(json_get(r, keys[i])));
}

int persist_without_refused(const struct gateway *g, const struct gateway_state *s,
			    struct gateway_state **out, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(STATE_CAP),
			wanted CLEANUP(buf_done) = BUF_INIT(STATE_CAP);
	struct json *loaded CLEANUP(json_freep) = NULL, *now CLEANUP(json_freep) = NULL;
	bool found;

	*out = NULL;
	if (fs_read_if(g->h.dir, "state.loaded", &text, &found, e))
		return -1;
	if (!found)
		return 0;
	if (json_parse(buf_str(&text), text.len, &loaded, e) ||
	    tree_of(s, &now, e))
		return -1;
	for (struct json *r = json_first(json_get(loaded, "routes")); r; r = json_next(r))
		take_servers(r, now);
	buf_reset(&text);
	gateway_state_print(s, &wanted);
	if (json_canonical(loaded, &text, e) || !buf_putc(&text, '\n'))
		return -1;
	return !strcmp(buf_str(&text), buf_str(&wanted))
		? 0
		: gateway_state_parse(buf_str(&text), text.len, out, e);
}

/* ".NAME.tmp-PID", as fs_write and fs_flip name what is not finished. The image's description is
 * written under another lock. */
static bool is_aside(const char *name) {
	return name[0] == '.' && strstr(name, ".tmp-") && !text_starts(name, ".gateway.lock.json.");
}

static int sweep_dir(const struct gateway *g, const char *dir, bool removes, size_t *n,
		     struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t all;

	if (fs_list(g->o.root->fd, dir, &names, &all, e))
		return -1;
	for (size_t i = 0; i < all; i++) {
		char *path CLEANUP(freep) = mem_printf("%s/%s", dir, names[i]);
		if (!is_aside(names[i]))
			continue;
		++*n;
		if (removes && fs_unlink(EFFECT_GATEWAY_STATE, g->o.root->fd, path, e))
			return -1;
	}
	return 0;
}

int persist_sweep(const struct gateway *g, bool removes, size_t *n, struct err *e) {
	char **routes CLEANUP(freep) = NULL;
	size_t all = 0;

	*n = 0;
	if (sweep_dir(g, "gateway", removes, n, e) ||
	    fs_list(g->o.root->fd, "run/routes", &routes, &all, e))
		return -1;
	for (size_t i = 0; i < all; i++) {
		char *dir CLEANUP(freep) = mem_printf("run/routes/%s", routes[i]);
		if (sweep_dir(g, dir, removes, n, e))
			return -1;
	}
	return 0;
}

int persist_link(const struct gateway *g, const char *route, int slot, const char *id,
		 struct err *e) {
	char *dir CLEANUP(freep) = mem_printf("run/routes/%s", route),
		  *path CLEANUP(freep) = mem_printf("%s/%c.sock", dir, slot_names[slot]);
	char *target CLEANUP(freep) = mem_printf("../../%s/engine.sock", id),
		     *now CLEANUP(freep) = NULL;
	const struct root *root = g->o.root;

	if (!*id)
		return fs_exists(root->fd, path) ? fs_unlink(EFFECT_GATEWAY_LINK, root->fd, path, e)
						 : 0;
	if (fs_mkdirs(EFFECT_GATEWAY_LINK, root->fd, dir, 0755, e) ||
	    fs_readlink(root->fd, path, &now, e))
		return -1;
	return now && !strcmp(now, target)
		? 0
		: fs_flip(EFFECT_GATEWAY_LINK, root->fd, path, target, e);
}

void persist_links(const struct gateway *g, const struct gateway_state *s, const char *route,
		   gateway_found *found, void *ctx) {
	const struct haproxy_route *r = gateway_state_find(s, route);

	for (int i = 0; r && i < 2; i++)
		compare_link(g, r, i, found, ctx);
}

int persist_unlink_route(const struct gateway *g, const char *route, struct err *e) {
	char *dir CLEANUP(freep) = mem_printf("run/routes/%s", route);

	return fs_exists(g->o.root->fd, dir)
		? fs_remove_tree(EFFECT_GATEWAY_LINK, g->o.root->fd, dir, e)
		: 0;
}
