/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bandwidth.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define GIB ((uint64_t) 1 << 30)
#define MAX_WORDS 12

static const struct bandwidth_row known[] = {
	/* NVIDIA, data centre */
	{"h200", 0, 4800, "NVIDIA data sheet H200: 4.8 TB/s"},
	{"h100 pcie", 80, 2039, "NVIDIA data sheet H100 PCIe: 2 TB/s"},
	{"h100 nvl", 94, 3938, "NVIDIA data sheet H100 NVL: 3.9 TB/s"},
	{"h100 hbm3", 80, 3352, "NVIDIA data sheet H100 SXM: 3.35 TB/s"},
	{"gh200", 96, 4000, "NVIDIA data sheet GH200: 4 TB/s"},
	{"gh200", 144, 4900, "NVIDIA data sheet GH200: 4.9 TB/s"},
	{"b200", 0, 8000, "NVIDIA data sheet B200: 8 TB/s"},
	{"a100 40gb", 40, 1555, "NVIDIA data sheet A100 40GB: 1,555 GB/s"},
	{"a100 sxm4 80gb", 80, 2039, "NVIDIA data sheet A100 SXM 80GB: 2,039 GB/s"},
	{"a100 80gb pcie", 80, 1935, "NVIDIA data sheet A100 PCIe 80GB: 1,935 GB/s"},
	{"a30", 0, 933, "NVIDIA data sheet A30: 933 GB/s"},
	{"v100", 0, 900, "NVIDIA data sheet V100: 900 GB/s"},
	{"v100s", 0, 1134, "NVIDIA data sheet V100S: 1,134 GB/s"},
	{"p100", 16, 732, "NVIDIA data sheet P100 16GB: 732 GB/s"},
	{"l40s", 0, 864, "18 Gb/s x 384 bit"},
	{"l40", 0, 864, "18 Gb/s x 384 bit"},
	{"l4", 0, 300, "12.5 Gb/s x 192 bit"},
	{"a40", 0, 696, "14.5 Gb/s x 384 bit"},
	{"a10", 0, 600, "12.5 Gb/s x 384 bit"},
	{"a10g", 0, 600, "12.5 Gb/s x 384 bit"},
	{"a16", 0, 200, "12.5 Gb/s x 128 bit"},
	{"a2", 0, 200, "12.5 Gb/s x 128 bit"},
	{"t4", 0, 320, "10 Gb/s x 256 bit"},
	{"p40", 0, 346, "7.2 Gb/s x 384 bit"},
	{"p4", 0, 192, "6 Gb/s x 256 bit"},
	/* NVIDIA, work stations and modules */
	{"rtx pro 6000 blackwell", 0, 1792, "28 Gb/s x 512 bit"},
	{"rtx pro 5000 blackwell", 48, 1344, "28 Gb/s x 384 bit"},
	{"rtx 6000 ada", 0, 960, "20 Gb/s x 384 bit"},
	{"rtx 5000 ada", 0, 576, "18 Gb/s x 256 bit"},
	{"rtx 4500 ada", 0, 432, "18 Gb/s x 192 bit"},
	{"rtx 4000 ada", 0, 360, "18 Gb/s x 160 bit"},
	{"rtx 4000 sff ada", 0, 280, "14 Gb/s x 160 bit"},
	{"rtx 2000 ada", 0, 224, "14 Gb/s x 128 bit"},
	{"rtx a6000", 0, 768, "16 Gb/s x 384 bit"},
	{"rtx a5500", 0, 768, "16 Gb/s x 384 bit"},
	{"rtx a5000", 0, 768, "16 Gb/s x 384 bit"},
	{"rtx a4500", 0, 640, "16 Gb/s x 320 bit"},
	{"rtx a4000", 0, 448, "14 Gb/s x 256 bit"},
	{"rtx a2000", 0, 288, "12 Gb/s x 192 bit"},
	{"quadro rtx 8000", 0, 672, "14 Gb/s x 384 bit"},
	{"quadro rtx 6000", 0, 672, "14 Gb/s x 384 bit"},
	{"titan rtx", 0, 672, "14 Gb/s x 384 bit"},
	{"gb10", 0, 273, "8.533 Gb/s x 256 bit"},
	{"orin", 64, 205, "6.4 Gb/s x 256 bit"},
	/* NVIDIA, GeForce */
	{"rtx 5090", 0, 1792, "28 Gb/s x 512 bit"},
	{"rtx 5080", 0, 960, "30 Gb/s x 256 bit"},
	{"rtx 5070 ti", 0, 896, "28 Gb/s x 256 bit"},
	{"rtx 5070", 0, 672, "28 Gb/s x 192 bit"},
	{"rtx 5060 ti", 0, 448, "28 Gb/s x 128 bit"},
	{"rtx 5060", 0, 448, "28 Gb/s x 128 bit"},
	{"rtx 4090", 0, 1008, "21 Gb/s x 384 bit"},
	{"rtx 4080 super", 0, 736, "23 Gb/s x 256 bit"},
	{"rtx 4080", 16, 717, "22.4 Gb/s x 256 bit"},
	{"rtx 4070 ti super", 0, 672, "21 Gb/s x 256 bit"},
	{"rtx 4070 ti", 0, 504, "21 Gb/s x 192 bit"},
	{"rtx 4070 super", 0, 504, "21 Gb/s x 192 bit"},
	{"rtx 4070", 0, 504, "21 Gb/s x 192 bit"},
	{"rtx 4060 ti", 0, 288, "18 Gb/s x 128 bit"},
	{"rtx 4060", 0, 272, "17 Gb/s x 128 bit"},
	{"rtx 3090 ti", 0, 1008, "21 Gb/s x 384 bit"},
	{"rtx 3090", 0, 936, "19.5 Gb/s x 384 bit"},
	{"rtx 3080 ti", 0, 912, "19 Gb/s x 384 bit"},
	{"rtx 3080", 12, 912, "19 Gb/s x 384 bit"},
	{"rtx 3080", 10, 760, "19 Gb/s x 320 bit"},
	{"rtx 3070 ti", 0, 608, "19 Gb/s x 256 bit"},
	{"rtx 3070", 0, 448, "14 Gb/s x 256 bit"},
	{"rtx 3060 ti", 0, 448, "14 Gb/s x 256 bit"},
	{"rtx 3060", 12, 360, "15 Gb/s x 192 bit"},
	{"rtx 3060", 8, 240, "15 Gb/s x 128 bit"},
	{"rtx 3050", 8, 224, "14 Gb/s x 128 bit"},
	{"rtx 2080 ti", 0, 616, "14 Gb/s x 352 bit"},
	{"rtx 2080 super", 0, 496, "15.5 Gb/s x 256 bit"},
	{"rtx 2080", 0, 448, "14 Gb/s x 256 bit"},
	{"rtx 2070 super", 0, 448, "14 Gb/s x 256 bit"},
	{"rtx 2070", 0, 448, "14 Gb/s x 256 bit"},
	{"rtx 2060 super", 0, 448, "14 Gb/s x 256 bit"},
	{"rtx 2060", 6, 336, "14 Gb/s x 192 bit"},
	{"gtx 1080 ti", 0, 484, "11 Gb/s x 352 bit"},
	{"gtx 1080", 0, 320, "10 Gb/s x 256 bit"},
	{"gtx 1070", 0, 256, "8 Gb/s x 256 bit"},
	/* AMD */
	{"mi355x", 0, 8000, "AMD data sheet MI355X: 8 TB/s"},
	{"mi350x", 0, 8000, "AMD data sheet MI350X: 8 TB/s"},
	{"mi325x", 0, 6000, "AMD data sheet MI325X: 6 TB/s"},
	{"mi300x", 0, 5300, "AMD data sheet MI300X: 5.3 TB/s"},
	{"mi300a", 0, 5300, "AMD data sheet MI300A: 5.3 TB/s"},
	{"mi210", 0, 1638, "AMD data sheet MI210: 1.6 TB/s"},
	{"mi100", 0, 1229, "AMD data sheet MI100: 1.2 TB/s"},
	{"radeon rx 9070 xt", 0, 640, "20 Gb/s x 256 bit"},
	{"radeon rx 9070", 0, 640, "20 Gb/s x 256 bit"},
	{"radeon rx 9060 xt", 0, 320, "20 Gb/s x 128 bit"},
	{"radeon rx 7900 xtx", 0, 960, "20 Gb/s x 384 bit"},
	{"radeon rx 7900 xt", 0, 800, "20 Gb/s x 320 bit"},
	{"radeon rx 7900 gre", 0, 576, "18 Gb/s x 256 bit"},
	{"radeon rx 7800 xt", 0, 624, "19.5 Gb/s x 256 bit"},
	{"radeon rx 7700 xt", 0, 432, "18 Gb/s x 192 bit"},
	{"radeon rx 7600 xt", 0, 288, "18 Gb/s x 128 bit"},
	{"radeon rx 7600", 0, 288, "18 Gb/s x 128 bit"},
	{"radeon rx 6950 xt", 0, 576, "18 Gb/s x 256 bit"},
	{"radeon rx 6900 xt", 0, 512, "16 Gb/s x 256 bit"},
	{"radeon rx 6800 xt", 0, 512, "16 Gb/s x 256 bit"},
	{"radeon rx 6800", 0, 512, "16 Gb/s x 256 bit"},
	{"radeon rx 6700 xt", 0, 384, "16 Gb/s x 192 bit"},
	{"radeon pro w7900", 0, 864, "18 Gb/s x 384 bit"},
	{"radeon pro w7800", 32, 576, "18 Gb/s x 256 bit"},
	{"strix halo", 0, 256, "8 Gb/s x 256 bit"},
	/* Intel */
	{"arc a770", 16, 560, "17.5 Gb/s x 256 bit"},
	{"arc a770", 8, 512, "16 Gb/s x 256 bit"},
	{"arc a750", 0, 512, "16 Gb/s x 256 bit"},
	{"arc b580", 0, 456, "19 Gb/s x 192 bit"},
	{"arc b570", 0, 380, "19 Gb/s x 160 bit"},
	{"arc pro b60", 0, 456, "19 Gb/s x 192 bit"},
	/* Apple: processor and GPU share it. The Max of M3 and M4 comes with two widths, told apart
	 * by the memory that it is sold with. */
	{"apple m1", 0, 68, "4.266 Gb/s x 128 bit"},
	{"apple m1 pro", 0, 200, "Apple technical specifications: 200 GB/s"},
	{"apple m1 max", 0, 400, "Apple technical specifications: 400 GB/s"},
	{"apple m1 ultra", 0, 800, "Apple technical specifications: 800 GB/s"},
	{"apple m2", 0, 100, "Apple technical specifications: 100 GB/s"},
	{"apple m2 pro", 0, 200, "Apple technical specifications: 200 GB/s"},
	{"apple m2 max", 0, 400, "Apple technical specifications: 400 GB/s"},
	{"apple m2 ultra", 0, 800, "Apple technical specifications: 800 GB/s"},
	{"apple m3", 0, 100, "Apple technical specifications: 100 GB/s"},
	{"apple m3 pro", 0, 150, "Apple technical specifications: 150 GB/s"},
	{"apple m3 max", 36, 300, "Apple technical specifications, 30-core GPU: 300 GB/s"},
	{"apple m3 max", 96, 300, "Apple technical specifications, 30-core GPU: 300 GB/s"},
	{"apple m3 max", 48, 400, "Apple technical specifications, 40-core GPU: 400 GB/s"},
	{"apple m3 max", 64, 400, "Apple technical specifications, 40-core GPU: 400 GB/s"},
	{"apple m3 max", 128, 400, "Apple technical specifications, 40-core GPU: 400 GB/s"},
	{"apple m3 ultra", 0, 819, "Apple technical specifications: 819 GB/s"},
	{"apple m4", 0, 120, "Apple technical specifications: 120 GB/s"},
	{"apple m4 pro", 0, 273, "Apple technical specifications: 273 GB/s"},
	{"apple m4 max", 36, 410, "Apple technical specifications, 32-core GPU: 410 GB/s"},
	{"apple m4 max", 48, 546, "Apple technical specifications, 40-core GPU: 546 GB/s"},
	{"apple m4 max", 64, 546, "Apple technical specifications, 40-core GPU: 546 GB/s"},
	{"apple m4 max", 128, 546, "Apple technical specifications, 40-core GPU: 546 GB/s"},
	{"apple m5", 0, 153, "Apple technical specifications: 153 GB/s"},
};

