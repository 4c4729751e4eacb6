/*
 * How a call's guard is woken: by the procedure's thread, and by signals,
 * which have no other way to it. There is one of it in a process.
 */
#ifndef HARP_DAEMON_BELL_H
#define HARP_DAEMON_BELL_H

/*
 * The descriptor that becomes readable when it rings, or -1 with errno. From
 * here on SIGTERM, SIGXCPU and SIGABRT ring; a thread that aborts stays in
 * its handler, and the process has 3 s left.
 */
int bell_open(void);

void bell_ring(void);
void bell_hush(void);           /* it was heard */

/* The signals that came and were not heeded yet: bits of BELL_BIT. */
int bell_signals(void);
void bell_heed(int signals);
#define BELL_BIT(number) (1 << (number))

/*
 * From here on SIGTERM does not ring, but calls `interrupt`, in the thread
 * that it reaches.
 */
void bell_redirect(void (*interrupt)(void));

#endif
