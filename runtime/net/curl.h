/*
 * libcurl, loaded for the first connection: it needs 30 more libraries, and
 * to load them takes longer than all the rest of a start.
 */
#ifndef HARP_NET_CURL_H
#define HARP_NET_CURL_H

#include <curl/curl.h>

#include "base/library.h"

#define CURL_FUNCTIONS(each) \
    each(curl_easy_cleanup) each(curl_easy_getinfo) each(curl_easy_init) \
    each(curl_easy_recv) each(curl_easy_send) each(curl_easy_setopt) \
    each(curl_easy_strerror) each(curl_free) each(curl_global_init) \
    each(curl_multi_add_handle) each(curl_multi_assign) \
    each(curl_multi_cleanup) each(curl_multi_info_read) \
    each(curl_multi_init) each(curl_multi_remove_handle) \
    each(curl_multi_setopt) each(curl_multi_socket_action) \
    each(curl_share_cleanup) each(curl_share_init) each(curl_share_setopt) \
    each(curl_url) each(curl_url_cleanup) each(curl_url_get) \
    each(curl_url_set)

extern struct curl_functions {
    CURL_FUNCTIONS(LIBRARY_MEMBER)
} curl_functions;

/*
 * To be called before any of the functions; 0 also when it is loaded already.
 * After a -1, curl_easy_strerror says why, whatever the code, and
 * curl_easy_setopt and curl_easy_getinfo do nothing.
 */
int curl_load(void);

/* Macros that check the types of arguments, and cannot do that here. */
#undef curl_easy_getinfo
#undef curl_easy_setopt
#undef curl_multi_setopt
#undef curl_share_setopt

#define curl_easy_cleanup curl_functions.curl_easy_cleanup
#define curl_easy_getinfo curl_functions.curl_easy_getinfo
#define curl_easy_init curl_functions.curl_easy_init
#define curl_easy_recv curl_functions.curl_easy_recv
#define curl_easy_send curl_functions.curl_easy_send
#define curl_easy_setopt curl_functions.curl_easy_setopt
#define curl_easy_strerror curl_functions.curl_easy_strerror
#define curl_free curl_functions.curl_free
#define curl_global_init curl_functions.curl_global_init
#define curl_multi_add_handle curl_functions.curl_multi_add_handle
#define curl_multi_assign curl_functions.curl_multi_assign
#define curl_multi_cleanup curl_functions.curl_multi_cleanup
#define curl_multi_info_read curl_functions.curl_multi_info_read
#define curl_multi_init curl_functions.curl_multi_init
#define curl_multi_remove_handle curl_functions.curl_multi_remove_handle
#define curl_multi_setopt curl_functions.curl_multi_setopt
#define curl_multi_socket_action curl_functions.curl_multi_socket_action
#define curl_share_cleanup curl_functions.curl_share_cleanup
#define curl_share_init curl_functions.curl_share_init
#define curl_share_setopt curl_functions.curl_share_setopt
#define curl_url curl_functions.curl_url
#define curl_url_cleanup curl_functions.curl_url_cleanup
#define curl_url_get curl_functions.curl_url_get
#define curl_url_set curl_functions.curl_url_set

#endif