size_t bandwidth_rows(const struct bandwidth_row **rows) {
	*rows = known;
	return sizeof known / sizeof *known;
}

/* Words that make another device of it. */
static const char *const modifiers[] = {"ti",    "super",     "laptop", "mobile", "max",  "pro",
					"ultra", "xt",        "xtx",    "gre",    "mig",  "sff",
					"ada",   "blackwell", "nvl",    "quadro", "vgpu", "grid"};

struct words {
	char text[128];
	const char *list[MAX_WORDS];
	size_t n;
};

/* Lower case, broken at everything but letters and digits: "A100-SXM4-80GB" is a100, sxm4, 80gb. */
static void split(const char *name, struct words *w) {
	char *rest = NULL;

	w->n = 0;
	(void) snprintf(w->text, sizeof w->text, "%s", name);
	for (char *c = w->text; *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char) (*c - 'A' + 'a');
		if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9')))
			*c = ' ';
	}
	for (char *t = strtok_r(w->text, " ", &rest); t && w->n < MAX_WORDS;
	     t = strtok_r(NULL, " ", &rest))
		w->list[w->n++] = t;
}

static bool has(const struct words *w, const char *word) {
	for (size_t i = 0; i < w->n; i++)
		if (!strcmp(w->list[i], word))
			return true;
	return false;
}

