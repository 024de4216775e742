/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "image/image.h"
#include "json/json.h"

/* SPDX 2.3 (spdx.github.io/spdx-spec/v2.3) and package URLs (purl-spec, type "deb"). Only what can
 * be checked against bytes is said: names, versions, digests. */

static bool is_plain(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(c && strchr("-._~", c));
}

static void add_escaped(struct buf *b, const char *s) {
	for (; *s; s++)
		(void) (is_plain(*s) ? buf_putc(b, *s)
				     : buf_printf(b, "%%%02X", (unsigned char) *s));
}

/* An SPDX identifier has letters, digits, '.' and '-' only. */
static char *package_id(const struct image_package *p) {
	char *id = mem_printf("SPDXRef-Package-deb-%s", p->name);

	for (char *c = id; *c; c++)
		if (*c == '+')
			*c = '.';
	return id;
}

static struct json *checksum(const char *sha256) {
	struct json *list = json_array(), *c = json_object();

	json_set_str(c, "algorithm", "SHA256");
	json_set_str(c, "checksumValue", sha256);
	json_push(list, c);
	return list;
}

static struct json *new_package(const char *id, const char *name, const char *version,
				const char *purpose, const char *sha256, const char *purl) {
	struct json *p = json_object(), *refs = json_array(), *ref = json_object();

	json_set_str(p, "SPDXID", id);
	json_set_str(p, "name", name);
	json_set_str(p, "versionInfo", version);
	json_set_str(p, "downloadLocation", "NOASSERTION");
	json_set_bool(p, "filesAnalyzed", false);
	json_set_str(p, "licenseConcluded", "NOASSERTION");
	json_set_str(p, "licenseDeclared", "NOASSERTION");
	json_set_str(p, "copyrightText", "NOASSERTION");
	json_set_str(p, "primaryPackagePurpose", purpose);
	json_set(p, "checksums", checksum(sha256));
	json_set_str(ref, "referenceCategory", "PACKAGE-MANAGER");
	json_set_str(ref, "referenceType", "purl");
	json_set_str(ref, "referenceLocator", purl);
	json_push(refs, ref);
	json_set(p, "externalRefs", refs);
	return p;
}

static struct json *deb(const struct image_package *p) {
	struct buf purl CLEANUP(buf_done) = BUF_INIT(4096);
	char *id CLEANUP(freep) = package_id(p);

	(void) buf_puts(&purl, "pkg:deb/debian/");
	add_escaped(&purl, p->name);
	(void) buf_putc(&purl, '@');
	add_escaped(&purl, p->version);
	(void) buf_printf(&purl, "?arch=%s", p->architecture);
	return new_package(id, p->name, p->version, "LIBRARY", p->sha256, buf_str(&purl));
}

static struct json *relation(const char *from, const char *type, const char *to) {
	struct json *r = json_object();

	json_set_str(r, "spdxElementId", from);
	json_set_str(r, "relationshipType", type);
	json_set_str(r, "relatedSpdxElement", to);
	return r;
}

static int by_name(const void *a, const void *b) {
	return strcmp((*(const struct image_package *const *) a)->name,
		      (*(const struct image_package *const *) b)->name);
}

static void add_packages(const struct image_request *q, const struct image *image, const char *name,
			 struct json *packages, struct json *relations) {
	const struct image_package **list CLEANUP(freep) = mem_zalloc(q->n_packages, sizeof *list);
	char *purl CLEANUP(freep) = mem_printf("pkg:oci/llmdeploy@sha256%%3A%s", image->manifest);
	char *version CLEANUP(freep) = mem_printf("sha256:%s", image->manifest);

	for (size_t i = 0; i < q->n_packages; i++)
		list[i] = &q->packages[i];
	qsort(list, q->n_packages, sizeof *list, by_name);
	json_push(packages,
		  new_package("SPDXRef-Image", name, version, "CONTAINER", image->manifest, purl));
	json_push(relations, relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image"));
	for (size_t i = 0; i < q->n_packages; i++) {
		char *id CLEANUP(freep) = package_id(list[i]);
		json_push(packages, deb(list[i]));
		json_push(relations, relation("SPDXRef-Image", "CONTAINS", id));
	}
}

int image_sbom(const struct image_request *q, const struct image *image, const char *name,
	       struct buf *out, struct err *e) {
	struct json *doc CLEANUP(json_freep) = json_object();
	struct json *info = json_object(), *creators = json_array();
	struct json *packages = json_array(), *relations = json_array();
	/* The name has to be unique for each content and the same for the same content. */
	char *namespace CLEANUP(freep) = mem_printf("https://spdx.org/spdxdocs/llmdeploy-%s",
						    image->manifest);

	add_packages(q, image, name, packages, relations);
	json_push_str(creators, "Tool: llmdeploy");
	json_set_str(info, "created", q->created ? q->created : "1970-01-01T00:00:00Z");
	json_set(info, "creators", creators);
	json_set_str(doc, "spdxVersion", "SPDX-2.3");
	json_set_str(doc, "dataLicense", "CC0-1.0");
	json_set_str(doc, "SPDXID", "SPDXRef-DOCUMENT");
	json_set_str(doc, "name", name);
	json_set_str(doc, "documentNamespace", namespace);
	json_set(doc, "creationInfo", info);
	json_set(doc, "packages", packages);
	json_set(doc, "relationships", relations);
	json_print_pretty(doc, out);
	(void) buf_putc(out, '\n');
	if (out->cut)
		return err_set(e, ERR_SYS, "the bill of materials is larger than %zu bytes",
			       out->cap);
	return 0;
}
