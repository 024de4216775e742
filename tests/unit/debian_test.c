/* SPDX-License-Identifier: Apache-2.0 */
#include "debian_parts.h"

/* "@DIR@", "@KEY@", "@DATE@", "@UNTIL@" of a message filled in; yours. */
static char *filled(const struct harness *w, const struct fake_suite *s, const char *text) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(2048);
	char date[CLOCK_STAMP], until[CLOCK_STAMP];
	const char *const marks[][2] = {{"@DIR@", w->dir},
					{"@KEY@", w->key + 24},
					{"@DATE@", date},
					{"@UNTIL@", until}};

	clock_stamp(s->date, date);
	clock_stamp(s->valid_until, until);
	while (*text) {
		size_t i = 0;
		while (i < 4 && strncmp(text, marks[i][0], strlen(marks[i][0])) != 0)
			i++;
		if (i < 4)
			(void) buf_puts(&out, marks[i][1]);
		else
			(void) buf_putc(&out, *text);
		text += i < 4 ? strlen(marks[i][0]) : 1;
	}
	return buf_steal(&out);
}

#define NO_INDEX "no usable index of suite 'toy': "
#define AT "'file:@DIR@/mirror/dists/toy/InRelease'"

/* What may be wrong with an archive. A message that ends with '*' is a beginning. */
struct row {
	const char *name;
	struct fake_suite with; /* fields that are set replace those of the good suite */
	int64_t date, until;    /* days from now; 0: as in the good suite; NEVER: none */
	bool accept;
	enum err_code code;
	const char *message;
};

enum { NEVER = 1000 };

