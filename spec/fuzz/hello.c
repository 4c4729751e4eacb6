/*
 * A hello is judged by the bytes that are there, whatever is behind them; as
 * more come, the verdict goes from HELLO_PART to one that stays.
 */
#include "spec/fuzz/fuzz.h"

#include "daemon/hello.h"

/* The verdict on the first bytes, with `filler` where none came yet. */
static enum hello judge(const uint8_t *data, size_t length, uint8_t filler)
{
    unsigned char head[HELLO_HEAD];
    size_t need = 0;
    enum hello verdict;

    memset(head, filler, sizeof head);
    memcpy(head, data, length < sizeof head ? length : sizeof head);
    verdict = hello_judge(head, length, &need);
    MUST(verdict != HELLO_PART || need > length);
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum hello before = HELLO_PART;

    for (size_t length = 0; length <= size; length++) {
        enum hello verdict = judge(data, length, 0);

        MUST(verdict == judge(data, length, 255));
        MUST(before == HELLO_PART || verdict == before);
        before = verdict;
    }
    return 0;
}
