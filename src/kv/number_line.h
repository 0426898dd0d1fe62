/*
 * number_line.h - a file that says one number: a line of it and of its CRC-32C, so that one that is
 * torn, or has a damaged byte, says nothing. `lock` says the format so, `newest-log` a log.
 */
#ifndef KV_NUMBER_LINE_H
#define KV_NUMBER_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str;

#define NUMBER_LINE_BYTES 40

#ifdef __cplusplus
extern "C" {
#endif

/** Writes the line; how long it is. */
size_t number_line_format(uint64_t number, char line[NUMBER_LINE_BYTES]);
/** False: this is no such line, to the last byte. */
bool number_line_parse(struct str line, uint64_t *out);

#ifdef __cplusplus
}
#endif

#endif