/* All words of the row are in the name, and no modifier of the name is missing from the row. */
static bool names(const struct bandwidth_row *k, const struct words *name) {
	struct words row;

	split(k->words, &row);
	for (size_t i = 0; i < row.n; i++)
		if (!has(name, row.list[i]))
			return false;
	for (size_t i = 0; i < sizeof modifiers / sizeof *modifiers; i++)
		if (has(name, modifiers[i]) && !has(&row, modifiers[i]))
			return false;
	return true;
}

/* A driver reports a little less than what is soldered on; no two variants of a device are within
 * an eighth. */
static bool has_memory(const struct bandwidth_row *k, uint64_t bytes) {
	uint64_t full = k->gib * GIB;

	return !k->gib || (bytes >= full - full / 10 && bytes <= full + full / 40);
}

/* "DDR5-5600 x2": millions of transfers a second of 8 bytes, by channels. */
static uint64_t of_modules(const char *name, const char **source) {
	unsigned generation, rate, channels = 1;
	char kind[8], by[4] = "";
	int got = sscanf(name, "%7[A-Za-z]%u-%u %3[x]%u", kind, &generation, &rate, by, &channels);

	if ((got != 3 && got != 5) || (strcasecmp(kind, "DDR") && strcasecmp(kind, "LPDDR")) ||
	    generation < 3 || generation > 6)
		return 0;
	if (rate < 800 || rate > 20000 || !channels || channels > 64)
		return 0;
	*source = "transfers a second x 8 bytes x channels";
	return (uint64_t) rate * 1000000 * 8 * channels;
}