static const struct row archives[] = {
	{.name = "as it should be"},
	{.name = "packed with xz", .with = {.packed = ".xz"}},
	{.name = "packed with gzip", .with = {.packed = ".gz"}},
	{.name = "moved on, but kept by its digest",
	 .with = {.packed = ".gz", .only_by_hash = true}},
	{.name = "asked for by its codename",
	 .with = {.release = {"Suite: toy\nCodename: bear", "Suite: x\nCodename: toy"}},
	 .code = ERR_OK},
	{.name = "without an end", .until = NEVER},
	{.name = "also signed by the next key", .with = {.signers = "good next"}},
	{.name = "with words around what was signed",
	 .with = {.inrelease = {"-----BEGIN PGP SIGNED", "Suite: evil\n\n-----BEGIN PGP SIGNED"}}},
	{.name = "expired, and accepted", .date = -9, .until = -2, .accept = true},
	{.name = "changed after it was signed",
	 .with = {.inrelease = {"Origin: Toy", "Origin: Tox"}},
	 .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " cannot be trusted: bad signature of the key @KEY@"},
	{.name = "not signed",
	 .with = {.signers = ""},
	 .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is not a signed index"},
	{.name = "signed by an unknown key",
	 .with = {.signers = "next"},
	 .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is not signed by any key of '@DIR@/keyring.gpg'"},
	{.name = "signed by an expired key",
	 .with = {.signers = "old", .options = "--faked-system-time 20200201T000000"},
	 .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " cannot be trusted: signed by the expired key *"},
	{.name = "signed with SHA-1",
	 .with = {.options = "--digest-algo SHA1"},
	 .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is signed with a digest weaker than SHA-256"},
	{.name = "without its signature",
	 .with = {.inrelease = {"-----BEGIN PGP SIGNATURE-----\n", ""}},
	 .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is not signed by any key of '@DIR@/keyring.gpg'"},
	{.name = "expired",
	 .date = -9,
	 .until = -2,
	 .code = ERR_INTEGRITY,
	 .message = NO_INDEX "its index expired on @UNTIL@: use a mirror that is up to date, "
			     "or take it as it is with --accept-expired"},
	{.name = "from the future",
	 .date = 2,
	 .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is dated @DATE@, in the future: check this machine's clock"},
	{.name = "of another suite",
	 .with = {.release = {"Suite: toy", "Suite: old"}},
	 .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is the index of suite 'old' (bear), not of 'toy'"},
	{.name = "without a date",
	 .with = {.release = {"Date: ", "When: "}},
	 .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is not a usable index: its field Date is missing or malformed"},
	{.name = "with an odd end",
	 .with = {.release = {"Valid-Until: ", "Valid-Until: on "}},
	 .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT
	 " is not a usable index: its field Valid-Until is missing or malformed"},
	{.name = "without digests",
	 .with = {.release = {"SHA256:", "SHA255:"}},
	 .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is not a usable index: its field SHA256 is missing or malformed"},
	{.name = "without a name",
	 .with = {.release = {"Suite: toy\nCodename: bear", "Label: x"}},
	 .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is not a usable index: its field Suite is missing or malformed"},
	{.name = "without the component",
	 .with = {.component = "contrib"},
	 .code = ERR_SPEC,
	 .message = "suite 'toy' has no component 'main' for amd64"},
	{.name = "with other packages",
	 .with = {.content = {"Package: lib", "Package: bil"}},
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch packages of toy/main *"},
	{.name = "with other packages inside",
	 .with = {.packed = ".gz",
		  .release = {" main/binary-amd64/Packages\n", "0 main/binary-amd64/Packages\n"}},
	 .code = ERR_INTEGRITY,
	 .message = "'main/binary-amd64/Packages.gz' does not unpack to the file that the index "
		    "names"},
};

static struct fake_suite suite_of(const struct harness *w, const struct row *c) {
	struct fake_suite s = toy(w);

	s.packed = c->with.packed ? c->with.packed : s.packed;
	s.signers = c->with.signers ? c->with.signers : s.signers;
	s.component = c->with.component ? c->with.component : s.component;
	s.date = c->date ? w->now + c->date * DAY : s.date;
	s.valid_until = c->until == NEVER ? 0 : c->until ? w->now + c->until * DAY : s.valid_until;
	s.options = c->with.options;
	s.only_by_hash = c->with.only_by_hash;
	memcpy(s.release, c->with.release, sizeof s.release);
	memcpy(s.inrelease, c->with.inrelease, sizeof s.inrelease);
	memcpy(s.content, c->with.content, sizeof s.content);
	return s;
}

static void verifies_an_archive(void **state) {
	const struct harness *w = *state;

	EACH_CASE (c, archives) {
		struct fake_suite s = suite_of(w, c);
		char *mirror CLEANUP(freep) = folder(w, "mirror");
		char *url CLEANUP(freep) = mem_printf("file://%s/", mirror);
		const struct debian_mirror at = {.url = url};
		const struct debian_mirrors mirrors = {&at, 1, w->keyring};
		struct store *store CLEANUP(store_freep) = fresh_store(w);
		struct buf told CLEANUP(buf_done) = BUF_INIT(1024);
		const struct progress p = {tell, &told};
		struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
		struct debian_request q = ask_tool;
		struct err e = {0};

		q.accept_expired = c->accept;
		fake_apt_suite(w->dir, mirror, &s);
		int rc = debian_resolve(&q, &mirrors, store, &p, &lock, &e);
		char *want CLEANUP(freep) = filled(w, &s, c->message ? c->message : "");
		assert_message(e.msg, want);
		assert_int_equal(e.code, c->code);
		assert_int_equal(rc, c->code ? -1 : 0);
		if (rc)
			continue;
		if (!c->with.release[0])
			assert_tool_lock(w, lock);
		assert_int_equal(lock->indexes[0].accepted_expired, c->accept);
		char *events CLEANUP(freep) = mem_printf("step index of toy\n%sdone index of toy\n"
							 "step solve\ndone solve\n",
							 c->accept ? "warn expired index accepted\n"
								   : "");
		assert_string_equal(buf_str(&told), events);
	}
}

/* Two mirrors, each with an index of some age in days (0: none there), and which one's is taken. */
static void takes_the_first_usable_mirror(void **state) {
	static const struct {
		const char *name;
		int age[2], until[2];
		bool accept;
		int taken;
		const char *message;
	} rows[] = {
		{"both fresh", {2, 1}, {3, 3}, false, 0, NULL},
		{"the first has nothing", {0, 1}, {0, 3}, false, 1, NULL},
		{"the first expired", {9, 1}, {-2, 3}, false, 1, NULL},
		{"the first expired, accepted", {9, 1}, {-2, 3}, true, 1, NULL},
		{"both expired, the newer accepted", {9, 8}, {-2, -1}, true, 1, NULL},
		{"both expired, the first newer", {8, 9}, {-1, -2}, true, 0, NULL},
		{"none has it",
		 {0, 0},
		 {0, 0},
		 false,
		 0,
		 NO_INDEX "cannot open '@DIR@/m0/dists/toy/InRelease': No such file or directory; "
			  "cannot open '@DIR@/m1/dists/toy/InRelease': No such file or directory"},
	};
	const struct harness *w = *state;

	EACH_CASE (c, rows) {
		char *dirs[2] = {folder(w, "m0"), folder(w, "m1")};
		char *urls[2] = {mem_printf("file:%s", dirs[0]), mem_printf("file:%s", dirs[1])};
		const struct debian_mirror at[] = {{.url = urls[0]},
						   {.url = "file:/nonexistent", .snapshot = true},
						   {.url = "file:/nonexistent", .archive = "other"},
						   {.url = urls[1]}};
		const struct debian_mirrors mirrors = {at, 4, w->keyring};
		struct store *store CLEANUP(store_freep) = fresh_store(w);
		struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
		struct debian_request q = ask_tool;
		struct fake_suite s = toy(w);
		struct err e = {0};
		char date[CLOCK_STAMP];

		q.accept_expired = c->accept;
		for (int i = 0; i < 2; i++) {
			s.date = w->now - (int64_t) c->age[i] * DAY;
			s.valid_until = w->now + (int64_t) c->until[i] * DAY;
			if (c->age[i])
				fake_apt_suite(w->dir, dirs[i], &s);
		}
		(void) debian_resolve(&q, &mirrors, store, NULL, &lock, &e);
		char *want CLEANUP(freep) = filled(w, &s, c->message ? c->message : "");
		assert_string_equal(e.msg, want);
		assert_int_equal(e.code, c->message ? ERR_UNREACHABLE : ERR_OK);
		clock_stamp(w->now - (int64_t) c->age[c->taken] * DAY, date);
		if (lock)
			assert_string_equal(lock->indexes[0].date, date);
		for (int i = 0; i < 2; i++) {
			free(urls[i]);
			free(dirs[i]);
		}
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verifies_an_archive),
		cmocka_unit_test(takes_the_first_usable_mirror),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
