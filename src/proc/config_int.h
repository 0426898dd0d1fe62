/*
 * config_int.h - between config.c, which reads files, and config_value.c, which knows what a text
 * means.
 */
#ifndef PROC_CONFIG_INT_H
#define PROC_CONFIG_INT_H

#include "proc/config.h"

/** Sets the index-th value of an option. ERR_SYNTAX, ERR_LIMIT: not such a value, or too many. */
must_use enum err config_value_set(struct config *c, const struct config_option *o, size_t index,
    struct str text);

/**
 * Looks at a text of n bytes before it is parsed: false, and an error with its line, where a quotation
 * mark or a brace is open or a value is missing. Comments are blanked in place.
 */
must_use bool config_text_prepare(const char *file, char *p, size_t n, struct buf *errors);

#endif