uint64_t bandwidth_of(const char *name, uint64_t memory_bytes, const char **source) {
	uint64_t modules = of_modules(name, source);
	struct words w;

	if (modules)
		return modules;
	split(name, &w);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (names(&known[i], &w) && has_memory(&known[i], memory_bytes)) {
			*source = known[i].source;
			return (uint64_t) known[i].gigabytes * 1000000000;
		}
	return 0;
}

const char *bandwidth_pci_name(unsigned vendor, unsigned device, uint64_t memory_bytes) {
	/* The PCI ID database (pci-ids.ucw.cz); one number often stands for several cards, which
	 * differ by their memory. */
	static const struct {
		unsigned vendor, device, gib;
		const char *name;
	} cards[] = {
		{0x1002, 0x75a0, 0, "AMD Instinct MI350X"},
		{0x1002, 0x74a5, 0, "AMD Instinct MI325X"},
		{0x1002, 0x74a1, 0, "AMD Instinct MI300X"},
		{0x1002, 0x74a0, 0, "AMD Instinct MI300A"},
		{0x1002, 0x740f, 0, "AMD Instinct MI210"},
		{0x1002, 0x738c, 0, "AMD Instinct MI100"},
		{0x1002, 0x744c, 24, "AMD Radeon RX 7900 XTX"},
		{0x1002, 0x744c, 20, "AMD Radeon RX 7900 XT"},
		{0x1002, 0x744c, 16, "AMD Radeon RX 7900 GRE"},
		{0x1002, 0x7448, 0, "AMD Radeon Pro W7900"},
		{0x1002, 0x747e, 16, "AMD Radeon RX 7800 XT"},
		{0x1002, 0x747e, 12, "AMD Radeon RX 7700 XT"},
		{0x1002, 0x73bf, 16, "AMD Radeon RX 6800"},
		{0x1002, 0x73df, 12, "AMD Radeon RX 6700 XT"},
		{0x1002, 0x1586, 0, "AMD Strix Halo"},
		{0x8086, 0x56a0, 0, "Intel Arc A770"},
		{0x8086, 0x56a1, 0, "Intel Arc A750"},
		{0x8086, 0xe20b, 0, "Intel Arc B580"},
		{0x8086, 0xe20c, 0, "Intel Arc B570"},
	};

	for (size_t i = 0; i < sizeof cards / sizeof *cards; i++) {
		struct bandwidth_row of_memory = {.gib = cards[i].gib};

		if (cards[i].vendor == vendor && cards[i].device == device &&
		    has_memory(&of_memory, memory_bytes))
			return cards[i].name;
	}
	return "";
}
