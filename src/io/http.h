/*
 * http.h - tells a browser that was led to a port of ours. What a page makes it send there begins
 * with a line of HTTP, and the commands come behind it; so who begins like that is sent away (RFC
 * 9110 9.3 has the methods).
 */
#ifndef IO_HTTP_H
#define IO_HTTP_H

#include "base/str.h"

/** Is it one of HTTP's methods, as the first word of a line? They are case-sensitive. */
bool http_is_method(struct str word);

#endif
