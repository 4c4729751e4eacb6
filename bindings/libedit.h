/* libedit, loaded by the first prompt: base/library.h. */
#ifndef HARP_BINDINGS_LIBEDIT_H
#define HARP_BINDINGS_LIBEDIT_H

#include <stdio.h>

#include <histedit.h>

#include "base/library.h"

struct harp_error;

#define LIBEDIT_FUNCTIONS(each) \
    each(el_deletestr) each(el_end) each(el_get) each(el_gets) \
    each(el_init) each(el_insertstr) each(el_line) each(el_resize) \
    each(el_set) each(el_source) each(history) each(history_end) \
    each(history_init)

extern struct libedit_functions {
    LIBEDIT_FUNCTIONS(LIBRARY_MEMBER)
} libedit_functions;

/* To be called before any of the functions; 0 also when it is loaded. */
int libedit_load(struct harp_error *error);

#define el_deletestr libedit_functions.el_deletestr
#define el_end libedit_functions.el_end
#define el_get libedit_functions.el_get
#define el_gets libedit_functions.el_gets
#define el_init libedit_functions.el_init
#define el_insertstr libedit_functions.el_insertstr
#define el_line libedit_functions.el_line
#define el_resize libedit_functions.el_resize
#define el_set libedit_functions.el_set
#define el_source libedit_functions.el_source
#define history libedit_functions.history
#define history_end libedit_functions.history_end
#define history_init libedit_functions.history_init

#endif
