/*
 * The modes of the terminal while a line is edited: keys come as they are
 * pressed. Whatever ends it, they are as they were before.
 */
#ifndef HARP_BINDINGS_KEYS_H
#define HARP_BINDINGS_KEYS_H

#include <stdbool.h>

/*
 * The modes as they are now are those to go back to. Were keys pressed
 * already, and echoed?
 */
bool keys_remember(void);

/*
 * From now on keys are pressed, and what is written is kept (terminal.h); the
 * modes of now are those for that.
 */
void keys_begin(void);

/* Back to what was remembered. May be called also when it has not begun. */
void keys_end(void);

#endif
