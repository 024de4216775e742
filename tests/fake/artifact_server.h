/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "tests/fake/httpd.h"

/* A web server that has one artifact, and every way to deliver it well or badly; the path says
 * which:
 *     /good  /moved  /ORG/... (huggingface)   whole, with ranges and the ETag "v1"
 *     /cut /cut-3 /drip /weak /changed /norange /wrong-range /refuses-range /until-close
 *         broken off, at first or always
 *     /stall /stall-once /slow /silent        slow or dead
 *     /other /short /empty /endless /linked   other bytes
 *     /404 /503 /503-once /429-soon ...       a status
 *     /a.zip /a.tar.gz (cut at first) /half.zip   it is m/model.gguf in an archive
 */
enum { SHOP_SIZE = 3 << 20 };

struct artifact_server {
	struct httpd *web;
	/* the artifact; one that differs in its last byte */
	char bytes[SHOP_SIZE], other[SHOP_SIZE];
	/* digests: of bytes, of other, of the first half of bytes */
	char right[65], wrong[65], half[65];
	struct buf zip, tgz;
	/* Requests, and what the last one said; written by the server's threads. Set them as you
	 * like. */
	_Atomic unsigned hits;
	char range[64], if_range[64], auth[64], path[128];
};

void artifact_server_open(struct artifact_server *s);
void artifact_server_close(struct artifact_server *s);
